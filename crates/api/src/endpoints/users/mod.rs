//! Users: who there is, what each is given, its sessions.

pub(crate) mod assign_roles;
pub(crate) mod boundaries;
pub(crate) mod delete;
pub(crate) mod end_session;
pub(crate) mod get;
pub(crate) mod invite;
pub(crate) mod list;
pub(crate) mod remove_second_factor;
pub(crate) mod reset_password;
pub(crate) mod sessions;
pub(crate) mod set_boundaries;
pub(crate) mod update;

use api_types::RoleName;
use control::iam::{Member, User};

/// A user with its roles in the API's words.
pub(crate) fn shown(member: Member) -> api_types::User {
    let roles = member.roles.into_iter().map(|role| RoleName { id: role.id, name: role.name }).collect();
    let locked_until = member.locked_until.unwrap_or_default();
    api_types::User { roles, locked_until, ..plain(member.user) }
}

/// A user whose roles are not asked for, or who has none yet.
pub(crate) fn plain(user: User) -> api_types::User {
    api_types::User {
        id: user.id,
        username: user.username,
        email: user.email,
        labels: user.labels,
        roles: Vec::new(),
        login_option: user.external.map_or_else(|| "built_in".to_owned(), |external| external.login_option),
        active: user.active,
        must_change_password: user.must_change_password,
        has_second_factor: user.has_second_factor,
        locked_until: 0,
        last_login_at: user.last_login_at.unwrap_or_default(),
        created_at: user.created_at,
        updated_at: user.updated_at,
    }
}

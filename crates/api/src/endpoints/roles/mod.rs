//! Roles: named bundles of permission policies.

pub(crate) mod attach;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod detach;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod policies;
pub(crate) mod update;

use control::iam::Role;

/// A role in the API's words.
fn shown(role: Role) -> api_types::Role {
    api_types::Role {
        id: role.id,
        name: role.name,
        desc: role.description,
        labels: role.labels,
        role_type: if role.built_in { "built_in" } else { "custom" }.to_owned(),
        created_at: role.created_at,
        updated_at: role.updated_at,
    }
}

/// A role as requests give it, and the policies it begins with.
fn spec(body: api_types::RoleSpec) -> (control::iam::RoleSpec, Vec<String>) {
    let spec = control::iam::RoleSpec { name: body.name, description: body.desc, labels: body.labels };
    (spec, body.permission_policies)
}

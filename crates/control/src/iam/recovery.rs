//! The way back in for the first admin, by the database and its master key alone. No control plane needs to run: whoever
//! has both could write the rows by hand, and would leave no trace.

use serde_json::json;
use store::Store;

use super::actor::Actor;
use super::login;
use super::passwords::Passwords;
use crate::audit;
use crate::error::ControlError;

/// What became of the first admin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Its name.
    pub username: String,
    /// Whether it had a second factor, which is gone.
    pub had_second_factor: bool,
    /// Whether it was shut out; it is not any more.
    pub was_shut_out: bool,
    /// Its sessions, which are ended.
    pub sessions_ended: u64,
    /// Whether login by name and password is switched on.
    pub built_in_login: bool,
}

/// Gives the first admin another password, without its second factor, and ends its sessions.
///
/// # Errors
/// [`ControlError::Conflict`] when the database has no first admin, [`ControlError::Invalid`] when the password will not
/// do, [`ControlError::Unavailable`].
pub async fn recover_first_admin(store: &Store, password: &str) -> Result<Recovered, ControlError> {
    let no_admin =
        || ControlError::Conflict("the database has no first admin: start the control plane once".to_owned());
    let admin = store.users().first_admin().await?.ok_or_else(no_admin)?;
    login::check_new(password, &admin.username)?;
    let hash = Passwords::default().hash(password.to_owned()).await?;
    let detail = json!({ "second_factor_removed": admin.has_second_factor, "was_shut_out": !admin.active });
    let entry = audit::entry(&Actor::system(), "RecoverAdmin").of("user", &admin.id).named(&admin.username);
    let sessions_ended = store.users().recover(&admin.id, &hash, &entry.detail(detail).into()).await?;
    let built_in_login = store.login_options().built_in().await?;
    Ok(Recovered {
        username: admin.username,
        had_second_factor: admin.has_second_factor,
        was_shut_out: !admin.active,
        sessions_ended,
        built_in_login,
    })
}

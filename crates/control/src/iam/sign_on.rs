//! Logins by a login option: from an identity that was proven outside to a session.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
pub use store::iam::sign_in::ProvisionedBy;
use store::iam::sign_in::{Newcomer, Provisioned, SignIn, SignedIn};
use store::iam::users::External;
use store::{SecretHash, StoreError};

use super::RequestContext;
use super::actor::Actor;
use super::login::{self, Session};
use super::login_options::LoginOption;
use super::rules::SUPER_ADMIN;
use super::throttle::{Pace, Subject, Throttle};
use super::usernames;
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;

const NOT_JOINED: &str = "the account that was provisioned for you is not free: several are alike, or it has a password, \
     comes by another sign-in, or is a Super Admin's; ask your administrator";

/// Counts logins by login options.
#[derive(Default)]
pub(crate) struct Attempts {
    /// Failed ones, by option and name.
    failed: Throttle,
    /// Begun ones, by address.
    begun: Pace,
}

/// Who somebody is, and what the option's mapping gives.
#[derive(Debug, Clone)]
pub struct Identified {
    /// Never given to another user of the option.
    pub subject: String,
    /// Which user that SCIM made it is if it comes for the first time: what of the user is compared, and with what.
    pub provisioned: Option<(ProvisionedBy, String)>,
    /// The name that the user goes by.
    pub username: String,
    /// The user's own address.
    pub email: Option<String>,
    /// Ids of roles; `None` when the option maps none, and the user keeps those given here.
    pub roles: Option<BTreeSet<String>>,
    /// Ids of the policies that bound the user; `None` as with roles.
    pub boundaries: Option<BTreeSet<String>>,
}

impl Control {
    /// Begins a session of the user who has proved to be this one by `option`, as it was when the proof was made. The
    /// first login makes the user, or finds the one that SCIM made.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when another account has the name or one that looks like it, when the account that SCIM
    /// made is not free to be joined, when the option has changed since, or when a policy that should bound the user is gone; [`ControlError::Unauthenticated`] for a user
    /// that is not active; [`ControlError::Unavailable`].
    pub async fn login_external(
        &self,
        option: &LoginOption,
        user: Identified,
        request: &RequestContext,
    ) -> Result<Session, ControlError> {
        let username = user.username.clone();
        if usernames::check(&username).is_err() {
            return Err(ControlError::Conflict(format!("{username:?} will not do as a user name here")));
        }
        let newcomer = Newcomer {
            id: uuid::Uuid::new_v4().to_string(),
            username_key: usernames::lookalike_key(&username),
            username,
        };
        let system = Actor::system().in_request(request.clone());
        let detail =
            json!({ "login_option": option.id, "roles": user.roles, "permission_boundaries": user.boundaries });
        // Of a user that is there already, the store knows the id.
        let entry = |action| {
            let entry = audit::entry(&system, action).of("user", &newcomer.id).named(&newcomer.username);
            entry.detail(detail.clone()).into()
        };
        let (made, changed) = (entry("CreateUser"), entry("UpdateUserRole"));
        let sign_in = SignIn {
            external: External { login_option: option.id.clone(), id: user.subject.clone() },
            version: option.version,
            provisioned: user.provisioned.map(|(by, value)| Provisioned { by, value, beyond: SUPER_ADMIN }),
            newcomer: newcomer.clone(),
            email: user.email,
            roles: user.roles,
            boundaries: user.boundaries,
        };
        let done = self.within_store(self.inner.store.sign_ins().sign_in(&sign_in, self.now(), &made, &changed)).await;
        match done.map_err(|error| refusal(error, &newcomer.username))? {
            SignedIn::As(identity) => match self.begin_session(&identity, Some(&option.id), request).await {
                Err(ControlError::NotFound { what: "login option", .. }) => Err(option_changed()),
                begun => begun,
            },
            SignedIn::Inactive => {
                Err(ControlError::Unauthenticated("this account is not active; ask your administrator"))
            }
            SignedIn::NotJoined => Err(ControlError::Conflict(NOT_JOINED.to_owned())),
            SignedIn::OptionChanged => Err(option_changed()),
        }
    }

    /// Counts one more login begun from an address.
    ///
    /// # Errors
    /// [`ControlError::TooManyAttempts`] when it is one too many.
    pub fn begin_sign_on(&self, address: &str) -> Result<(), ControlError> {
        match self.inner.attempts.begun.begin(address, self.now()) {
            Some(retry_after) => Err(ControlError::TooManyAttempts { retry_after }),
            None => Ok(()),
        }
    }

    /// Whether a password may be tried for this name of a login option.
    ///
    /// # Errors
    /// [`ControlError::TooManyAttempts`] after too many wrong ones, [`ControlError::Unauthenticated`] for what can be
    /// nobody's name.
    pub fn may_try_password(&self, option: &str, name: &str) -> Result<(), ControlError> {
        login::check_login(name)?;
        match self.inner.attempts.failed.wait(Subject::at_option(option, name), self.now()) {
            Some(retry_after) => Err(ControlError::TooManyAttempts { retry_after }),
            None => Ok(()),
        }
    }

    /// Counts a wrong password.
    pub fn note_wrong_password(&self, option: &str, name: &str) {
        self.inner.attempts.failed.failed(Subject::at_option(option, name), self.now());
    }

    /// Forgets the wrong passwords after a right one.
    pub fn note_right_password(&self, option: &str, name: &str) {
        self.inner.attempts.failed.succeeded(Subject::at_option(option, name));
    }

    /// What a browser is given to keep of a sign-in until it comes back: sealed, and good for this login option alone.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub fn seal_sign_on(&self, option: &str, plain: &[u8]) -> Result<String, ControlError> {
        Ok(URL_SAFE_NO_PAD.encode(self.inner.store.sign_ins().seal(option, plain)?))
    }

    /// What [`Control::seal_sign_on`] sealed; none when it is anything else.
    pub fn open_sign_on(&self, option: &str, sealed: &str) -> Option<Vec<u8>> {
        self.inner.store.sign_ins().open(option, &URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }

    /// Notes that a sign-in of this state came to its end, for `seconds` from now; whether it had not before, on any replica.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn use_sign_on_once(&self, state: &str, seconds: i64) -> Result<bool, ControlError> {
        let expires_at = self.now().saturating_add(seconds);
        self.within(self.inner.store.sign_ins().use_once(&SecretHash::of(state), expires_at)).await
    }
}

fn option_changed() -> ControlError {
    ControlError::Conflict("the login option was changed just now; please start again".to_owned())
}

fn refusal(error: StoreError, username: &str) -> ControlError {
    match error {
        StoreError::Duplicate { field: "username", .. } => ControlError::Conflict(format!(
            "another account has the name {username:?} or one that looks like it; ask your administrator to rename one"
        )),
        StoreError::NotFound { what, id } => ControlError::Conflict(format!(
            "the login option's mapping bounds you by {what} {id:?}, which is not there any more; ask your administrator"
        )),
        other => other.into(),
    }
}

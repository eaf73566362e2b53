//! Who calls, and what they may do.
//!
//! `login`, `tokens` and `admin_keys` turn what a request brings into an [`Actor`]; [`authorise`] turns an
//! actor into a [`Permit`], without which no function here touches a group.

mod actor;
mod admin_keys;
mod authorise;
mod login;
mod passwords;
mod throttle;
mod tokens;

pub use actor::{Actor, ActorKind};
pub use authorise::{Action, Forbidden, Permit, authorise, authorise_everywhere};
pub use login::Session;
pub(crate) use passwords::Passwords;
pub use store::{Credential, RequestContext};
pub use tokens::IssuedToken;

//! Who somebody is, as a provider or a directory says.

use serde_json::{Map, Value};

/// A user proven by a provider or a directory.
///
/// `subject` is what an account of ours is tied to, together with the login option; names and addresses change and are
/// given to others.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalIdentity {
    /// Never given to another user: the claim `sub`, or the entry's unique id in the directory.
    pub subject: String,
    /// The name that the user goes by.
    pub username: String,
    /// The address, unless the provider says that it is not the user's own.
    pub email: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// All claims, or the entry's attributes as lists of text: what [`mapping`](crate::mapping) looks at.
    pub attributes: Map<String, Value>,
}

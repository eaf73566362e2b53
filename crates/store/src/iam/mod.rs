//! Who may come in and what each was given: users, roles, permission policies, sessions, tokens, group keys,
//! what is provisioned by SCIM.
//!
//! What a control plane keeps compiled of this is good for one [`version`](users::Identity::version): every change of
//! users, roles, policies and what is attached to what makes the next one, in the same transaction.

pub mod access;
pub mod group_keys;
pub(crate) mod labels;
pub mod login_failures;
pub mod login_options;
pub mod policies;
pub mod provisioning;
pub mod roles;
pub mod second_factors;
pub mod sessions;
pub mod sign_in;
pub mod tokens;
pub mod users;

use crate::db::{Query, Tx};
use crate::error::StoreError;

/// Makes the next version. Comes first in a transaction: the row's lock puts all such writes in line, so that what one
/// of them checks (is this the last one? is it attached?) still holds when it commits.
pub(crate) async fn next_version(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute(Query::new("UPDATE iam_version SET version = version + 1", Vec::new())).await.map(drop)
}

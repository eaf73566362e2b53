//! Users, by SCIM.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod patch;
pub(crate) mod replace;

use axum::response::Response;
use control::iam::ProvisionedMember;
use http::StatusCode;
use scim::schema::USER;

use crate::scim::{ScimQuery, resource, user_shape};

/// A user as an answer, with what the query wants of it.
fn answer(status: StatusCode, found: &ProvisionedMember, query: &ScimQuery, base: &str) -> Response {
    let shown = user_shape::shown(found, base);
    resource(status, &shown.version, &shown.location, query.projection.apply(&USER, shown.resource))
}

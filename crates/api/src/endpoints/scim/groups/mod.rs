//! Groups, which are roles, by SCIM. Their members are the users who have the role.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod patch;
pub(crate) mod replace;

use axum::response::Response;
use control::iam::ProvisionedGroup;
use http::StatusCode;
use scim::schema::GROUP;

use crate::scim::{ScimQuery, group_shape, resource};

/// A group as an answer, with what the query wants of it.
fn answer(status: StatusCode, found: &ProvisionedGroup, query: &ScimQuery, base: &str) -> Response {
    let shown = group_shape::shown(found, base);
    resource(status, &shown.version, &shown.location, query.projection.apply(&GROUP, shown.resource))
}

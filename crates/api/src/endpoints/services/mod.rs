//! Views of a group's service.

pub(crate) mod health;
pub(crate) mod routes;
pub(crate) mod stream_routes;

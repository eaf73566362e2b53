//! What handlers read from a request; every refusal is an [`crate::error::ApiError`].

mod address;
mod body;
mod group;
mod if_match;
mod instances;
mod list;
mod path;

pub(crate) use address::{Addressed, Collection};
pub(crate) use body::{JsonBody, OptionalJsonBody};
pub(crate) use group::{GroupOfRequest, GroupParam};
pub(crate) use if_match::IfMatch;
pub(crate) use instances::InstanceParams;
pub(crate) use list::{ListParams, ListQuery};
pub(crate) use path::PathOf;

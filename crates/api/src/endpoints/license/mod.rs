//! Licences: clients of API7 upload one, Flotilla needs none.

pub(crate) mod get;
pub(crate) mod put;

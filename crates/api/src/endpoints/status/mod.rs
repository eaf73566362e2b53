//! State of the control plane.

pub(crate) mod get;

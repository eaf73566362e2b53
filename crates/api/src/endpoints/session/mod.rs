//! Sessions of people at a browser or the command line.

pub(crate) mod cookie;
pub(crate) mod login;
pub(crate) mod logout;

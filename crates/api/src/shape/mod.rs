//! How resources look on the way in and on the way out (the contract's write shape and read shape).

mod certificate;
mod read;
mod write;

pub(crate) use read::{plain, read};
pub(crate) use write::{body_of, given_id, id_of_new};

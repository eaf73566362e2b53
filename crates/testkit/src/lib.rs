//! What tests need around them: real servers on free ports that stop by themselves.

pub mod postgres;
pub mod redis;
mod server;

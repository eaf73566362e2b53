//! The one gRPC call of a benchmark: what is asked and what is answered.

/// The media type of calls and answers.
pub(crate) const TYPE: &str = "application/grpc";
/// The trailer with the call's outcome; "0" is success.
pub(crate) const STATUS: &str = "grpc-status";
/// The request's body: a message of 18 bytes (one field, a string of 16) behind its length prefix.
pub(crate) const CALL: &[u8; 23] = b"\0\0\0\0\x12\x0a\x10A small question";
/// The answer's body, likewise.
pub(crate) const REPLY: &[u8; 28] = b"\0\0\0\0\x17\x0a\x15A small, fixed answer";

//! Nothing here: this crate holds the tests that run the real binary.

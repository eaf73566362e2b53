//! The file with the last good configuration, whatever became of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gateway::fuzzing::last_good(bytes));

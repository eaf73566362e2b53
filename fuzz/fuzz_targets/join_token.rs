//! Join tokens: what was read is never shown.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = text.parse::<gateway::config::JoinToken>();
});

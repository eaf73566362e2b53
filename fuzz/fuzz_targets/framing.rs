//! The framing guard of HTTP/1: cut anywhere, the verdict is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let at = usize::from(cut).min(bytes.len());
    let whole = gateway::fuzzing::framing(&[bytes]);
    let parts = gateway::fuzzing::framing(&[&bytes[..at], &bytes[at..]]);
    assert_eq!(whole, parts);
});

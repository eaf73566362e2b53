//! A node's answer of HTTP/1.1: no panic, and cut anywhere it reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let at = usize::from(cut).min(bytes.len());
    let whole = gateway::fuzzing::answer(&[bytes]);
    let parts = gateway::fuzzing::answer(&[&bytes[..at], &bytes[at..]]);
    // Which rule is noticed first may depend on where the answer is cut; that one is broken does not.
    assert_eq!(whole.ok(), parts.ok());
});

//! Frames of HTTP/2: no panic, and cut anywhere the verdict is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let at = usize::from(cut).min(bytes.len());
    let whole = gateway::fuzzing::frames(&[bytes]);
    let parts = gateway::fuzzing::frames(&[&bytes[..at], &bytes[at..]]);
    assert_eq!(whole, parts);
});

//! A client's certificate, and the authority that is to vouch for it: no panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (certificate, authority) = bytes.split_at(usize::from(cut).min(bytes.len()));
    gateway::fuzzing::client_certificate(certificate, authority);
    gateway::fuzzing::client_certificate(bytes, bytes);
});

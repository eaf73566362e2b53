//! Messages of an LDAP directory: no panic, and the first of them is the same whatever follows.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((size, is_message)) = sign_on::fuzzing::ldap_message(bytes) else { return };
    assert!((2..=bytes.len()).contains(&size));
    assert_eq!(sign_on::fuzzing::ldap_message(&bytes[..size]), Some((size, is_message)));
    assert_eq!(sign_on::fuzzing::ldap_message(&bytes[..size - 1]), None, "half a message is waited for");
});

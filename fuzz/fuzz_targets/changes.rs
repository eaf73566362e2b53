//! Changes as they come over the config channel and from disk.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(changes) = wire::decode_changes(bytes::Bytes::copy_from_slice(bytes)) else { return };
    let encoded = wire::encode_changes(&changes);
    assert_eq!(wire::decode_changes(encoded).as_ref(), Ok(&changes));
});

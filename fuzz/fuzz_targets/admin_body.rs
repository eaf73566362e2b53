//! Bodies of requests to APISIX's Admin API: what is no JSON is refused, with the place where it stops being any.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let is_good = bytes.is_empty() || serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    match api::fuzzing::admin_body(bytes) {
        None => assert!(is_good),
        Some(why) => assert!(!is_good && why.starts_with("invalid request body: "), "{why}"),
    }
});

//! Paths of requests: what was normalised once stays as it is.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    // The engine gives on what is a request target only.
    let Ok(uri) = path.parse::<http::Uri>() else { return };
    let Some(normalised) = gateway::fuzzing::normalise(uri.path()) else { return };
    assert!(normalised.starts_with('/'));
    assert!(!normalised.contains('\0'));
    assert!(!normalised.split('/').any(|segment| segment == ".." || segment == "."), "{path:?} {normalised:?}");
});

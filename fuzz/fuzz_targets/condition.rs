//! `vars` of routes and plugins, on a request.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    if let Ok(condition) = plugin_api::Condition::compile(&value) {
        let exchange = plugin_api::testing::exchange("/a/b?c=d&e");
        let _ = condition.holds(&exchange);
    }
});

//! Forms: what was encoded comes back, and nothing else makes a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_api::testing::{exchange, with_header};

fuzz_target!(|input: (&str, &str, &str)| {
    let (text, name, value) = input;
    assert!(plugins::fuzzing::form(text).is_object());
    let pair: String = format!("{}={}", escaped(name), escaped(value));
    assert_eq!(plugins::fuzzing::form(&pair)[name], value);
    let mut exchange = with_header(exchange("/"), "content-type", "application/x-www-form-urlencoded");
    exchange.request_body = Some(bytes::Bytes::copy_from_slice(text.as_bytes()));
    let _ = plugin_api::Template::parse(&format!("$post_arg_{name}")).render(&exchange);
});

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

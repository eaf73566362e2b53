//! Templates, and variables read from a query and a cookie.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_api::testing::{exchange, with_header};

fuzz_target!(|input: (&str, &str, &str)| {
    let (template, query, cookie) = input;
    let Ok(target) = format!("/a?{query}").parse::<http::Uri>() else { return };
    if http::HeaderValue::from_str(cookie).is_err() {
        return;
    }
    let exchange = with_header(exchange(&target.to_string()), "cookie", cookie);
    let _ = plugin_api::Template::parse(template).render(&exchange);
    let _ = exchange.query_argument(template);
    let _ = exchange.cookie(template);
});

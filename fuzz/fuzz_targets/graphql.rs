//! What routes match by of a GraphQL request: in a query's argument, a body, and a field of one.

#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use plugin_api::testing::{exchange, with_header};

fuzz_target!(|query: &str| {
    let template = plugin_api::Template::parse("$graphql_operation $graphql_name $graphql_root_fields");
    let json = serde_json::json!({ "query": query }).to_string();
    let mut told = Vec::new();
    for (content_type, body) in [("application/graphql", query), ("application/json", &json)] {
        let mut exchange = with_header(exchange("/graphql"), "content-type", content_type);
        exchange.method = Method::POST;
        exchange.request_body = Some(bytes::Bytes::copy_from_slice(body.as_bytes()));
        told.push(template.render(&exchange).to_string());
    }
    assert_eq!(told[0], told[1], "however the query comes");
    let whole = query.replace(['%', '+', '&', '#', ' '], "");
    if let Ok(target) = format!("/graphql?query={whole}").parse::<http::Uri>() {
        let _ = template.render(&exchange(&target.to_string()));
    }
});

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{exchange, with_header};

/// A request with an argument of each sort.
fn request() -> Exchange {
    let request = exchange("/orders?id=42&name=jack&empty=&list=a,b&text=042");
    with_header(with_header(request, "x-tenant", "acme"), "cookie", "session=s1; theme=dark")
}

fn holds(expression: Value) -> bool {
    Condition::compile(&expression).expect("an expression").holds(&request())
}

#[test]
fn every_operator_compares() {
    let cases = [
        (json!([["arg_name", "==", "jack"]]), true),
        (json!([["arg_name", "==", "Jack"]]), false),
        (json!([["arg_name", "~=", "ann"]]), true),
        (json!([["arg_id", "==", 42]]), true),
        (json!([["arg_text", "==", 42]]), true),
        (json!([["arg_text", "==", "42"]]), false),
        (json!([["arg_id", ">", 41]]), true),
        (json!([["arg_id", ">", 42]]), false),
        (json!([["arg_id", ">=", 42]]), true),
        (json!([["arg_id", "<", "43"]]), true),
        (json!([["arg_id", "<=", 41]]), false),
        (json!([["arg_name", ">", 1]]), false),
        (json!([["arg_name", "~~", "^ja"]]), true),
        (json!([["arg_name", "~~", "^JA"]]), false),
        (json!([["arg_name", "~*", "^JA"]]), true),
        (json!([["arg_name", "~~", "^j(?!o)"]]), true),
        (json!([["arg_name", "~~", "^j(?!a)"]]), false),
        (json!([["arg_name", "~*", "^J(?=A)"]]), true),
        (json!([["arg_name", "in", ["ann", "jack"]]]), true),
        (json!([["arg_id", "in", [41, 42]]]), false),
        (json!([["arg_id", "in", ["41", "42"]]]), true),
        (json!([["arg_id", "42"]]), true),
        (json!([["arg_id", "==", ["42"]]]), false),
        (json!([["arg_id", ">", "many"]]), false),
        (json!([["arg_name", "in", []]]), false),
        (json!([["arg_list", "has", "b"]]), true),
        (json!([["arg_list", "has", "c"]]), false),
        (json!([["remote_addr", "ipmatch", ["192.0.2.0/24"]]]), true),
        (json!([["remote_addr", "ipmatch", ["192.0.2.7", "::1"]]]), true),
        (json!([["remote_addr", "ipmatch", ["198.51.100.0/24"]]]), false),
        (json!([["http_x_tenant", "==", "acme"]]), true),
        (json!([["cookie_theme", "==", "dark"]]), true),
        (json!([["uri", "==", "/orders"]]), true),
    ];
    for (expression, expected) in cases {
        assert_eq!(holds(expression.clone()), expected, "{expression}");
    }
}

#[test]
fn what_is_not_set_passes_only_tests_for_that() {
    let cases = [
        (json!([["arg_none", "==", null]]), true),
        (json!([["arg_name", "==", null]]), false),
        (json!([["arg_none", "~=", "x"]]), true),
        (json!([["arg_none", "==", ""]]), false),
        (json!([["arg_empty", "==", ""]]), true),
        (json!([["arg_none", "<", 1]]), false),
        (json!([["arg_none", "~~", ".*"]]), false),
        (json!([["arg_none", "in", ["x"]]]), false),
        (json!([["arg_none", "ipmatch", ["0.0.0.0/0"]]]), false),
    ];
    for (expression, expected) in cases {
        assert_eq!(holds(expression.clone()), expected, "{expression}");
    }
}

#[test]
fn expressions_nest() {
    let (yes, no) = (json!(["arg_id", "==", "42"]), json!(["arg_id", "==", "0"]));
    let cases = [
        (json!([]), true),
        (json!([yes, yes]), true),
        (json!([yes, no]), false),
        (json!(["AND", yes, no]), false),
        (json!(["OR", yes, no]), true),
        (json!(["!AND", yes, no]), true),
        (json!(["!OR", yes, no]), false),
        (json!(["!OR", no, no]), true),
        (json!(["OR", no, ["AND", yes, ["!OR", no, no]]]), true),
        (json!([["arg_id", "!", "==", "42"]]), false),
        (json!([["arg_id", "!", "in", ["1"]]]), true),
    ];
    for (expression, expected) in cases {
        assert_eq!(holds(expression.clone()), expected, "{expression}");
    }
}

#[test]
fn wrong_expressions_are_refused() {
    for expression in [
        json!("x"),
        json!([["arg_id", "=", 1]]),
        json!([["arg_id", "~~", "("]]),
        json!(["arg_id", "==", "1"]),
        json!([["remote_addr", "ipmatch", ["300.1.1.1"]]]),
    ] {
        assert!(Condition::compile(&expression).is_err(), "{expression}");
    }
}

proptest! {
    #[test]
    fn no_expression_and_no_request_can_break_it(
        name in "\\PC{0,12}", operator in "[=~<>!*a-z]{1,7}", value in "\\PC{0,12}", query in "[ -~]{0,30}",
    ) {
        let Ok(condition) = Condition::compile(&json!([[name, operator, value]])) else { return Ok(()) };
        let target = format!("/?{}", percent_encoding::utf8_percent_encode(&query, percent_encoding::NON_ALPHANUMERIC));
        condition.holds(&exchange(&target));
    }
}

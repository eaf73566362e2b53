//! Expressions as users write them, and what is told of wrong ones.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn compare(name: &str, operator: Operator, value: Value) -> Expr {
    Expr::Compare(Comparison { name: name.into(), operator, value })
}

#[test]
fn lists_nest() {
    let a = || compare("arg_a", Operator::Equal, json!("1"));
    let b = || compare("http_b", Operator::Greater, json!(5));
    let (raw_a, raw_b) = (json!(["arg_a", "==", "1"]), json!(["http_b", ">", 5]));
    assert_eq!(parse(&json!([])), Ok(Expr::All(vec![])));
    assert_eq!(parse(&json!([["arg_a", "1"]])), Ok(Expr::All(vec![a()])));
    assert_eq!(parse(&json!([raw_a, raw_b])), Ok(Expr::All(vec![a(), b()])));
    assert_eq!(parse(&json!(["AND", raw_a, raw_b])), Ok(Expr::All(vec![a(), b()])));
    assert_eq!(parse(&json!(["OR", raw_a, raw_b])), Ok(Expr::Any(vec![a(), b()])));
    let not_and = Expr::Not(Box::new(Expr::All(vec![a(), b()])));
    assert_eq!(parse(&json!(["!AND", raw_a, raw_b])), Ok(not_and));
    let not_or = Expr::Not(Box::new(Expr::Any(vec![a(), b()])));
    assert_eq!(parse(&json!([["!or", raw_a, raw_b], raw_b])), Ok(Expr::All(vec![not_or, b()])));
    let not = Expr::Not(Box::new(compare("arg_a", Operator::In, json!(["x"]))));
    assert_eq!(parse(&json!([["arg_a", "!", "in", ["x"]]])), Ok(Expr::All(vec![not])));
}

#[test]
fn every_operator_is_read() {
    let cases = [
        ("==", json!("a"), Operator::Equal),
        ("~=", json!(null), Operator::NotEqual),
        (">", json!("5"), Operator::Greater),
        (">=", json!(5.5), Operator::GreaterOrEqual),
        ("<", json!(-1), Operator::Less),
        ("<=", json!(0), Operator::LessOrEqual),
        ("~~", json!("^a"), Operator::Matches),
        ("~*", json!("^A"), Operator::MatchesIgnoreCase),
        ("in", json!(["a", 1]), Operator::In),
        ("IN", json!([]), Operator::In),
        ("has", json!("a"), Operator::Has),
        ("ipmatch", json!(["10.0.0.0/8", "::1"]), Operator::IpMatch),
    ];
    for (word, value, operator) in cases {
        let expected = Expr::All(vec![compare("uri", operator, value.clone())]);
        assert_eq!(parse(&json!([["$uri", word, value]])), Ok(expected), "{word}");
    }
}

#[test]
fn faults_name_the_place_and_what_would_be_right() {
    let cases = [
        (json!("x"), "", "should be an array"),
        (json!(["a", "==", "b"]), "", "rule should be wrapped inside brackets"),
        (json!([1, "==", 1]), "/0", "rule should be wrapped inside brackets"),
        (json!([["a", "=="]]), "/0", "invalid expression"),
        (json!([["a"]]), "/0", "invalid expression"),
        (json!([[]]), "/0", "rule too short"),
        (json!(["AND", ["a", "==", 1]]), "", "rule too short"),
        (json!([["a", "?", "==", 1]]), "/0", "bad 'not' expression"),
        (json!([["", "==", 1]]), "/0/0", "must not be empty"),
        (json!([["a", "=", 1]]), "/0/1", "invalid operator '='"),
        (json!([["a", "!", "X", 1]]), "/0/2", "invalid operator 'x'"),
        (json!([["a", 12, 1]]), "/0/1", "invalid operator '12'"),
        (json!([["a", "~~", 5]]), "/0/2", "must be a regular expression"),
        (json!([["a", "~~", "("]]), "/0/2", "is not a regular expression: unclosed group"),
        (json!([["a", "~~", "(?=x"]]), "/0/2", "is not a regular expression"),
        (json!([["a", "~*", "(a)\\2"]]), "/0/2", "is not a regular expression"),
        (json!([["a", "ipmatch", ["10.0.0.0/99"]]]), "/0/2", "invalid ip address: 10.0.0.0/99"),
        (json!([["a", "ipmatch", []]]), "/0/2", "invalid ip address"),
        (json!(["OR", ["a", "==", 1], ["b", "??", 1]]), "/2/1", "invalid operator '??'"),
        (json!([["AND", ["OR", ["a", "==", 1], 5], ["b", "==", 1]]]), "/0/1/2", "should be an array"),
    ];
    for (value, pointer, message) in cases {
        let fault = parse(&value).expect_err("fault");
        assert_eq!(fault.pointer, pointer, "{value}");
        assert!(fault.message.contains(message), "{value}: {}", fault.message);
        assert!(value.pointer(pointer).is_some(), "{value}");
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| (1..depth).fold(json!(["a", "==", 1]), |inner: Value, _| json!([inner]));
    assert!(parse(&nested(DEEPEST)).is_ok());
    assert!(parse(&nested(DEEPEST + 1)).is_err());
}

proptest! {
    /// Whatever comes, the answer is an expression or a fault whose pointer exists.
    #[test]
    fn no_input_panics(value in any_value()) {
        if let Err(fault) = parse(&value) {
            prop_assert!(value.pointer(&fault.pointer).is_some(), "{} in {value}", fault.pointer);
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let words = ["AND", "!OR", "!", "==", "in", "~~", "a", "", "(", "10.0.0.1"];
    let leaf = prop_oneof![
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| proptest::collection::vec(inner, 0..5).prop_map(Value::from))
}

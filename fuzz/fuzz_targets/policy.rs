//! Permission policies: whatever is accepted decides, explains, filters and comes back as it was sent.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use model::policy::{
    Access, Attached, ConditionKey, ListTarget, Pattern, Policy, PolicyDocument, Role, RowArn, Target, arn,
};

const NAMES: [&str; 2] = ["gateway:GetPublishedService", "gateway:UpdatePublishedService"];

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = serde_json::from_slice(bytes) {
        if let Ok(document) = PolicyDocument::parse(&value) {
            decide(document);
        }
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        let (source, text) = text.split_once('\n').unwrap_or((text, ""));
        printed_is_compiled(source, text);
    }
});

fn decide(document: PolicyDocument) {
    assert_eq!(PolicyDocument::parse(&document.to_value()).as_ref(), Ok(&document));
    let _ = document.warnings(&NAMES, &[ConditionKey::GatewayGroupLabel]);
    let policy = Arc::new(Policy { id: "p".into(), name: "p".into(), document });
    let role = Arc::new(Role { id: "r".into(), name: "r".into() });
    let access = Access::new(vec![Attached { policy, role }], Vec::new());
    let target = Target::new(arn::published_service("a", "b"));
    assert_eq!(access.explain(&NAMES, &target).allowed, access.allows(&NAMES, &target));
    let _ = access.scope(&NAMES, &ListTarget::new().rows(RowArn::new(arn::published_services("a"))));
    let _ = access.scope(&NAMES, &ListTarget::new().rows(RowArn::nested(arn::GATEWAY_GROUPS, arn::PUBLISHED_SERVICES)));
}

fn printed_is_compiled(source: &str, text: &str) {
    let Ok(pattern) = Pattern::parse(source) else { return };
    let printed = regex::Regex::new(&pattern.to_regex()).expect("what is printed is a regular expression");
    for text in [text, source] {
        assert_eq!(pattern.matches(text), printed.is_match(text), "{printed} on {text:?}");
    }
}

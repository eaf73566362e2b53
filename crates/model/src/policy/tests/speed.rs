//! What a decision takes; prints and asserts nothing about time. Run it with
//! `cargo test --release -p flotilla-model policy::tests::speed -- --ignored --nocapture`.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use serde_json::json;

use super::{attached, labels, policy};
use crate::policy::{Access, ConditionKey, ListTarget, RowArn, Target, arn};

const ROUNDS: u32 = 20_000;

/// 50 policies of 4 statements, among them fixed texts, wildcards, a regular expression and a condition.
fn many() -> Access {
    let policies = (0..50).map(|n| {
        let group = format!("arn:api7:gateway:gatewaygroup/group-{n}");
        let regex = format!("arn:api7:gateway:gatewaygroup/<[^/]*>/publishedservice/team-{n}-<[a-z]+>");
        policy(&format!("p{n}"), json!([
            { "effect": "allow", "resources": [group, format!("{group}/publishedservice/<.*>")], "actions": ["<.*>"] },
            { "effect": "allow", "resources": [regex], "actions": ["gateway:GetPublishedService", "<.*>Update<.*>"] },
            {
                "effect": "allow", "resources": ["<.*>"], "actions": ["gateway:<.*>PublishedService"],
                "conditions": { "service_label": {
                    "type": "MatchLabel", "options": { "key": "team", "operator": "exact_match", "value": format!("t{n}") } } },
            },
            { "effect": "deny", "resources": ["arn:api7:iam:<.*>"], "actions": ["iam:<.*>"] },
        ]))
    });
    Access::new(policies.map(attached).collect(), Vec::new())
}

fn measured(what: &str, mut run: impl FnMut() -> bool) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(run());
    }
    println!("{what}: {:?}", start.elapsed() / ROUNDS);
}

#[test]
#[ignore = "prints times; of use in a release build only"]
fn print_what_a_decision_takes() {
    let access = many();
    let team = labels(&[("team", "none")]);
    let names: &[&str] = &["gateway:UpdatePublishedService"];
    let target = |group: &str| {
        Target::new(arn::published_service(group, "orders")).with_labels(ConditionKey::ServiceLabel, team.clone())
    };
    let (last, none) = (target("group-49"), target("nowhere"));
    measured("allowed by the last policy", || access.allows(names, &last));
    measured("allowed by none", || access.allows(names, &none));
    let list = ListTarget::new()
        .rows(RowArn::nested(arn::GATEWAY_GROUPS, arn::PUBLISHED_SERVICES))
        .labelled_by_row(ConditionKey::ServiceLabel);
    let start = Instant::now();
    for _ in 0..100 {
        black_box(access.scope(names, &list));
    }
    println!("scope of a list over all groups: {:?}", start.elapsed() / 100);
    assert!(access.allows(names, &last) && !access.allows(names, &none));
}

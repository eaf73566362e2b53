//! A company's worth of groups, services, users and policies on PostgreSQL: what lists, searches, logins and decisions take.
//!
//! Every user has policies of its own, each of some statements: fixed groups, labels, regular expressions, denials. The
//! lists are asked for by such users, so that each is filtered by all their policies.

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use model::Labels;
use model::policy::{Access, Attached, ConditionKey, Policy, PolicyDocument, Role, Target, arn};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::Api;
use crate::proxies::flotilla::{ControlPlane, text};
use crate::statistics::Tail;

const PASSWORD: &str = "bench-Password-2";
/// Users who ask; the others are there to be many.
const ASKERS: usize = 5;
const DECISIONS: u32 = 20_000;
const SERVICES_PER_GROUP: usize = 10;

/// How many there are.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Size {
    pub(crate) groups: usize,
    pub(crate) users: usize,
    pub(crate) policies_per_user: usize,
    /// Of each list and search.
    pub(crate) samples: usize,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Permissions {
    pub(crate) size: Size,
    /// By what was asked.
    pub(crate) lists_ms: Vec<(String, Tail)>,
    pub(crate) login_ms: Tail,
    /// One decision in this process, with as many policies as a user has.
    pub(crate) decision_us: f64,
}

/// Fills the control plane and asks.
pub(crate) fn measure(control: &mut ControlPlane, size: Size) -> Result<Permissions> {
    let groups = make_groups(control, size.groups)?;
    let mut askers = Vec::new();
    for number in 0..size.users {
        let name = format!("user-{number}");
        make_user(control, &name, number, &groups, size)?;
        if number < ASKERS {
            askers.push(come_in(control.address, &name)?);
        }
    }
    let mut lists_ms = Vec::new();
    for (what, path) in questions(&groups) {
        let mut times = Vec::new();
        for sample in 0..size.samples {
            let asker = sample % askers.len().max(1);
            let api = askers.get_mut(asker).context("nobody to ask")?;
            times.push(timed(|| api.call("GET", &path, &Value::Null).map(drop))?);
        }
        lists_ms.push((what.to_owned(), Tail::of(times).context("nothing was asked")?));
    }
    let logins: Result<Vec<f64>> = (0..20).map(|_| login(control.address)).collect();
    let login_ms = Tail::of(logins?).context("nobody logged in")?;
    Ok(Permissions { size, lists_ms, login_ms, decision_us: decision(size.policies_per_user)? })
}

fn questions(groups: &[String]) -> Vec<(&'static str, String)> {
    let group = groups.first().cloned().unwrap_or_default();
    vec![
        ("groups, a page", "/api/gateway_groups?page=1&page_size=50".to_owned()),
        ("groups, all", "/api/gateway_groups".to_owned()),
        ("groups by label", "/api/gateway_groups?labels=env=prod&page=1&page_size=50".to_owned()),
        ("groups by search", "/api/gateway_groups?search=line-7&page=1&page_size=50".to_owned()),
        ("instances, a page", "/api/instances?page=1&page_size=50".to_owned()),
        ("services of a group", format!("/apisix/admin/services?gateway_group_id={group}")),
        ("services by search", format!("/apisix/admin/services?gateway_group_id={group}&search=service-3")),
        ("users, a page", "/api/users?page=1&page_size=50".to_owned()),
        ("users by search", "/api/users?search=user-7&page=1&page_size=50".to_owned()),
        ("roles, a page", "/api/roles?page=1&page_size=50".to_owned()),
        ("policies, a page", "/api/permission_policies?page=1&page_size=50".to_owned()),
        ("policies by search", "/api/permission_policies?search=user-7&page=1&page_size=50".to_owned()),
        ("audit log, a page", "/api/audit_logs?page=1&page_size=50".to_owned()),
    ]
}

fn timed(ask: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    ask()?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// Groups with services; returns their ids.
fn make_groups(control: &mut ControlPlane, count: usize) -> Result<Vec<String>> {
    let mut groups = Vec::with_capacity(count);
    for number in 0..count {
        let env = ["dev", "test", "uat", "prod"][number % 4];
        let spec = json!({ "name": format!("line-{}-{env}-{number}", number % 50),
            "labels": { "line": format!("line-{}", number % 50), "env": env } });
        let made = control.api.call("POST", "/api/gateway_groups", &spec)?;
        let group = text(&made, "/value/id")?;
        let change = |service: usize| {
            let value = json!({ "name": format!("service-{service}"), "labels": { "team": format!("t{service}") },
                "upstream": { "nodes": { "127.0.0.1:1": 1 } } });
            json!({ "op": "put", "kind": "service", "id": format!("s{service}"), "value": value })
        };
        control.batch(&group, &(0..SERVICES_PER_GROUP).map(change).collect::<Vec<_>>())?;
        groups.push(group);
    }
    Ok(groups)
}

fn make_user(control: &mut ControlPlane, name: &str, number: usize, groups: &[String], size: Size) -> Result<()> {
    let mut policies = Vec::with_capacity(size.policies_per_user);
    for policy in 0..size.policies_per_user {
        let group = &groups[(number * 7 + policy * 3) % groups.len()];
        let spec = json!({ "name": format!("{name}-{policy}"), "policy_document": document(group, policy) });
        let made = control.api.call("POST", "/api/permission_policies", &spec)?;
        policies.push(text(&made, "/value/id")?);
    }
    let role = control.api.call("POST", "/api/roles", &json!({ "name": name, "permission_policies": policies }))?;
    let invited = control.api.call("POST", "/api/invites", &json!({ "username": name, "password": "once" }))?;
    let (role, user) = (text(&role, "/value/id")?, text(&invited, "/value/id")?);
    let path = format!("/api/users/{user}/assigned_roles");
    control.api.call("PUT", &path, &json!({ "roles": [role] })).map(drop)
}

fn document(group: &str, policy: usize) -> Value {
    let group = format!("arn:api7:gateway:gatewaygroup/{group}");
    let regex = format!("arn:api7:gateway:gatewaygroup/<[^/]*>/publishedservice/s{}<[a-z]+>", policy % 10);
    let people = format!("arn:api7:iam:<(user|role|permissionpolicy|organization)>/<.*[*{:x}]>", policy % 16);
    json!({ "statement": [
        { "effect": "allow", "resources": [group, format!("{group}/publishedservice/<.*>")], "actions": ["<.*>"] },
        { "effect": "allow", "resources": [regex], "actions": ["gateway:GetPublishedService", "<.*>Update<.*>"] },
        { "effect": "allow", "resources": ["<.*>"], "actions": ["gateway:<.*>PublishedService"],
          "conditions": { "service_label": { "type": "MatchLabel",
              "options": { "key": "team", "operator": "exact_match", "value": format!("t{policy}") } } } },
        { "effect": "allow", "resources": [people], "actions": ["iam:Get<.*>"] },
        { "effect": "deny", "resources": ["arn:api7:iam:<.*>"], "actions": ["iam:<(Create|Update|Delete).*>"] },
    ] })
}

/// Chooses a password and gives an API with the user's token.
fn come_in(address: SocketAddr, name: &str) -> Result<Api> {
    let mut once = Api::new(address).with_header(basic(name, "once"));
    once.call("PUT", "/api/password", &json!({ "old_password": "once", "new_password": PASSWORD }))?;
    let mut own = Api::new(address).with_header(basic(name, PASSWORD));
    let issued = own.call("POST", "/api/tokens", &json!({ "name": "bench" }))?;
    Ok(Api::new(address).with_header(format!("X-API-KEY: {}", text(&issued, "/value/token")?)))
}

fn basic(name: &str, password: &str) -> String {
    use base64::Engine;
    let coded = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {coded}")
}

fn login(address: SocketAddr) -> Result<f64> {
    let mut api = Api::new(address);
    timed(|| api.call("POST", "/api/login", &json!({ "username": "user-0", "password": PASSWORD })).map(drop))
}

/// Microseconds of one decision that no policy allows: all of them are looked at.
fn decision(policies: usize) -> Result<f64> {
    let mut attached = Vec::with_capacity(policies);
    for number in 0..policies {
        let document = document(&format!("group-{number}"), number);
        let document = PolicyDocument::parse(&document).map_err(|faults| anyhow::anyhow!("{faults}"))?;
        let policy = Policy { id: format!("p{number}"), name: format!("p{number}"), document };
        attached.push(Attached { policy: policy.into(), role: Role { id: "r".into(), name: "r".into() }.into() });
    }
    let access = Access::new(attached, Vec::new());
    let labels: Labels = [("team".to_owned(), "none".to_owned())].into();
    let service = arn::published_service("nowhere", "orders");
    let begun = Instant::now();
    for _ in 0..DECISIONS {
        let target = Target::new(service.as_str()).labelled(ConditionKey::ServiceLabel, &labels);
        black_box(access.allows(&["gateway:UpdatePublishedService"], black_box(&target)));
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(DECISIONS))
}

/// A control plane on a PostgreSQL of its own, which ends with what this returns.
pub(crate) fn control_plane(program: &Path, dir: &Path) -> Result<(ControlPlane, testkit::postgres::Postgres)> {
    let mut postgres = testkit::postgres::Postgres::start()?;
    let database = postgres.database()?;
    Ok((ControlPlane::start_on(program, dir, None, Some(&database))?, postgres))
}

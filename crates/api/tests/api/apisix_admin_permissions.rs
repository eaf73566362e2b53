//! The Admin API of Apache APISIX (port 9180): every route, asked by everyone.

use std::collections::BTreeMap;

use ::api::permissions::{Endpoint, Needs, apisix_admin_table};
use anyhow::{Context, Result, ensure};
use model::{GroupId, Kind};
use reqwest::Method;
use serde_json::{Value, json};
use store::access::{GroupAccess, SystemReason};
use store::iam::group_keys::NewGroupKey;
use store::{AuditEntry, SecretHash};

use crate::fixture::{ADMIN, APISIX_KEY, Fixture};
use crate::permissions::token_of;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Nobody,
    /// Of no use anywhere.
    WrongKey,
    /// One that was good until lately.
    ExpiredKey,
    /// One that was deleted.
    RevokedKey,
    /// A browser in which the first admin is logged in.
    Session,
    /// The organization's SCIM token.
    Scim,
    /// A key of the group that may read alone.
    ReadingKey,
    /// A personal token of a user who may read everything.
    ViewerToken,
    /// A personal token of a user without any role.
    PowerlessToken,
    /// The key of another group.
    OtherGroupKey,
    GroupKey,
    SuperAdminToken,
}

/// Those who may remove what is there go last.
const ASKERS: [Asker; 12] = [
    Asker::Nobody,
    Asker::WrongKey,
    Asker::ExpiredKey,
    Asker::RevokedKey,
    Asker::Session,
    Asker::Scim,
    Asker::ReadingKey,
    Asker::ViewerToken,
    Asker::PowerlessToken,
    Asker::OtherGroupKey,
    Asker::GroupKey,
    Asker::SuperAdminToken,
];

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// 401 in APISIX's words.
    Unknown,
    /// 403
    Refused,
    /// What is asked for may be missing or wrong, but it may be asked for.
    Permitted,
    /// 5xx, or a refusal in other words.
    Broken,
}

fn outcome(method: &str, status: u16, body: &Value) -> Outcome {
    let is_told = method == "HEAD" || body["error_msg"] == "failed to check token" && body["description"].is_string();
    match status {
        401 if is_told => Outcome::Unknown,
        403 if method == "HEAD" || body["error_msg"].is_string() => Outcome::Refused,
        401 | 403 | 500.. => Outcome::Broken,
        _ => Outcome::Permitted,
    }
}

fn expected(asker: Asker, needs: &Needs) -> Outcome {
    let reads = |actions: &[control::iam::Action]| actions.iter().all(|action| action.name().contains(":Get"));
    match (asker, needs) {
        (Asker::Nobody | Asker::WrongKey | Asker::ExpiredKey | Asker::RevokedKey | Asker::Session | Asker::Scim, _) => {
            Outcome::Unknown
        }
        (Asker::ReadingKey | Asker::ViewerToken, Needs::One(actions, _)) if !reads(actions) => Outcome::Refused,
        (Asker::PowerlessToken, Needs::One(..)) => Outcome::Refused,
        _ => Outcome::Permitted,
    }
}

fn nodes() -> Value {
    json!({ "127.0.0.1:1980": 1 })
}

fn kind_of(endpoint: &Endpoint) -> Option<Kind> {
    let parts: Vec<&str> = endpoint.path.split('/').skip(3).collect();
    let last = parts.iter().rev().find(|part| !part.starts_with('{'))?;
    Kind::ALL.into_iter().find(|kind| kind.plural() == *last)
}

/// Its id, a body that is good for it, and a part of it that can be set.
fn example(kind: Kind) -> (&'static str, Value, (&'static str, Value)) {
    let plugins = json!({ "cors": {} });
    let labels = || ("labels", json!({ "env": "prod" }));
    match kind {
        Kind::Route => ("1", json!({ "uri": "/x", "upstream": { "nodes": nodes() } }), labels()),
        Kind::Service => ("1", json!({ "name": "s", "upstream": { "nodes": nodes() } }), labels()),
        Kind::Upstream => ("1", json!({ "nodes": nodes() }), labels()),
        Kind::Consumer => ("jack", json!({ "username": "jack" }), labels()),
        Kind::Credential => ("c", json!({ "plugins": { "key-auth": { "key": "k" } } }), labels()),
        Kind::ConsumerGroup => ("1", json!({ "plugins": plugins }), ("plugins", plugins)),
        Kind::Ssl => ("1", json!({ "sni": "a.test", "cert": "$env://CERT", "key": "$env://KEY" }), labels()),
        Kind::GlobalRule => ("1", json!({ "plugins": plugins }), ("plugins", plugins)),
        Kind::PluginConfig => ("1", json!({ "plugins": plugins }), ("plugins", plugins)),
        Kind::PluginMetadata => ("limit-count", json!({ "limit_header": "X-L" }), labels()),
        Kind::Proto => ("1", json!({ "content": "syntax = \"proto3\";" }), labels()),
        Kind::Secret => ("1", json!({ "uri": "http://v", "prefix": "kv", "token": "t" }), ("prefix", json!("kv"))),
        Kind::StreamRoute => ("1", json!({ "upstream": { "nodes": nodes(), "scheme": "tcp" } }), labels()),
    }
}

/// The path of the request below the API's root, and its body.
fn request_of(endpoint: &Endpoint) -> (String, Option<Value>) {
    let path = endpoint.path.trim_start_matches("/apisix/admin/");
    let Some(kind) = kind_of(endpoint) else {
        let name = if path.starts_with("schema/validate") {
            "routes"
        } else if path == "schema/{name}" {
            "route"
        } else {
            "cors"
        };
        return (path.replace("{name}", name), (endpoint.method == "POST").then(|| json!({})));
    };
    let (id, mut body, (part, value)) = example(kind);
    let parent = if kind == Kind::Secret { "vault" } else { "jack" };
    let sent = match endpoint.method {
        "PUT" => {
            if ![Kind::Consumer, Kind::PluginMetadata].contains(&kind) {
                body["id"] = json!(id);
            }
            Some(body)
        }
        "POST" => Some(body),
        "PATCH" if path.ends_with("{sub_path}") => Some(value),
        "PATCH" => Some(json!({})),
        _ => None,
    };
    (path.replace("{parent}", parent).replace("{id}", id).replace("{sub_path}", part), sent)
}

/// One of the kind, as the group's admin makes it.
async fn furnish(api: &Fixture, kind: Kind) -> Result<()> {
    let (id, body, _) = example(kind);
    let path = match kind {
        Kind::Credential => {
            Box::pin(furnish(api, Kind::Consumer)).await?;
            format!("consumers/jack/credentials/{id}")
        }
        Kind::Secret => format!("secrets/vault/{id}"),
        other => format!("{}/{id}", other.plural()),
    };
    let answer = api.admin(APISIX_KEY, "PUT", &path, Some(&body)).await?;
    let status = answer.status().as_u16();
    ensure!(matches!(status, 200 | 201), "{path}: {status} {}", answer.text().await?);
    Ok(())
}

/// Everything that the group `default` has.
async fn all_of_default(api: &Fixture) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let path = if kind == Kind::Credential { "consumers/jack/credentials" } else { kind.plural() };
        all.push(api.admin(APISIX_KEY, "GET", path, None).await?.json().await?);
    }
    Ok(all)
}

/// Asks as somebody; the group that the request names is not what counts.
async fn ask(api: &Fixture, endpoint: &Endpoint, proof: Option<(&str, &str)>) -> Result<(u16, Value)> {
    let (path, body) = request_of(endpoint);
    let url = format!("{}{path}?gateway_group_id=default", api.apisix_admin);
    let request = api.bare(endpoint.method.parse()?, &url);
    let request = match proof {
        Some((header, value)) => request.header(header, value),
        None => request,
    };
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await?;
    let (status, text) = (answer.status().as_u16(), answer.text().await?);
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// A key of the group `default`: its text, and its id.
async fn key_of_default(api: &Fixture, name: &str, statements: Option<Value>) -> Result<(String, String)> {
    let document = statements.map(|statement| json!({ "statement": statement }));
    let spec = json!({ "name": name, "policy_document": document });
    let made = api.post("/api/gateway_groups/default/admin_keys", spec).await?.good()?.body;
    let text = |field: &str| anyhow::Ok(made["value"][field].as_str().context("a key")?.to_owned());
    Ok((text("key")?, text("id")?))
}

async fn expired_key(api: &Fixture) -> Result<String> {
    let key = "a7adm-a-key-of-the-past";
    let group = GroupAccess::system(GroupId::new("default")?, SystemReason::Deciding);
    let new = NewGroupKey {
        id: "past".into(),
        group,
        name: "past".into(),
        hash: SecretHash::of(key),
        document: None,
        expires_at: Some(1_000_000_000),
    };
    let entry = AuditEntry { action: "CreateAdminKey".into(), ..AuditEntry::default() };
    api.store().await?.group_keys().create(&new, &entry).await?;
    Ok(key.to_owned())
}

async fn session(api: &Fixture) -> Result<String> {
    let login = json!({ "username": ADMIN.0, "password": ADMIN.1 });
    let answer = api.request(Method::POST, "/api/login").json(&login).send().await?;
    let cookie = answer.headers().get("set-cookie").context("a cookie")?.to_str()?;
    Ok(cookie.split(';').next().context("a cookie")?.to_owned())
}

struct People(Vec<(Asker, Option<(&'static str, String)>)>);

impl People {
    async fn of(api: &Fixture) -> Result<Self> {
        let reads = json!([{ "effect": "allow", "actions": ["<.*>:Get<.*>"], "resources": ["<.*>"] }]);
        let (revoked, id) = key_of_default(api, "revoked", None).await?;
        ensure!(api.admin(&revoked, "GET", "routes", None).await?.status() == 200, "it is good at first");
        api.delete(&format!("/api/gateway_groups/default/admin_keys/{id}")).await?.good()?;
        let other = api.post("/api/gateway_groups", json!({ "name": "other" })).await?.good()?.body;
        let other = other["value"]["id"].as_str().context("id")?;
        let of_other = api.put(&format!("/api/gateway_groups/{other}/admin_key"), json!({})).await?.good()?.body;
        let mut people = Vec::new();
        for asker in ASKERS {
            let key = match asker {
                Asker::Nobody => None,
                Asker::WrongKey => Some("a7adm-wrong".to_owned()),
                Asker::ExpiredKey => Some(expired_key(api).await?),
                Asker::RevokedKey => Some(revoked.clone()),
                Asker::Session => Some(session(api).await?),
                Asker::Scim => Some(crate::scim::token(api).await?),
                Asker::ReadingKey => Some(key_of_default(api, "reading", Some(reads.clone())).await?.0),
                Asker::ViewerToken => Some(token_of(api, "viewer", &["viewer_id"]).await?.1),
                Asker::PowerlessToken => Some(token_of(api, "powerless", &[]).await?.1),
                Asker::OtherGroupKey => Some(of_other["value"]["key"].as_str().context("key")?.to_owned()),
                Asker::GroupKey => Some(key_of_default(api, "whole", None).await?.0),
                Asker::SuperAdminToken => Some(api.token.clone()),
            };
            let header = if asker == Asker::Session { "cookie" } else { "x-api-key" };
            people.push((asker, key.map(|key| (header, key))));
        }
        Ok(Self(people))
    }
}

#[tokio::test]
async fn everyone_gets_what_the_table_says() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let people = People::of(&api).await?;
    let mut wrong = Vec::new();
    for (asker, proof) in &people.0 {
        for kind in Kind::ALL {
            furnish(&api, kind).await?;
        }
        let before = all_of_default(&api).await?;
        for endpoint in apisix_admin_table() {
            let proof = proof.as_ref().map(|(header, value)| (*header, value.as_str()));
            let (status, body) = ask(&api, &endpoint, proof).await?;
            let is_read = ["GET", "HEAD"].contains(&endpoint.method);
            // What is there is seen by who may see it.
            let is_missed = is_read
                && matches!(asker, Asker::ReadingKey | Asker::ViewerToken)
                && kind_of(&endpoint).is_some()
                && status != 200;
            if outcome(endpoint.method, status, &body) != expected(*asker, &endpoint.needs) || is_missed {
                wrong.push(format!("{asker:?} {} {}: {status} {body}", endpoint.method, endpoint.path));
            }
        }
        let may_change = matches!(asker, Asker::GroupKey | Asker::SuperAdminToken);
        let after = all_of_default(&api).await?;
        ensure!(may_change || before == after, "{asker:?} has changed the group");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What another group has under the same ids is neither seen nor touched.
#[tokio::test]
async fn a_key_knows_its_own_group_alone() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    for kind in Kind::ALL {
        furnish(&api, kind).await?;
    }
    let before = all_of_default(&api).await?;
    let people = People::of(&api).await?;
    let key = people.0.iter().find(|(asker, _)| *asker == Asker::OtherGroupKey).and_then(|(_, proof)| proof.clone());
    let key = key.context("a key")?.1;
    let reads = apisix_admin_table().into_iter().filter(|endpoint| endpoint.method == "GET");
    for endpoint in reads.filter(|endpoint| kind_of(endpoint).is_some()) {
        let (status, body) = ask(&api, &endpoint, Some(("x-api-key", &key))).await?;
        let is_empty = status == 404 && body["message"] == "Key not found" || status == 200 && body["total"] == 0;
        assert!(is_empty, "{}: {status} {body}", endpoint.path);
    }
    let route = json!({ "uri": "/theirs", "upstream": { "nodes": nodes() } });
    for id in ["1", "theirs"] {
        assert_eq!(
            api.admin(&key, "PUT", &format!("routes/{id}"), Some(&route)).await?.status(),
            201,
            "made, not changed"
        );
    }
    assert_eq!(api.admin(APISIX_KEY, "GET", "routes/theirs", None).await?.status(), 404);
    assert_eq!(api.admin(&key, "DELETE", "routes/1?force=true", None).await?.status(), 200);
    assert_eq!(api.admin(&key, "DELETE", "services/1?force=true", None).await?.status(), 404);
    assert_eq!(all_of_default(&api).await?, before);
    Ok(())
}

/// For each route: a key that has all rights but the one it takes is refused, and told which; a key that has that one alone
/// is not.
#[tokio::test]
async fn the_named_action_is_what_decides() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    for endpoint in apisix_admin_table() {
        let (Needs::One(actions, _), Some(kind)) = (&endpoint.needs, kind_of(&endpoint)) else { continue };
        let names: Vec<&str> = actions.iter().map(|action| action.name()).collect();
        let allow = |names: &[&str]| json!({ "effect": "allow", "actions": names, "resources": ["<.*>"] });
        let deny = json!({ "effect": "deny", "actions": names, "resources": ["<.*>"] });
        let mut alone = names.clone();
        if endpoint.method == "PATCH" {
            // It answers with what it changed.
            alone.push("<.*>:Get<.*>");
        }
        for (statements, is_enough) in [(json!([allow(&["<.*>"]), deny]), false), (json!([allow(&alone)]), true)] {
            furnish(&api, kind).await?;
            let name = format!("{} {is_enough} {}", names.join(" "), alone.len());
            let key = match keys.get(&name) {
                Some(key) => key.clone(),
                None => key_of_default(&api, &name, Some(statements)).await?.0,
            };
            let (status, body) = ask(&api, &endpoint, Some(("x-api-key", &key))).await?;
            keys.insert(name, key);
            let found = outcome(endpoint.method, status, &body);
            let told = body["error_msg"].as_str().unwrap_or_default();
            let is_named = endpoint.method == "HEAD" || names.iter().any(|name| told.contains(name));
            let is_right = match is_enough {
                true => found == Outcome::Permitted,
                false => found == Outcome::Refused && is_named,
            };
            if !is_right {
                wrong.push(format!("{names:?} {is_enough} {} {}: {status} {body}", endpoint.method, endpoint.path));
            }
        }
    }
    assert!(keys.len() > 40, "{}", keys.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What the table leaves out answers alike to everybody, before anybody is asked who it is.
#[tokio::test]
async fn what_is_outside_the_table_tells_nothing() -> Result<()> {
    let api = Fixture::start_with(::plugins::registry()).await?;
    for (method, path, status) in [
        ("OPTIONS", "/apisix/admin/routes/1", 200),
        ("HEAD", "/apisix/admin", 200),
        ("GET", "/apisix/admin", 401),
        ("GET", "/", 404),
        ("GET", "/api/me", 404),
        ("GET", "/apisix/administration", 404),
        ("GET", "/apisix/admin/nothing", 401),
        ("TRACE", "/apisix/admin/routes", 401),
    ] {
        let root = api.apisix_admin.trim_end_matches("/apisix/admin/");
        let answer = api.bare(method.parse()?, &format!("{root}{path}")).send().await?;
        assert_eq!(answer.status(), status, "{method} {path}");
    }
    let password = api.bare(Method::GET, &format!("{}routes", api.apisix_admin)).basic_auth(ADMIN.0, Some(ADMIN.1));
    assert_eq!(password.send().await?.status(), 401, "a password is no key");
    let named: Vec<String> = apisix_admin_table().iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    let once: std::collections::BTreeSet<&String> = named.iter().collect();
    assert_eq!(named.len(), once.len(), "a row stands twice");
    assert!(named.len() > 200, "{}", named.len());
    Ok(())
}

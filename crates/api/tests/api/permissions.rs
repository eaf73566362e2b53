//! Every endpoint, asked by everyone: the table of permissions holds.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use api::permissions::{Endpoint, Needs, table};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, read};

pub(crate) const PASSWORD: &str = "a passphrase of their own";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Nobody,
    /// A user without any role.
    Powerless,
    Viewer,
    SuperAdmin,
    /// A holder of the admin key of the group that is asked about.
    GroupKey,
    /// A holder of another group's admin key.
    OtherGroupKey,
    /// An identity provider with the SCIM token.
    Scim,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// 401
    Unknown,
    /// 403
    Refused,
    /// What is asked for may be missing or wrong, but it may be asked for.
    Permitted,
    /// 5xx: nothing that anybody asks for may do that.
    Broken,
}

fn outcome(answer: &Answer) -> Outcome {
    match answer.status {
        401 => Outcome::Unknown,
        403 => Outcome::Refused,
        500.. => Outcome::Broken,
        _ => Outcome::Permitted,
    }
}

fn expected(asker: Asker, endpoint: &Endpoint) -> Outcome {
    let if_permitted = |permitted| if permitted { Outcome::Permitted } else { Outcome::Refused };
    match (&endpoint.needs, asker) {
        (Needs::Nobody, _) => Outcome::Permitted,
        (_, Asker::Nobody) => Outcome::Unknown,
        (Needs::ScimToken, Asker::Scim) => Outcome::Permitted,
        (Needs::ScimToken, _) | (_, Asker::Scim) => Outcome::Unknown,
        // They end the session or the password that is asked with; keys have neither.
        (Needs::OwnAccount, Asker::GroupKey | Asker::OtherGroupKey) => Outcome::Unknown,
        (Needs::Anybody, Asker::GroupKey | Asker::OtherGroupKey) if endpoint.path == "/api/password" => {
            Outcome::Unknown
        }
        // What its changes take is asked of each of them.
        (Needs::Anybody, Asker::Powerless | Asker::Viewer | Asker::OtherGroupKey)
            if endpoint.path.ends_with("/batch") =>
        {
            Outcome::Refused
        }
        (Needs::Anybody | Needs::OwnAccount, _) => Outcome::Permitted,
        // The group of the request must be the key's own.
        (Needs::Visible(_), Asker::OtherGroupKey) if endpoint.path.starts_with("/apisix/admin") => Outcome::Refused,
        (Needs::Visible(_), _) | (_, Asker::SuperAdmin) => Outcome::Permitted,
        (Needs::One(..), Asker::Powerless | Asker::OtherGroupKey) => Outcome::Refused,
        (Needs::One(actions, _), Asker::Viewer) => {
            if_permitted(actions.iter().all(|action| action.name().contains(":Get")))
        }
        (Needs::One(actions, _), Asker::GroupKey) => if_permitted(actions.iter().all(|action| {
            let name = action.name();
            let of_the_group_itself = ["CreateGatewayGroup", "UpdateGatewayGroup", "DeleteGatewayGroup", "GetAdminKey"];
            name.starts_with("gateway:") && !of_the_group_itself.iter().any(|own| name.ends_with(own))
        })),
    }
}

struct People {
    powerless: String,
    viewer: String,
    group_key: String,
    other_group_key: String,
    scim: String,
}

impl People {
    async fn invite(api: &Fixture) -> Result<Self> {
        let other = api.post("/api/gateway_groups", json!({ "name": "other" })).await?.good()?.body;
        let other = other["value"]["id"].as_str().context("id")?.to_owned();
        let key = async |group: &str| {
            let made = api.send(Method::PUT, &format!("/api/gateway_groups/{group}/admin_key"), None).await?.good()?;
            anyhow::Ok(made.body["value"]["key"].as_str().context("key")?.to_owned())
        };
        Ok(Self {
            powerless: token_of(api, "powerless", &[]).await?.1,
            viewer: token_of(api, "viewer", &["viewer_id"]).await?.1,
            group_key: key("default").await?,
            other_group_key: key(&other).await?,
            scim: crate::scim::token(api).await?,
        })
    }

    fn key<'a>(&'a self, api: &'a Fixture, asker: Asker) -> Option<&'a str> {
        match asker {
            Asker::Nobody => None,
            Asker::Powerless => Some(&self.powerless),
            Asker::Viewer => Some(&self.viewer),
            Asker::SuperAdmin => Some(&api.token),
            Asker::GroupKey => Some(&self.group_key),
            Asker::OtherGroupKey => Some(&self.other_group_key),
            Asker::Scim => Some(&self.scim),
        }
    }
}

/// A user with these roles: its id, and a token of it.
pub(crate) async fn token_of(api: &Fixture, name: &str, roles: &[&str]) -> Result<(String, String)> {
    let invited = api.post("/api/invites", json!({ "username": name, "password": "once" })).await?.good()?.body;
    let id = invited["value"]["id"].as_str().context("id")?.to_owned();
    let change = json!({ "old_password": "once", "new_password": PASSWORD });
    let changed = api.request(Method::PUT, "/api/password").basic_auth(name, Some("once")).json(&change).send().await?;
    ensure!(changed.status() == 200, "{name} cannot choose a password: {}", changed.text().await?);
    api.put(&format!("/api/users/{id}/assigned_roles"), json!({ "roles": roles })).await?.good()?;
    let spec = json!({ "name": "t" });
    let made = api.request(Method::POST, "/api/tokens").basic_auth(name, Some(PASSWORD)).json(&spec).send().await?;
    let made = read(made).await?.good()?.body;
    Ok((id, made["value"]["token"].as_str().context("token")?.to_owned()))
}

/// A body that can be read, so that permission is what is decided next.
fn body_for(path: &str) -> Value {
    let last = path.rsplit('/').next().unwrap_or_default();
    match (path, last) {
        ("/api/login", _) => json!({ "username": "x", "password": "x" }),
        ("/api/password", _) => json!({ "old_password": "x", "new_password": "x" }),
        ("/api/invites", _) => json!({ "username": "", "password": "" }),
        ("/api/system_settings/scim", _) => json!({ "enabled": true }),
        ("/api/can_i", _) => {
            json!({ "action": "gateway:GetGatewayGroup", "resource": "arn:api7:gateway:gatewaygroup/x" })
        }
        ("/api/permission_policies/simulate", _) => json!({ "questions": [] }),
        ("/api/second_factor", _) => json!({ "code": "x" }),
        ("/api/system_settings/built_in_login", _) => json!({ "enabled": true }),
        ("/api/ldap/{login_option_id}/login", _) => json!({ "username": "x", "password": "x" }),
        (path, _) if path.starts_with("/api/login_options") => json!({ "name": "", "type": "ldap", "ldap": {} }),
        (_, "assigned_roles") => json!({ "roles": [] }),
        (_, "boundaries") => json!({ "permission_boundaries": [] }),
        (_, "password_reset") => json!({ "password": "" }),
        (_, "attach_permission_policies" | "detach_permission_policies") => json!({ "permission_policies": [] }),
        (_, "batch") => json!({ "changes": [{ "op": "delete", "kind": "service", "id": "x" }] }),
        ("/apisix/admin/consumers", _) => json!({ "username": "x" }),
        ("/apisix/admin/plugin_metadata", _) => json!({ "id": "x" }),
        (path, _) if path.starts_with("/api/permission_policies") => json!({ "name": "", "policy_document": {} }),
        _ => json!({ "name": "" }),
    }
}

/// What the requests name.
#[derive(Clone, Copy)]
struct Named<'a> {
    group: &'a str,
    id: &'a str,
}

const USUAL: Named<'_> = Named { group: "default", id: "x" };

async fn ask(api: &Fixture, endpoint: &Endpoint, key: Option<&str>) -> Result<Answer> {
    ask_for(api, endpoint, key, USUAL).await
}

async fn ask_for(api: &Fixture, endpoint: &Endpoint, key: Option<&str>, named: Named<'_>) -> Result<Answer> {
    let filled = endpoint.path.split('/').map(|part| match part {
        "{gateway_group_id}" => named.group,
        "{what}" => "consumer",
        part if part.starts_with('{') => named.id,
        part => part,
    });
    let mut path = filled.collect::<Vec<_>>().join("/");
    if path.starts_with("/apisix/admin") {
        path.push_str(&format!("?gateway_group_id={}", named.group));
    }
    let request = api.request(endpoint.method.parse()?, &path);
    let request = if endpoint.method == "GET" { request } else { request.json(&body_for(&endpoint.path)) };
    // Both ways at once: what counts is the key, not where it stands.
    let request = match key {
        Some(key) => request.header("X-API-KEY", key).bearer_auth(key),
        None => request,
    };
    read(request.send().await?).await
}

#[test]
fn the_table_names_every_endpoint_once_and_no_other() {
    let document = api::openapi_document();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let methods = item.as_object().expect("item").keys().filter(|key| *key != "parameters");
        documented.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let rows: Vec<String> = table().iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    let named: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), named.len(), "a row stands twice");
    let missing: Vec<_> = documented.difference(&named).collect();
    let stray: Vec<_> = named.difference(&documented).collect();
    assert!(missing.is_empty() && stray.is_empty(), "not in the table: {missing:?}; not served: {stray:?}");
}

#[tokio::test]
async fn everyone_gets_what_the_table_says() -> Result<()> {
    let api = Fixture::start().await?;
    let people = People::invite(&api).await?;
    let mut wrong = Vec::new();
    // What an admin may delete goes last.
    let askers = [
        Asker::Nobody,
        Asker::Powerless,
        Asker::Viewer,
        Asker::OtherGroupKey,
        Asker::GroupKey,
        Asker::Scim,
        Asker::SuperAdmin,
    ];
    for asker in askers {
        for endpoint in table() {
            let ends_the_test = endpoint.method == "DELETE"
                && endpoint.path == "/api/gateway_groups/{gateway_group_id}"
                || endpoint.path.ends_with("/admin_key") && endpoint.method == "PUT";
            if ends_the_test && asker == Asker::SuperAdmin {
                continue;
            }
            let answer = ask(&api, &endpoint, people.key(&api, asker)).await?;
            // A login that fails is 401 to everybody.
            if endpoint.path != "/api/login" && outcome(&answer) != expected(asker, &endpoint) {
                wrong.push(format!(
                    "{asker:?} {} {}: {} {}",
                    endpoint.method, endpoint.path, answer.status, answer.body
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The ARN of the table's row for a request that names these.
fn arn_of(endpoint: &Endpoint, pattern: &str, named: Named<'_>) -> String {
    let filled = pattern.split('/').map(|part| match part {
        "{gateway_group_id}" => named.group,
        // Where the request names no service or consumer it is about what belongs to none as yet.
        "{service_id}" if !endpoint.path.contains("/services/{") => "*",
        "{username}" if !endpoint.path.contains("/consumers/{") => "*",
        part if part.starts_with('{') => named.id,
        part => part,
    });
    filled.collect::<Vec<_>>().join("/")
}

/// ARNs that differ from this one in one id each.
fn beside(pattern: &str, arn: &str) -> Vec<String> {
    let parts: Vec<&str> = arn.split('/').collect();
    let is_id = pattern.split('/').map(|part| part.starts_with('{') || part == "*");
    let ids = is_id.enumerate().filter(|(_, is_id)| *is_id).map(|(at, _)| at);
    let other = |at: usize| {
        let mut parts = parts.clone();
        parts[at] = "another";
        parts.join("/")
    };
    ids.map(other).collect()
}

/// For each endpoint: all rights but the one it takes are not enough, and the refusal names it; that right alone, on what
/// the table says it is about, is enough; and it is not on anything else.
#[tokio::test]
async fn the_named_action_is_what_decides() -> Result<()> {
    let api = Fixture::start().await?;
    let policy = |statement: Value| json!({ "name": "p", "policy_document": { "statement": statement } });
    let everything = json!([{ "effect": "allow", "actions": ["<.*>"], "resources": ["<.*>"] }]);
    let saved = api.post("/api/permission_policies", policy(everything)).await?.good()?.body;
    let id = saved["value"]["id"].as_str().context("id")?.to_owned();
    let role = api.post("/api/roles", json!({ "name": "r", "permission_policies": [id] })).await?.good()?.body;
    let (_, token) = token_of(&api, "ann", &[role["value"]["id"].as_str().context("role")?]).await?;
    let mut wrong = Vec::new();
    for endpoint in table() {
        let Needs::One(actions, pattern) = &endpoint.needs else { continue };
        let names: Vec<_> = actions.iter().map(|action| action.name()).collect();
        let but = json!([
            { "effect": "allow", "actions": ["<.*>"], "resources": ["<.*>"] },
            { "effect": "deny", "actions": names, "resources": ["<.*>"] },
        ]);
        api.put(&format!("/api/permission_policies/{id}"), policy(but)).await?.good()?;
        let answer = ask(&api, &endpoint, Some(&token)).await?;
        let named = names.iter().any(|name| answer.error().contains(name));
        if outcome(&answer) != Outcome::Refused || !named {
            wrong.push(format!("without {names:?}: {} {}: {answer:?}", endpoint.method, endpoint.path));
        }
        let arn = arn_of(&endpoint, pattern, USUAL);
        let only = |arn: &str| json!([{ "effect": "allow", "actions": names, "resources": [arn] }]);
        for other in beside(pattern, &arn) {
            api.put(&format!("/api/permission_policies/{id}"), policy(only(&other))).await?.good()?;
            let answer = ask(&api, &endpoint, Some(&token)).await?;
            if outcome(&answer) != Outcome::Refused {
                wrong.push(format!("with {names:?} on {other}: {} {}: {answer:?}", endpoint.method, endpoint.path));
            }
        }
        api.put(&format!("/api/permission_policies/{id}"), policy(only(&arn))).await?.good()?;
        let another = Named { group: "another", id: "y" };
        if arn_of(&endpoint, pattern, another) != arn {
            let answer = ask_for(&api, &endpoint, Some(&token), another).await?;
            if outcome(&answer) != Outcome::Refused {
                wrong.push(format!("another than {arn}: {} {}: {answer:?}", endpoint.method, endpoint.path));
            }
        }
        let is_the_group_s_end =
            endpoint.method == "DELETE" && endpoint.path == "/api/gateway_groups/{gateway_group_id}";
        // Two of its parts take two permissions: the policies and the users looked at.
        if is_the_group_s_end || endpoint.path.ends_with("/simulate") {
            continue;
        }
        let answer = ask(&api, &endpoint, Some(&token)).await?;
        if outcome(&answer) != Outcome::Permitted {
            wrong.push(format!("with {names:?} on {arn}: {} {}: {answer:?}", endpoint.method, endpoint.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Nothing needs one, but it is the organization's: not everybody's to put, and on record.
#[tokio::test]
async fn a_licence_is_put_by_whom_it_is_permitted() -> Result<()> {
    let api = Fixture::start().await?;
    let (_, viewer) = token_of(&api, "viewer", &["viewer_id"]).await?;
    let license = json!({ "data": "a secret of theirs" });
    let put = api.request(Method::PUT, "/api/license").header("X-API-KEY", &viewer).json(&license).send().await?;
    let refused = read(put).await?;
    assert!(refused.status == 403 && refused.error().contains("iam:UpdateLicense on the organization"), "{refused:?}");
    api.put("/api/license", license).await?.good()?;
    let on_record = api.get("/api/audit_logs?event_type=UpdateLicense").await?.good()?.body;
    let row = &on_record["list"][0];
    let facts = (&on_record["total"], &row["actor"], &row["resource_type"]);
    assert_eq!(facts, (&json!(1), &json!("user:admin"), &json!("license")));
    assert!(!on_record.to_string().contains("a secret of theirs"), "{on_record}");
    Ok(())
}

//! Every endpoint that is no reading one, called once as it should be, is on record.

use anyhow::{Context, Result, bail, ensure};
use api::permissions::table;
use control::fleet::JoinRequest;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use testkit::ldap::Ldap;

use super::rows;
use crate::fixture::{ADMIN, Fixture, admin, read, route, service};
use crate::people::code;
use crate::permissions::{PASSWORD, token_of};
use crate::{scim, sign_on};

/// What changes nothing and lets nobody in, and why it is no reading endpoint all the same.
const NOT_ON_RECORD: [(&str, &str); 4] = [
    ("PUT /api/license", "takes what clients of API7 send at their set-up and forgets it"),
    ("POST /api/can_i", "a question whose parts have no room in an address"),
    ("POST /api/permission_policies/simulate", "a question whose parts have no room in an address"),
    ("POST /apisix/admin/configs/validate", "looks at a document and keeps nothing of it"),
];

/// Who calls.
enum By {
    Nobody,
    Key(String),
    Cookie(String),
    Scim(String),
}

/// A right call.
struct Call {
    path: String,
    body: Value,
    by: By,
}

/// A control plane, and what calls need that is not in it.
struct Stage {
    api: Fixture,
    directory: Ldap,
    named: std::cell::Cell<usize>,
}

#[tokio::test]
async fn every_endpoint_that_writes_is_on_record() -> Result<()> {
    let (api, directory) = (Fixture::start().await?, sign_on::directory()?);
    let mut stage = Stage { api, directory, named: Default::default() };
    let mut missing = Vec::new();
    let mut called = 0;
    for endpoint in table().into_iter().filter(|endpoint| endpoint.method != "GET") {
        let name = format!("{} {}", endpoint.method, endpoint.path);
        if NOT_ON_RECORD.iter().any(|(excepted, _)| *excepted == name) {
            continue;
        }
        let call = stage.call(endpoint.method, &endpoint.path).await.with_context(|| name.clone())?;
        let id = format!("call-{called}");
        let answer = stage.send(endpoint.method.parse()?, call, &id).await?;
        let status = answer.status().as_u16();
        ensure!(matches!(status, 200 | 201 | 204), "{name} is not called rightly: {status} {}", answer.text().await?);
        called += 1;
        let found = rows(&stage.api, &format!("search={id}&outcome=ok")).await?;
        if !found.iter().any(|row| row["request"]["id"] == *id) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "not on record: {missing:#?}");
    assert!(called > 100, "{called} were called only");
    Ok(())
}

impl Stage {
    /// A name that nothing has yet.
    fn name(&self) -> String {
        self.named.set(self.named.get() + 1);
        format!("name-{}", self.named.get())
    }

    async fn send(&self, method: Method, call: Call, id: &str) -> Result<Response> {
        let request = self.api.request(method, &call.path).header("X-Request-Id", id);
        let request = if call.body.is_null() { request } else { request.json(&call.body) };
        let request = match call.by {
            By::Nobody => request,
            By::Key(key) => request.header("X-API-KEY", key),
            By::Cookie(cookie) => request.header("cookie", cookie),
            By::Scim(token) => request.bearer_auth(token),
        };
        Ok(request.send().await?)
    }

    /// A right call of this endpoint, for which all that it needs is made first. An endpoint that is not here fails the test: say
    /// here how it is called, or in [`NOT_ON_RECORD`] why it is not on record.
    async fn call(&mut self, method: &str, path: &str) -> Result<Call> {
        if let Some(rest) = path.strip_prefix("/scim/v2/") {
            return self.of_scim(method, rest).await;
        }
        if let Some(rest) = path.strip_prefix("/apisix/admin/") {
            return self.of_resources(method, rest).await;
        }
        if let Some(rest) = path.strip_prefix("/api/gateway_groups") {
            return self.of_groups(method, rest).await;
        }
        if path.starts_with("/api/users/") || path == "/api/invites" {
            return self.of_users(method, path).await;
        }
        if path.starts_with("/api/roles") || path.starts_with("/api/permission_policies") {
            return self.of_permissions(method, path).await;
        }
        if path.contains("login_option") || path.starts_with("/api/system_settings") {
            return self.of_settings(method, path).await;
        }
        self.of_access(method, path).await
    }

    fn by_admin(&self, path: impl Into<String>, body: Value) -> Call {
        Call { path: path.into(), body, by: By::Key(self.api.token.clone()) }
    }

    /// The id of what a POST makes.
    async fn made(&self, path: &str, body: Value) -> Result<String> {
        let made = self.api.post(path, body).await?.good()?.body;
        Ok(made["value"]["id"].as_str().with_context(|| format!("no id: {made}"))?.to_owned())
    }

    async fn of_access(&self, method: &str, path: &str) -> Result<Call> {
        let name = self.name();
        let own = |path: String, body, token| Call { path, body, by: By::Key(token) };
        Ok(match (method, path) {
            ("POST", "/api/login") => {
                let body = json!({ "username": ADMIN.0, "password": ADMIN.1 });
                Call { path: path.into(), body, by: By::Nobody }
            }
            ("POST", "/api/logout") => {
                let body = json!({ "username": ADMIN.0, "password": ADMIN.1 });
                let login = self.api.request(Method::POST, "/api/login").json(&body).send().await?;
                Call { path: path.into(), body: Value::Null, by: By::Cookie(sign_on::session(login)?) }
            }
            ("PUT", "/api/password") => {
                let (_, token) = token_of(&self.api, &name, &[]).await?;
                let body = json!({ "old_password": PASSWORD, "new_password": "another passphrase" });
                own(path.into(), body, token)
            }
            ("POST", "/api/tokens") => self.by_admin(path, json!({ "name": name })),
            ("DELETE", "/api/tokens/{token_id}") => {
                let id = self.made("/api/tokens", json!({ "name": name })).await?;
                self.by_admin(format!("/api/tokens/{id}"), Value::Null)
            }
            ("PUT", "/api/tokens/{token_id}/regenerate") => {
                let id = self.made("/api/tokens", json!({ "name": name })).await?;
                self.by_admin(format!("/api/tokens/{id}/regenerate"), Value::Null)
            }
            ("POST", "/api/second_factor") => own(path.into(), json!({}), token_of(&self.api, &name, &[]).await?.1),
            ("PUT", "/api/second_factor") => {
                let (token, secret) = self.second_factor_begun().await?;
                own(path.into(), json!({ "code": code(&secret, 0)? }), token)
            }
            ("DELETE", "/api/second_factor") => {
                let (token, secret) = self.second_factor_begun().await?;
                let body = json!({ "code": code(&secret, -1)? });
                let request = self.api.request(Method::PUT, path).header("X-API-KEY", &token).json(&body);
                read(request.send().await?).await?.good()?;
                own(path.into(), json!({ "code": code(&secret, 1)? }), token)
            }
            ("PUT", "/api/audit_logs/config") => self.by_admin(path, json!({ "retention_days": 30 })),
            _ => bail!("nothing says how it is called"),
        })
    }

    /// A user's token, and the secret of the second factor that it has begun.
    async fn second_factor_begun(&self) -> Result<(String, String)> {
        let (_, token) = token_of(&self.api, &self.name(), &[]).await?;
        let begun = self.api.request(Method::POST, "/api/second_factor").header("X-API-KEY", &token).send().await?;
        let begun = read(begun).await?.good()?.body;
        Ok((token, begun["value"]["secret"].as_str().context("secret")?.to_owned()))
    }

    async fn of_settings(&mut self, method: &str, path: &str) -> Result<Call> {
        let spec = |name: String| {
            json!({ "name": name, "type": "oidc", "oidc": { "client_id": "c", "client_secret": "s",
                "issuer": "http://127.0.0.1:1", "root_url": "http://127.0.0.1:2" } })
        };
        let options = "/api/login_options";
        Ok(match (method, path) {
            ("POST", "/api/ldap/{login_option_id}/login") => {
                let spec = sign_on::ldap(&mut self.directory)?;
                let id = self.made(options, spec).await?;
                let body = json!({ "username": "bob", "password": "bobs secret" });
                Call { path: format!("/api/ldap/{id}/login"), body, by: By::Nobody }
            }
            ("POST", "/api/login_options") => self.by_admin(path, spec(self.name())),
            ("PUT", "/api/login_options/{login_option_id}") => {
                let id = self.made(options, spec(self.name())).await?;
                self.by_admin(format!("{options}/{id}"), spec(self.name()))
            }
            ("DELETE", "/api/login_options/{login_option_id}") => {
                let id = self.made(options, spec(self.name())).await?;
                self.by_admin(format!("{options}/{id}"), Value::Null)
            }
            ("PUT", "/api/system_settings/built_in_login" | "/api/system_settings/scim") => {
                self.by_admin(path, json!({ "enabled": true }))
            }
            ("POST", "/api/system_settings/scim/token") => self.by_admin(path, Value::Null),
            _ => bail!("nothing says how it is called"),
        })
    }

    async fn of_users(&self, method: &str, path: &str) -> Result<Call> {
        let invitation = json!({ "username": self.name(), "password": "once" });
        if (method, path) == ("POST", "/api/invites") {
            return Ok(self.by_admin(path, invitation));
        }
        let id = self.made("/api/invites", invitation.clone()).await?;
        let at = |rest: &str| format!("/api/users/{id}{rest}");
        Ok(match (method, path.strip_prefix("/api/users/{user_id}").context("of a user")?) {
            ("PATCH", "") => self.by_admin(at(""), json!({ "labels": { "team": "a" } })),
            ("DELETE", "") => self.by_admin(at(""), Value::Null),
            ("PUT", "/assigned_roles") => self.by_admin(at("/assigned_roles"), json!({ "roles": ["viewer_id"] })),
            ("PUT", "/boundaries") => self.by_admin(at("/boundaries"), json!({ "permission_boundaries": [] })),
            ("PUT", "/password_reset") => self.by_admin(at("/password_reset"), json!({ "password": "another" })),
            ("DELETE", "/second_factor") => self.by_admin(at("/second_factor"), Value::Null),
            ("DELETE", "/sessions/{session_id}") => {
                let login = self.api.request(Method::POST, "/api/login").json(&invitation).send().await?;
                ensure!(login.status() == 200, "status {}", login.status());
                let open = self.api.get(&at("/sessions")).await?.good()?.body;
                let session = open["list"][0]["id"].as_str().context("session")?;
                self.by_admin(at(&format!("/sessions/{session}")), Value::Null)
            }
            _ => bail!("nothing says how it is called"),
        })
    }

    async fn of_permissions(&self, method: &str, path: &str) -> Result<Call> {
        let statement = json!([{ "effect": "allow", "actions": ["<.*>"], "resources": ["<.*>"] }]);
        let policy = json!({ "name": self.name(), "policy_document": { "statement": statement } });
        let role = json!({ "name": self.name() });
        let (policies, roles) = ("/api/permission_policies", "/api/roles");
        let attached =
            async || anyhow::Ok(json!({ "permission_policies": [self.made(policies, policy.clone()).await?] }));
        let a_role = async || self.made(roles, role.clone()).await;
        Ok(match (method, path) {
            ("POST", "/api/roles") => self.by_admin(path, role),
            ("PUT", "/api/roles/{role_id}") => {
                self.by_admin(format!("{roles}/{}", a_role().await?), json!({ "name": self.name() }))
            }
            ("DELETE", "/api/roles/{role_id}") => self.by_admin(format!("{roles}/{}", a_role().await?), Value::Null),
            ("POST", "/api/roles/{role_id}/attach_permission_policies") => {
                let path = format!("{roles}/{}/attach_permission_policies", a_role().await?);
                self.by_admin(path, attached().await?)
            }
            ("POST", "/api/roles/{role_id}/detach_permission_policies") => {
                let (role, body) = (a_role().await?, attached().await?);
                self.api.post(&format!("{roles}/{role}/attach_permission_policies"), body.clone()).await?.good()?;
                self.by_admin(format!("{roles}/{role}/detach_permission_policies"), body)
            }
            ("POST", "/api/permission_policies") => self.by_admin(path, policy),
            ("PUT", "/api/permission_policies/{permission_policy_id}") => {
                let id = self.made(policies, policy.clone()).await?;
                self.by_admin(format!("{policies}/{id}"), policy)
            }
            ("DELETE", "/api/permission_policies/{permission_policy_id}") => {
                let id = self.made(policies, policy).await?;
                self.by_admin(format!("{policies}/{id}"), Value::Null)
            }
            _ => bail!("nothing says how it is called"),
        })
    }

    async fn of_groups(&self, method: &str, rest: &str) -> Result<Call> {
        let groups = "/api/gateway_groups";
        let spec = json!({ "name": self.name() });
        if (method, rest) == ("POST", "") {
            return Ok(self.by_admin(groups, spec));
        }
        let group = format!("{groups}/{}", self.made(groups, spec.clone()).await?);
        let at = |rest: &str| format!("{group}{rest}");
        Ok(match (method, rest.strip_prefix("/{gateway_group_id}").context("of a group")?) {
            ("PUT", "") => self.by_admin(at(""), json!({ "name": self.name() })),
            ("DELETE", "") => self.by_admin(at(""), Value::Null),
            ("PUT", "/admin_key") => self.by_admin(at("/admin_key"), Value::Null),
            ("POST", "/admin_keys") => self.by_admin(at("/admin_keys"), spec),
            ("DELETE", "/admin_keys/{admin_key_id}") => {
                let id = self.made(&at("/admin_keys"), spec).await?;
                self.by_admin(at(&format!("/admin_keys/{id}")), Value::Null)
            }
            ("POST", "/batch") => {
                let change = json!({ "op": "put", "kind": "service", "id": "s", "value": service("s") });
                self.by_admin(at("/batch"), json!({ "changes": [change] }))
            }
            ("POST", "/instance_token") => self.by_admin(at("/instance_token"), json!({})),
            ("DELETE", "/instance_tokens/{token_id}") => {
                let made = self.api.post(&at("/instance_token"), json!({})).await?.good()?.body;
                let id = made["value"]["id"].as_str().context("id")?;
                self.by_admin(at(&format!("/instance_tokens/{id}")), Value::Null)
            }
            ("DELETE", "/instances/{instance_id}") => {
                let made = self.api.post(&at("/instance_token"), json!({})).await?.good()?.body;
                let id = self.join(made["value"]["token_plain_text"].as_str().context("token")?).await?;
                self.by_admin(at(&format!("/instances/{id}")), Value::Null)
            }
            _ => bail!("nothing says how it is called"),
        })
    }

    /// The id of an instance that has joined.
    async fn join(&self, token: &str) -> Result<String> {
        let key = rcgen::KeyPair::generate()?;
        let csr = rcgen::CertificateParams::default().serialize_request(&key)?.der().to_vec();
        let (token, hostname, version) = (token.to_owned(), "h".to_owned(), "1".to_owned());
        let request = JoinRequest { token, csr, hostname, version, address: "192.0.2.1".to_owned() };
        Ok(self.api.control.join(request).await?.instance.to_string())
    }

    async fn of_scim(&self, method: &str, rest: &str) -> Result<Call> {
        let token = scim::token(&self.api).await?;
        let (list, is_one) = match rest.strip_suffix("/{id}") {
            Some(list) => (list, true),
            None => (rest, false),
        };
        let name = match list {
            "Users" => "userName",
            "Groups" => "displayName",
            _ => bail!("nothing says how it is called"),
        };
        let body = json!({ name: self.name() });
        let path = format!("/scim/v2/{list}");
        if !is_one {
            ensure!(method == "POST", "nothing says how it is called");
            return Ok(Call { path, body, by: By::Scim(token) });
        }
        let made = self.api.request(Method::POST, &path).bearer_auth(&token).json(&body).send().await?;
        let made: Value = made.json().await?;
        let path = format!("{path}/{}", made["id"].as_str().context("id")?);
        let body = match method {
            "PUT" => json!({ name: self.name() }),
            "PATCH" => json!({ "Operations": [{ "op": "replace", "path": name, "value": self.name() }] }),
            "DELETE" => Value::Null,
            _ => bail!("nothing says how it is called"),
        };
        Ok(Call { path, body, by: By::Scim(token) })
    }

    async fn of_resources(&self, method: &str, rest: &str) -> Result<Call> {
        self.api.put(&admin("services/parent"), service("parent")).await?.good()?;
        self.api.put(&admin("consumers/jack"), json!({ "username": "jack" })).await?.good()?;
        let rest = rest.replace("{service_id}", "parent").replace("{username}", "jack");
        let (collection, is_one) = match rest.strip_suffix("/{id}") {
            Some(collection) => (collection, true),
            None => (rest.as_str(), false),
        };
        let (id, mut body) = self.resource(collection)?;
        let path = format!("{collection}/{id}");
        match (method, is_one) {
            ("POST", false) => {
                if collection != "consumers" {
                    body["id"] = json!(id);
                }
                // One that is there is there from the call before.
                self.api.delete(&admin(&path)).await?;
                Ok(self.by_admin(admin(collection), body))
            }
            ("PUT", true) => Ok(self.by_admin(admin(&path), body)),
            ("PATCH" | "DELETE", true) => {
                self.api.put(&admin(&path), body).await?.good()?;
                let patch = if method == "PATCH" { self.resource(collection)?.1 } else { Value::Null };
                Ok(self.by_admin(admin(&path), patch))
            }
            _ => bail!("nothing says how it is called"),
        }
    }

    /// An id, and a body that differs from call to call: what is the same is no change, and leaves no row.
    fn resource(&self, collection: &str) -> Result<(&'static str, Value)> {
        let name = self.name();
        let flips = self.named.get().is_multiple_of(2);
        let mut upstream = service("x")["upstream"].clone();
        upstream["labels"] = json!({ "call": name });
        let plugins = json!({ "plugins": { "prometheus": {} }, "labels": { "call": name } });
        Ok(match collection {
            "services" => ("s", service(&name)),
            "routes" => {
                let mut body = route("parent", "/a");
                body["name"] = json!(name);
                ("r", body)
            }
            "stream_routes" => ("t", json!({ "server_port": 9100, "upstream": upstream })),
            "upstreams" | "services/parent/upstreams" => ("u", upstream),
            "consumers" => ("jill", json!({ "username": "jill", "labels": { "call": name } })),
            "consumers/jack/credentials" => ("c", json!({ "plugins": { "key-auth": { "key": name } } })),
            "ssls" => {
                let certified = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
                let (cert, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
                ("x", json!({ "snis": ["a.example"], "cert": cert, "key": key }))
            }
            "global_rules" => ("prometheus", json!({ "plugins": { "prometheus": { "prefer_name": flips } } })),
            "plugin_metadata" => ("prometheus", json!({ "prefer_name": flips })),
            "plugin_configs" => ("p", plugins),
            "consumer_groups" => ("g", plugins),
            "protos" => ("d", json!({ "content": format!("syntax = \"proto3\"; message M{} {{}}", self.named.get()) })),
            "secrets" => ("vault.1", json!({ "uri": "http://v", "prefix": name, "token": "t" })),
            _ => bail!("nothing says how it is called"),
        })
    }
}

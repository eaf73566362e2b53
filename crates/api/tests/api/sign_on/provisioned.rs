//! Users whom SCIM made and who sign in by a provider: the same user, and never anybody else.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Scene, oidc, path, with_cookie};
use crate::fixture::{Answer, read};
use crate::scim;

/// A provider beside SCIM.
struct Company {
    scene: Scene,
    token: String,
}

impl Company {
    /// `provisioned_users` is the login option's setting, if any.
    async fn start(provisioned_users: Option<Value>) -> Result<Self> {
        let scene = Scene::start(json!({})).await?;
        let company = Self { token: scim::token(&scene.api).await?, scene };
        if let Some(setting) = provisioned_users {
            company.set(setting).await?.good()?;
        }
        Ok(company)
    }

    async fn set(&self, provisioned_users: Value) -> Result<Answer> {
        let mut spec = oidc("company", &self.scene.provider.issuer, &self.scene.api.http, &json!({}));
        spec["oidc"]["provisioned_users"] = provisioned_users;
        self.scene.api.put(&path(&self.scene.option), spec).await
    }

    async fn scim(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let request = self.scene.api.request(method, &format!("/scim/v2{path}")).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.header("content-type", "application/scim+json").body(body.to_string()),
            None => request,
        };
        let answer = read(request.send().await?).await?;
        ensure!(answer.status < 300, "{path}: {answer:?}");
        Ok(answer)
    }

    /// The id of a user that SCIM makes.
    async fn provision(&self, user: Value) -> Result<String> {
        let made = self.scim(Method::POST, "/Users", Some(user)).await?.body;
        Ok(made["id"].as_str().context("id")?.to_owned())
    }

    async fn me(&self, cookie: &str) -> Result<Answer> {
        with_cookie(&self.scene.api, Method::GET, "/api/me", cookie, None).await
    }

    /// The user's id.
    async fn log_in(&self, user: &str) -> Result<(String, Value)> {
        let cookie = self.scene.log_in(user).await?;
        let id = self.me(&cookie).await?.good()?.body["value"]["id"].clone();
        Ok((cookie, id))
    }

    /// The answer to somebody who comes back from the provider.
    async fn refused(&self, user: &str) -> Result<Answer> {
        let answer = read(self.scene.back(&self.scene.at_the_provider(user).await?).await?).await?;
        assert_eq!(answer.status, 409, "{user} came in: {answer:?}");
        Ok(answer)
    }
}

#[tokio::test]
async fn who_was_provisioned_signs_in_as_the_same_user() -> Result<()> {
    let company = Company::start(Some(json!({ "attribute": "external_id" }))).await?;
    let user = json!({ "userName": "ann.of.accounts", "externalId": "ann-1", "emails": [{ "value": "ann@corp.example", "primary": true }] });
    let id = company.provision(user).await?;
    let group = json!({ "displayName": "Accounts", "members": [{ "value": id }] });
    company.scim(Method::POST, "/Groups", Some(group)).await?;

    let (cookie, me) = company.log_in("ann").await?;
    assert_eq!(me, json!(id));
    let user = company.scene.user("ann.of.accounts").await?;
    assert_eq!((&user["roles"][0]["name"], &user["email"]), (&json!("Accounts"), &json!("ann@corp.example")));
    let found = company.scene.api.get("/api/users").await?.good()?.body;
    assert_eq!(found["total"], 2, "the first admin and ann");
    let rows = company.scene.api.get(&format!("/api/audit_logs?resource_id={id}")).await?.good()?.body;
    let joined = rows["list"].as_array().into_iter().flatten().any(|row| row["event_type"] == "JoinUser");
    assert!(joined, "{rows}");
    assert_eq!(company.log_in("ann").await?.1, json!(id), "at the second login, too");

    let shut_out = json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] });
    company.scim(Method::PATCH, &format!("/Users/{id}"), Some(shut_out)).await?;
    assert_eq!(company.me(&cookie).await?.status, 401);
    assert_eq!(company.scene.back(&company.scene.at_the_provider("ann").await?).await?.status(), 401);
    Ok(())
}

#[tokio::test]
async fn names_and_addresses_find_the_user_where_the_option_says_so() -> Result<()> {
    for (setting, user) in [
        (json!({ "attribute": "username" }), json!({ "userName": "ann" })),
        (json!({ "attribute": "username", "claim": "sub" }), json!({ "userName": "ann-1" })),
        (
            json!({ "attribute": "email" }),
            json!({ "userName": "a.n", "emails": [{ "value": "ann@example.com", "primary": true }] }),
        ),
    ] {
        let company = Company::start(Some(setting.clone())).await?;
        let id = company.provision(user).await?;
        assert_eq!(company.log_in("ann").await?.1, json!(id), "{setting}");
    }
    let company = Company::start(None).await?;
    let wrong = company.set(json!({ "attribute": "email", "claim": "upn" })).await?;
    assert!(wrong.status == 400 && wrong.error().contains("/oidc/provisioned_users/claim"), "{wrong:?}");
    Ok(())
}

#[tokio::test]
async fn without_the_setting_a_provisioned_user_stays_apart() -> Result<()> {
    let company = Company::start(None).await?;
    company.provision(json!({ "userName": "ann", "externalId": "ann-1" })).await?;
    assert!(company.refused("ann").await?.error().contains("another account has the name"));
    Ok(())
}

/// What a provider says of its users' names takes over no account but one that SCIM made for nobody else.
#[tokio::test]
async fn a_provider_that_asserts_another_s_name_gets_nobody_s_account() -> Result<()> {
    let company = Company::start(Some(json!({ "attribute": "username" }))).await?;
    let taken = "another account has the name";
    assert!(company.refused("false admin").await?.error().contains(taken), "the first admin's");
    let invited = json!({ "username": "bob", "password": "once-and-never" });
    company.scene.api.post("/api/invites", invited).await?.good()?;
    assert!(company.refused("bob").await?.error().contains(taken), "one with a password");

    let ann = company.provision(json!({ "userName": "ann" })).await?;
    let (cookie, me) = company.log_in("ann").await?;
    assert_eq!(me, json!(ann));
    assert!(company.refused("false ann").await?.error().contains("not free"), "one who is another at the provider");
    assert_eq!(company.me(&cookie).await?.good()?.body["value"]["id"], json!(ann));
    Ok(())
}

#[tokio::test]
async fn accounts_that_are_not_free_are_not_joined() -> Result<()> {
    let company = Company::start(Some(json!({ "attribute": "external_id" }))).await?;
    let (api, not_free) = (&company.scene.api, "not free");
    let secret = json!({ "userName": "with.password", "externalId": "ann-1", "password": "once-and-never" });
    let with_password = company.provision(secret).await?;
    assert!(company.refused("ann").await?.error().contains(not_free), "a password is somebody's way in");
    company.scim(Method::DELETE, &format!("/Users/{with_password}"), None).await?;

    let boss = company.provision(json!({ "userName": "boss", "externalId": "ann-1" })).await?;
    let roles = |roles: &[&str]| json!({ "roles": roles });
    api.put(&format!("/api/users/{boss}/assigned_roles"), roles(&["super_admin_id"])).await?.good()?;
    assert!(company.refused("ann").await?.error().contains(not_free), "a Super Admin's");
    api.put(&format!("/api/users/{boss}/assigned_roles"), roles(&[])).await?.good()?;

    let double = company.provision(json!({ "userName": "double", "externalId": "ann-1" })).await?;
    assert!(company.refused("ann").await?.error().contains(not_free), "what several share names nobody");
    company.scim(Method::DELETE, &format!("/Users/{double}"), None).await?;
    assert_eq!(company.log_in("ann").await?.1, json!(boss));
    Ok(())
}

#[tokio::test]
async fn a_removed_option_leaves_provisioned_users_to_scim() -> Result<()> {
    let company = Company::start(Some(json!({ "attribute": "username" }))).await?;
    let ann = company.provision(json!({ "userName": "ann" })).await?;
    let (cookie, _) = company.log_in("ann").await?;
    company.log_in("bob").await?;
    let token = with_cookie(&company.scene.api, Method::POST, "/api/tokens", &cookie, Some(json!({ "name": "t" })));
    let token = token.await?.good()?.body["value"]["token"].as_str().context("token")?.to_owned();
    company.scene.api.delete(&path(&company.scene.option)).await?.good()?;

    assert_eq!(company.me(&cookie).await?.status, 401);
    let by_token = company.scene.api.request(Method::GET, "/api/me").header("x-api-key", token).send().await?;
    assert_eq!(by_token.status(), 401);
    company.scim(Method::GET, &format!("/Users/{ann}"), None).await?;
    assert_eq!(company.scene.api.get("/api/users?search=bob").await?.good()?.body["total"], 0);
    Ok(())
}

//! /scim/v2 and /api/system_settings/scim

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, read};

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The SCIM token of a control plane on which provisioning is switched on.
pub(crate) async fn token(api: &Fixture) -> Result<String> {
    api.put("/api/system_settings/scim", json!({ "enabled": true })).await?.good()?;
    let made = api.send(Method::POST, "/api/system_settings/scim/token", None).await?.good()?.body;
    Ok(made["value"]["token"].as_str().context("token")?.to_owned())
}

/// An identity provider.
struct Provider {
    api: Fixture,
    token: String,
}

impl Provider {
    async fn start() -> Result<Self> {
        let api = Fixture::start().await?;
        Ok(Self { token: token(&api).await?, api })
    }

    fn request(&self, method: &str, path: &str) -> Result<reqwest::RequestBuilder> {
        let path = if path.starts_with("http") { path.replace(&self.api.http, "") } else { format!("/scim/v2{path}") };
        Ok(self.api.request(method.parse()?, &path).bearer_auth(&self.token))
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answer> {
        let request = self.request(method, path)?;
        let request = match body {
            Some(body) => request.header("content-type", "application/scim+json").body(body.to_string()),
            None => request,
        };
        read(request.send().await?).await
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.send("GET", path, None).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        Ok(answer.body)
    }

    /// What a filter finds.
    async fn find(&self, list: &str, filter: &str) -> Result<Value> {
        let query = [("filter", filter)];
        let answer = read(self.request("GET", list)?.query(&query).send().await?).await?;
        ensure!(answer.status == 200, "{filter}: {answer:?}");
        Ok(answer.body)
    }

    async fn make(&self, list: &str, body: Value) -> Result<Value> {
        let answer = self.send("POST", list, Some(body)).await?;
        ensure!(answer.status == 201, "{answer:?}");
        Ok(answer.body)
    }

    async fn patch(&self, path: &str, operations: Value) -> Result<Answer> {
        self.send("PATCH", path, Some(json!({ "schemas": [PATCH_OP], "Operations": operations }))).await
    }

    async fn patched(&self, path: &str, operations: Value) -> Result<Value> {
        let answer = self.patch(path, operations).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(answer.body)
    }

    async fn user(&self, name: &str) -> Result<String> {
        id(&self.make("/Users", json!({ "userName": name })).await?)
    }
}

fn id(body: &Value) -> Result<String> {
    Ok(body["id"].as_str().with_context(|| format!("no id in {body}"))?.to_owned())
}

fn members(group: &Value) -> Vec<&str> {
    group["members"].as_array().into_iter().flatten().filter_map(|member| member["value"].as_str()).collect()
}

fn scim_type(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.body["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error", "{answer:?}");
    assert_eq!(answer.body["status"], answer.status.to_string());
    (answer.status, answer.body["scimType"].as_str().unwrap_or_default())
}

/// As Entra ID does it, in its order and in its spelling.
#[tokio::test]
async fn entra_id_provisions_a_user_and_a_group() -> Result<()> {
    let entra = Provider::start().await?;
    let none = entra.find("/Users", "userName eq \"ann@example.com\"").await?;
    assert_eq!((&none["totalResults"], &none["Resources"]), (&json!(0), &json!([])));
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let made = entra
        .make(
            "/Users",
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
                "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "userName": "ann@example.com", "active": true,
                "displayName": "Ann Example", "meta": { "resourceType": "User" },
                "emails": [{ "primary": true, "type": "work", "value": "ann@example.com" }],
                "name": { "formatted": "Ann Example", "familyName": "Example", "givenName": "Ann" },
                "roles": [], enterprise: { "department": "Payments" },
            }),
        )
        .await?;
    let path = format!("/Users/{}", id(&made)?);
    assert_eq!((&made["displayName"], &made[enterprise]["department"]), (&json!("Ann Example"), &json!("Payments")));
    assert_eq!(made["meta"]["location"], format!("{}/scim/v2{path}", entra.api.http));
    assert_eq!(entra.get(&path).await?, made);
    for filter in [
        "userName eq \"ANN@example.com\"",
        "externalId eq \"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef\"",
        "emails[type eq \"work\"].value eq \"ann@example.com\"",
        "emails.value eq \"ann@example.com\" and active eq true",
    ] {
        assert_eq!(entra.find("/Users", filter).await?["Resources"][0]["id"], made["id"], "{filter}");
    }
    let changed = entra
        .patched(
            &path,
            json!([
                { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ann@new.example" },
                { "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1" },
                { "op": "Replace", "path": format!("{enterprise}:department"), "value": "Orders" },
                { "op": "Replace", "value": { "name.familyName": "Other", "displayName": "Ann Other" } },
            ]),
        )
        .await?;
    assert_eq!(changed["emails"][0]["value"], "ann@new.example");
    assert_eq!(changed["phoneNumbers"], json!([{ "type": "mobile", "value": "+1" }]));
    assert_eq!((&changed[enterprise]["department"], &changed["name"]["givenName"]), (&json!("Orders"), &json!("Ann")));
    let seen_by_admin = entra.api.get(&format!("/api{}", path.to_lowercase())).await?.good()?.body;
    assert_eq!(seen_by_admin["value"]["email"], "ann@new.example");

    let group = entra.make("/Groups", json!({ "displayName": "Operators", "externalId": "g-1" })).await?;
    let group_path = format!("/Groups/{}", id(&group)?);
    assert_eq!(group.get("members"), Some(&json!([])));
    let query = "/Groups?excludedAttributes=members&filter=displayName+eq+%22operators%22";
    let found = entra.get(query).await?;
    assert_eq!((&found["Resources"][0]["id"], found["Resources"][0].get("members")), (&group["id"], None));
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": made["id"] }] }]);
    assert_eq!(members(&entra.patched(&group_path, add.clone()).await?), [id(&made)?]);
    assert_eq!(members(&entra.patched(&group_path, add).await?), [id(&made)?], "twice is once");
    assert_eq!(entra.get(&path).await?["groups"][0]["display"], "Operators");
    let is_in = format!("id eq \"{}\" and members eq \"{}\"", id(&group)?, id(&made)?);
    assert_eq!(entra.find("/Groups", &is_in).await?["totalResults"], 1);
    let rename = json!([{ "op": "Replace", "path": "displayName", "value": "Crew" }]);
    assert_eq!(entra.patched(&group_path, rename).await?["displayName"], "Crew");
    let remove = json!([{ "op": "Remove", "path": "members", "value": [{ "value": made["id"] }] }]);
    assert_eq!(members(&entra.patched(&group_path, remove).await?), Vec::<&str>::new());

    let off = entra.patched(&path, json!([{ "op": "Replace", "path": "active", "value": "False" }])).await?;
    assert_eq!(off["active"], false);
    for path in [&group_path, &path] {
        assert_eq!(entra.send("DELETE", path, None).await?.status, 204);
        assert_eq!(scim_type(&entra.send("GET", path, None).await?).0, 404);
        assert_eq!(scim_type(&entra.send("DELETE", path, None).await?).0, 404);
    }
    Ok(())
}

/// As Okta does it.
#[tokio::test]
async fn okta_provisions_a_user_and_a_group() -> Result<()> {
    let okta = Provider::start().await?;
    let page = okta.get("/Users?startIndex=1&count=2&filter=userName%20eq%20%22bob%22").await?;
    assert_eq!(page["totalResults"], 0);
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bob", "password": "once",
        "name": { "givenName": "Bob", "familyName": "B" }, "locale": "en-US", "groups": [], "active": true,
        "emails": [{ "primary": true, "value": "bob@example.com", "type": "work" }, { "value": "bob@home.example", "type": "home" }],
    });
    let sent = okta.request("POST", "/Users")?.json(&body).send().await?;
    let header = |name: &str| sent.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    assert_eq!(header("content-type").as_deref(), Some("application/scim+json"));
    let (location, version) = (header("location").context("location")?, header("etag").context("etag")?);
    let made = read(sent).await?.body;
    assert_eq!(
        (made["meta"]["location"].as_str(), made["meta"]["version"].as_str()),
        (Some(&*location), Some(&*version))
    );
    assert!(made.get("password").is_none() && !made.to_string().contains("argon2"), "{made}");
    assert_eq!(okta.get(&location).await?, made);
    let by_home = okta.find("/Users", "emails co \"@HOME.example\"").await?;
    assert_eq!(by_home["Resources"][0]["id"], made["id"], "a second address");

    // The password is good for one login, at which another must be chosen; the session ends with the user's activity.
    let login = json!({ "username": "bob", "password": "once" });
    let session = okta.api.request(Method::POST, "/api/login").json(&login).send().await?;
    let cookie = session.headers().get("set-cookie").context("cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().context("empty")?.to_owned();
    assert_eq!(read(session).await?.body["value"]["must_change_password"], true);
    let me = || okta.api.request(Method::GET, "/api/me").header("cookie", &cookie).send();
    assert_eq!(me().await?.status(), 200);
    let path = format!("/Users/{}", id(&made)?);
    let off = okta.patched(&path, json!([{ "op": "replace", "value": { "active": false } }])).await?;
    assert_eq!((&off["active"], me().await?.status().as_u16()), (&json!(false), 401));
    let mut put = body.clone();
    put["userName"] = json!("robert");
    put["title"] = json!("Chef");
    let put = okta.send("PUT", &path, Some(put)).await?;
    assert_eq!(
        (&put.body["userName"], &put.body["title"], &put.body["active"]),
        (&json!("robert"), &json!("Chef"), &json!(true))
    );
    let bare = okta.send("PUT", &path, Some(json!({ "userName": "robert" }))).await?.body;
    assert_eq!((bare.get("title"), bare.get("emails"), &bare["active"]), (None, None, &json!(true)));

    let members_given = json!([{ "value": made["id"], "display": "bob" }]);
    let group = okta.make("/Groups", json!({ "displayName": "Pushed", "members": members_given })).await?;
    let group_path = format!("/Groups/{}", id(&group)?);
    let role = okta.api.get(&format!("/api/roles/{}/permission_policies", id(&group)?)).await?.good()?.body;
    assert_eq!(role["total"], 0, "a pushed group allows nothing by itself");
    let carl = okta.user("carl").await?;
    let rename = json!([{ "op": "replace", "value": { "id": group["id"], "displayName": "Renamed" } }]);
    assert_eq!(okta.patched(&group_path, rename).await?["displayName"], "Renamed");
    let both =
        okta.patched(&group_path, json!([{ "op": "add", "path": "members", "value": [{ "value": carl }] }])).await?;
    assert_eq!(members(&both).len(), 2);
    let path_of_bob = format!("members[value eq \"{}\"]", id(&made)?);
    assert_eq!(members(&okta.patched(&group_path, json!([{ "op": "remove", "path": path_of_bob }])).await?), [&carl]);
    let kept = okta.send("PUT", &group_path, Some(json!({ "displayName": "Kept" }))).await?.body;
    assert_eq!(members(&kept), [&carl], "members that are not named stay");
    let emptied = okta.send("PUT", &group_path, Some(json!({ "displayName": "Kept", "members": [] }))).await?.body;
    assert_eq!(members(&emptied), Vec::<&str>::new());
    Ok(())
}

#[tokio::test]
async fn the_first_admin_and_super_admin_are_beyond_it() -> Result<()> {
    let provider = Provider::start().await?;
    let admin = provider.find("/Users", "userName eq \"admin\"").await?["Resources"][0].clone();
    let (admin_path, ann) = (format!("/Users/{}", id(&admin)?), provider.user("ann").await?);
    let groups = provider.get("/Groups").await?;
    let named = |name: &str| {
        let all = groups["Resources"].as_array().into_iter().flatten();
        let found = all.into_iter().find(|group| group["displayName"] == name).cloned().unwrap_or_default();
        format!("/Groups/{}", found["id"].as_str().unwrap_or_default())
    };
    let (super_admin, viewer) = (named("Super Admin"), named("Viewer"));
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": ann }] }]);
    let active = |active: bool| json!([{ "op": "replace", "path": "active", "value": active }]);
    let refused = [
        provider.patch(&super_admin, add.clone()).await?,
        provider.patch(&super_admin, json!([{ "op": "remove", "path": "members" }])).await?,
        provider.patch(&viewer, json!([{ "op": "replace", "path": "displayName", "value": "x" }])).await?,
        provider.send("DELETE", &viewer, None).await?,
        provider.patch(&admin_path, active(false)).await?,
        provider.patch(&admin_path, json!([{ "op": "add", "path": "password", "value": "mine" }])).await?,
        provider.patch(&admin_path, json!([{ "op": "replace", "path": "userName", "value": "x" }])).await?,
        provider.send("DELETE", &admin_path, None).await?,
    ];
    for (number, answer) in refused.iter().enumerate() {
        assert_eq!(scim_type(answer).0, 403, "{number}: {answer:?}");
        let detail = answer.body["detail"].as_str().context("detail")?;
        assert!(detail.starts_with("scim is not permitted to") && detail.contains(": "), "{detail}");
    }
    assert_eq!(members(&provider.patched(&viewer, add).await?), [&ann]);

    // Another Super Admin can be shut out, and then no longer be touched.
    let roles = json!({ "roles": ["super_admin_id"] });
    provider.api.put(&format!("/api/users/{ann}/assigned_roles"), roles).await?.good()?;
    let path = format!("/Users/{ann}");
    assert_eq!(provider.patched(&path, active(false)).await?["active"], false);
    assert_eq!(provider.patch(&path, active(true)).await?.status, 403);
    assert_eq!(provider.send("DELETE", &path, None).await?.status, 403);
    let log = provider
        .api
        .control
        .audit_log(&control::iam::Actor::system(), &Default::default(), store::Direction::default(), None)
        .await?;
    let by_scim: Vec<_> =
        log.list.iter().filter(|row| row.entry.actor == "scim").map(|row| row.entry.action.as_str()).collect();
    assert!(by_scim.contains(&"InviteUser") && by_scim.contains(&"UpdateUser"), "{by_scim:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_said_in_scim_s_words() -> Result<()> {
    let provider = Provider::start().await?;
    let ann = format!("/Users/{}", provider.user("ann").await?);
    provider.make("/Groups", json!({ "displayName": "g" })).await?;
    let op = |op: Value| Some(json!({ "Operations": [op] }));
    let cases = [
        ("POST", "/Users", Some(json!({ "userName": "ANN" })), 409, "uniqueness"),
        ("POST", "/Users", Some(json!({ "displayName": "x" })), 400, "invalidValue"),
        ("POST", "/Users", Some(json!({ "userName": "a\u{200b}b" })), 400, "invalidValue"),
        ("POST", "/Users", Some(json!([])), 400, "invalidSyntax"),
        ("POST", "/Users", None, 400, "invalidSyntax"),
        ("POST", "/Groups", Some(json!({ "displayName": "g" })), 409, "uniqueness"),
        (
            "POST",
            "/Groups",
            Some(json!({ "displayName": "h", "members": [{ "value": "nobody" }] })),
            400,
            "invalidValue",
        ),
        (
            "POST",
            "/Groups",
            Some(json!({ "displayName": "h", "members": [{ "value": "x", "type": "Group" }] })),
            400,
            "invalidValue",
        ),
        ("GET", "/Users?filter=userName", None, 400, "invalidFilter"),
        ("GET", "/Users?filter=nothing+pr", None, 400, "invalidFilter"),
        ("GET", "/Users?filter=password+pr", None, 400, "invalidFilter"),
        ("GET", "/Users?sortBy=title", None, 400, "invalidValue"),
        ("GET", "/Users?attributes=a&excludedAttributes=b", None, 400, "invalidValue"),
        ("GET", "/Users/nobody", None, 404, ""),
        ("PATCH", "/Users/nobody", op(json!({ "op": "add", "value": {} })), 404, ""),
        ("PUT", "/Groups/none", Some(json!({ "displayName": "x" })), 404, ""),
        ("PATCH", &ann, op(json!({ "op": "add", "path": "nothing", "value": 1 })), 400, "invalidPath"),
        ("PATCH", &ann, op(json!({ "op": "replace", "path": "id", "value": "x" })), 400, "mutability"),
        ("PATCH", &ann, op(json!({ "op": "remove", "path": "userName" })), 400, "invalidValue"),
        ("PATCH", &ann, op(json!({ "op": "jump" })), 400, "invalidSyntax"),
        ("PATCH", &ann, op(json!({ "op": "replace", "path": "userName", "value": "admin" })), 409, "uniqueness"),
        ("GET", "/Nothing", None, 404, ""),
        ("DELETE", "/Users", None, 405, ""),
    ];
    for (method, path, body, status, wanted) in cases {
        let answer = provider.send(method, path, body.clone()).await?;
        assert_eq!(scim_type(&answer), (status, wanted), "{method} {path} {body:?}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn lists_are_paged_filtered_and_sorted() -> Result<()> {
    let provider = Provider::start().await?;
    for name in ["bob", "ann", "cem"] {
        provider
            .make("/Users", json!({ "userName": name, "title": format!("the {name}"), "externalId": name }))
            .await?;
    }
    let names = |list: &Value| {
        let all = list["Resources"].as_array().into_iter().flatten();
        all.map(|user| user["userName"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let second = provider.get("/Users?startIndex=2&count=2").await?;
    assert_eq!(names(&second), ["ann", "bob"]);
    let facts = (&second["totalResults"], &second["startIndex"], &second["itemsPerPage"]);
    assert_eq!(facts, (&json!(4), &json!(2), &json!(2)));
    let count_alone = provider.get("/Users?count=0").await?;
    assert_eq!((&count_alone["totalResults"], &count_alone["Resources"]), (&json!(4), &json!([])));
    assert_eq!(names(&provider.get("/Users?sortBy=userName&sortOrder=descending&count=1").await?), ["cem"]);
    // Here, and with the same pages, what the database cannot answer.
    let here = provider.get("/Users?filter=title+ew+%22B%22+or+title+co+%22ANN%22&startIndex=2&count=1").await?;
    assert_eq!((names(&here), &here["totalResults"]), (vec!["bob".to_owned()], &json!(2)));
    let few = provider.get("/Users?filter=userName+eq+%22ann%22&attributes=userName").await?;
    let keys: Vec<_> = few["Resources"][0].as_object().context("user")?.keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "schemas", "userName"]);
    Ok(())
}

#[tokio::test]
async fn a_version_guards_a_change() -> Result<()> {
    let provider = Provider::start().await?;
    let made = provider.make("/Users", json!({ "userName": "ann" })).await?;
    let (path, version) = (format!("/Users/{}", id(&made)?), made["meta"]["version"].as_str().context("version")?);
    let change = json!({ "Operations": [{ "op": "add", "path": "title", "value": "x" }] });
    let with =
        |version: &str| anyhow::Ok(provider.request("PATCH", &path)?.header("if-match", version).json(&change).send());
    let known = provider.request("GET", &path)?.header("if-none-match", version).send().await?;
    assert_eq!(known.status(), 304);
    assert_eq!(with(version)?.await?.status(), 200);
    let stale = read(with(version)?.await?).await?;
    assert_eq!(scim_type(&stale).0, 412);
    let delete = provider.request("DELETE", &path)?.header("if-match", version).send().await?;
    assert_eq!(delete.status(), 412);
    assert_eq!(provider.get(&path).await?["title"], "x");
    Ok(())
}

#[tokio::test]
async fn the_token_is_replaced_switched_off_and_good_for_nothing_else() -> Result<()> {
    let provider = Provider::start().await?;
    let settings = "/api/system_settings/scim";
    let seen = async |token: &str| {
        let sent = provider.api.request(Method::GET, "/scim/v2/Users").bearer_auth(token).send().await?;
        let challenge = sent.headers().get("www-authenticate").is_some();
        anyhow::Ok((sent.status().as_u16(), challenge))
    };
    assert_eq!(seen(&provider.token).await?, (200, false));
    assert_eq!(seen(&provider.api.token).await?, (401, true), "a personal token is not good here");
    let elsewhere = provider.api.request(Method::GET, "/api/me").header("X-API-KEY", &provider.token).send().await?;
    assert_eq!(elsewhere.status(), 401);
    let shown = provider.api.get(settings).await?.good()?.body;
    assert!(shown["value"]["token"]["last_used_at"].as_i64() > Some(0) && !shown.to_string().contains(&provider.token));
    provider.api.put(settings, json!({ "enabled": false })).await?.good()?;
    assert_eq!(seen(&provider.token).await?.0, 401);
    provider.api.put(settings, json!({ "enabled": true })).await?.good()?;
    let past = provider.api.post(&format!("{settings}/token"), json!({ "expires_at": 1 })).await?;
    assert_eq!(past.status, 400);
    let new = token(&provider.api).await?;
    assert_eq!((seen(&provider.token).await?.0, seen(&new).await?.0), (401, 200));
    Ok(())
}

#[tokio::test]
async fn the_server_tells_what_it_does() -> Result<()> {
    let provider = Provider::start().await?;
    let config = provider.get("/ServiceProviderConfig").await?;
    assert_eq!((&config["patch"]["supported"], &config["bulk"]["supported"]), (&json!(true), &json!(false)));
    let kinds = provider.get("/ResourceTypes").await?;
    assert_eq!((&kinds["totalResults"], &kinds["Resources"][0]["endpoint"]), (&json!(2), &json!("/Users")));
    assert_eq!(provider.get("/ResourceTypes/Group").await?["name"], "Group");
    let schemas = provider.get("/Schemas").await?;
    for schema in schemas["Resources"].as_array().context("schemas")? {
        let one = provider.get(&format!("/Schemas/{}", id(schema)?)).await?;
        assert_eq!(&one, schema);
        let password = one["attributes"].as_array().context("attributes")?.iter().find(|one| one["name"] == "password");
        assert!(password.is_none_or(|password| password["returned"] == "never"));
    }
    Ok(())
}

/// By another role somebody could deny it what it may do.
#[tokio::test]
async fn the_first_admin_is_given_no_further_role() -> Result<()> {
    let provider = Provider::start().await?;
    let admin = id(&provider.find("/Users", "userName eq \"admin\"").await?["Resources"][0])?;
    let ann = provider.user("ann").await?;
    let of = |ids: &[&String]| ids.iter().map(|id| json!({ "value": id })).collect::<Vec<_>>();
    let group = provider.make("/Groups", json!({ "displayName": "g", "members": of(&[&ann]) })).await?;
    let path = format!("/Groups/{}", id(&group)?);
    let refused = [
        provider.send("POST", "/Groups", Some(json!({ "displayName": "h", "members": of(&[&ann, &admin]) }))).await?,
        provider.patch(&path, json!([{ "op": "add", "path": "members", "value": of(&[&admin]) }])).await?,
        provider.patch(&path, json!([{ "op": "replace", "path": "members", "value": of(&[&admin, &ann]) }])).await?,
        provider.send("PUT", &path, Some(json!({ "displayName": "g", "members": of(&[&admin]) }))).await?,
    ];
    for (number, answer) in refused.iter().enumerate() {
        assert_eq!(scim_type(answer).0, 403, "{number}: {answer:?}");
        let detail = answer.body["detail"].as_str().context("detail")?;
        assert!(detail.ends_with("the first admin has the role Super Admin and no other"), "{detail}");
    }
    assert_eq!(members(&provider.get(&path).await?), [&ann]);
    assert_eq!(provider.find("/Groups", "displayName eq \"h\"").await?["totalResults"], 0, "nothing of it is done");
    let roles = provider.get(&format!("/Users/{admin}")).await?["groups"].clone();
    assert_eq!((roles.as_array().map(Vec::len), &roles[0]["display"]), (Some(1), &json!("Super Admin")));
    Ok(())
}

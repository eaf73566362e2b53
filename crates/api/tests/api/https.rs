//! HTTPS with a certificate of the control plane's own CA, and the end of the API.

use std::time::Duration;

use anyhow::{Context, Result};
use client::{Client, Fingerprint, Key, Settings, Trust};

use crate::fixture::{ADMIN, Fixture, trust};

fn settings(api: &Fixture, trust: Trust) -> Settings {
    let mut settings = Settings::new(&api.https);
    settings.trust = trust;
    settings
}

#[tokio::test]
async fn a_client_that_knows_the_fingerprint_gets_in_and_no_other() -> Result<()> {
    let api = Fixture::start().await?;
    let fingerprint = Fingerprint::parse(&api.control.ca_fingerprint())?;
    let pinned = Client::new(settings(&api, Trust::CaFingerprint(fingerprint)))?;
    let session = pinned.login(ADMIN.0, ADMIN.1).await?;
    assert_eq!(session.me().await?.username, "admin");
    session.logout().await?;
    assert_eq!(session.me().await.err().context("logged out")?.status(), Some(401));

    for trust in [Trust::System, Trust::CaFingerprint(Fingerprint::of(b"another"))] {
        let error = Client::new(settings(&api, trust))?.version().await.err().context("trusted")?;
        assert_eq!(error.status(), None, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn the_ca_file_works_and_a_cookie_made_here_stays_here() -> Result<()> {
    let api = Fixture::start().await?;
    let der = api.control.ca_certificate().to_vec();
    let pem = pem(&der);
    let client = Client::new(settings(&api, Trust::CaPem(pem)))?;
    assert_eq!(client.with_key(Key::ApiKey(api.token.clone())).version().await?.value, "3.9.19");
    let session = client.login(ADMIN.0, ADMIN.1).await?;
    assert!(!session.groups("").await?.is_empty());

    let body = serde_json::json!({ "username": ADMIN.0, "password": ADMIN.1 });
    let login = browser(&api)?.post(format!("{}/api/login", api.https)).json(&body).send().await?;
    assert_stays_here(&login)?;
    let cookie = set_cookies(&login).remove(0);
    let cookie = cookie.split(';').next().context("empty")?.to_owned();
    let logout = browser(&api)?.post(format!("{}/api/logout", api.https)).header("cookie", cookie).send().await?;
    let forgotten = set_cookies(&logout).remove(0);
    assert!(forgotten.starts_with("session=;") && forgotten.contains("Max-Age=0"), "{forgotten}");
    Ok(())
}

/// A browser that trusts the control plane's CA and follows nothing by itself.
pub(crate) fn browser(api: &Fixture) -> Result<reqwest::Client> {
    let mut authorities = rustls::RootCertStore::empty();
    authorities.add(api.control.ca_certificate().clone())?;
    let builder = reqwest::Client::builder().tls_backend_preconfigured(trust(authorities)?);
    Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
}

fn set_cookies(answer: &reqwest::Response) -> Vec<String> {
    let lines = answer.headers().get_all("set-cookie").iter();
    lines.filter_map(|line| Some(line.to_str().ok()?.to_owned())).collect()
}

/// The answer's session goes to this control plane alone, over TLS alone, and no script sees it.
pub(crate) fn assert_stays_here(answer: &reqwest::Response) -> Result<()> {
    let cookies = set_cookies(answer);
    let session = cookies.iter().find(|cookie| cookie.starts_with("session="));
    let session = session.with_context(|| format!("no session, status {}: {cookies:?}", answer.status()))?;
    let attributes: Vec<&str> = session.split("; ").skip(1).collect();
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(attributes.contains(&attribute), "{attribute} is missing: {session}");
    }
    assert!(!attributes.iter().any(|attribute| attribute.starts_with("Domain")), "{session}");
    Ok(())
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn the_typed_client_does_what_the_command_line_needs() -> Result<()> {
    use client::ResourcePath;
    use client::api_types::{GatewayGroupSpec, JoinTokenSpec};
    use model::{Kind, ResourceId, ResourceKey};

    let api = Fixture::start().await?;
    let client = api.typed()?;
    let spec = GatewayGroupSpec { name: "typed".to_owned(), ..GatewayGroupSpec::default() };
    let group = client.create_group(&spec).await?;
    assert_eq!(client.group_by_name("typed").await?, group);
    assert!(client.group_by_name("none").await.is_err());
    let key = ResourceKey::new(Kind::Service, ResourceId::new("s1")?);
    let path = ResourcePath { group: Some(group.id.clone()), key };
    client.put_resource(&path, &crate::fixture::service("one"), Some(0)).await?;
    let stale = client.put_resource(&path, &crate::fixture::service("two"), Some(0)).await;
    assert_eq!(stale.err().context("not stale")?.status(), Some(412));
    assert_eq!(client.resources(Some(&group.id), Kind::Service, None).await?.len(), 1);
    assert_eq!(client.group_status(&group.id).await?.revision, 1);
    assert_eq!(client.revisions(&group.id, 5).await?.len(), 1);
    client.delete_resource(&path, None).await?;
    let token = client.create_join_token(&group.id, &JoinTokenSpec::default()).await?;
    assert_eq!(client.join_tokens(&group.id).await?.len(), 1);
    client.revoke_join_token(&group.id, &token.id).await?;
    assert!(client.instances(&Default::default()).await?.is_empty());
    assert_eq!(client.instance_counts().await?.len(), 4);
    client.delete_group(&group.id).await?;
    assert_eq!(client.group(&group.id).await.err().context("still there")?.status(), Some(404));
    Ok(())
}

#[tokio::test]
async fn the_api_ends_in_order() -> Result<()> {
    let api = Fixture::start().await?;
    let address = api.http.clone();
    let client = api.typed()?;
    assert_eq!(client.status().await?.status, "ok");
    tokio::time::timeout(Duration::from_secs(15), api.stop()).await.context("does not end")?;
    assert!(client.status().await.is_err(), "{address} still answers");
    Ok(())
}

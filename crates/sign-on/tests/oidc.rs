//! Signing in by a provider of OpenID Connect, over real sockets: what is right, and each thing that can be wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use sign_on::{Callback, ExternalIdentity, Oidc, OidcConfig, SignOnError, Started, TokenError};
use testkit::authority::Authority;
use testkit::oidc_provider::{Algorithm, Endpoint, Fault, Provider, Registration, User};

const REDIRECT_URI: &str = "https://flotilla.example.com/api/oidc/callback";
const MINUTE: Duration = Duration::from_secs(60);

/// A provider, our client of it, and the time that the client is told.
struct Scene {
    provider: Provider,
    oidc: Oidc,
    now: SystemTime,
}

impl Scene {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With some fields of the configuration changed.
    async fn with(changes: Value) -> Self {
        Self::at(Provider::start(registration()).await.expect("a provider"), changes)
    }

    fn at(provider: Provider, changes: Value) -> Self {
        let mut config = json!({
            "client_id": "flotilla:prod", "client_secret": "s3cret/&+ %", "issuer": provider.issuer, "timeout": 10,
        });
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let oidc = Oidc::new(OidcConfig::parse(&config).expect("a configuration")).expect("a client");
        Self { provider, oidc, now: SystemTime::now() }
    }

    async fn begin(&self) -> Result<Started, SignOnError> {
        self.oidc.begin(REDIRECT_URI, self.now).await
    }

    async fn finish(&self, callback: &Callback, started: &Started) -> Result<ExternalIdentity, SignOnError> {
        self.oidc.finish(callback, &started.pending, self.now).await
    }

    async fn sign_in(&self) -> Result<ExternalIdentity, SignOnError> {
        let started = self.begin().await?;
        self.finish(&browse(&started, "login_hint=alice").await, &started).await
    }

    async fn fails_with(&self, fault: Fault) -> SignOnError {
        self.provider.set_fault(Some(fault));
        let failed = self.sign_in().await;
        failed.expect_err(&format!("{fault:?} must not be believed"))
    }
}

fn registration() -> Registration {
    let alice = User {
        name: "alice".into(),
        subject: "a-1".into(),
        token_claims: json!({"preferred_username": "alice", "groups": ["developers"]}),
        userinfo: json!({
            "email": "alice@example.com", "email_verified": true, "name": "Alice Adams", "groups": ["forged"],
        }),
    };
    let bob = User {
        name: "bob".into(),
        subject: "b-2".into(),
        token_claims: json!({}),
        userinfo: json!({"email": "alice@example.com", "email_verified": false}),
    };
    Registration {
        client_id: "flotilla:prod".into(),
        client_secret: "s3cret/&+ %".into(),
        redirect_uris: vec![REDIRECT_URI.into()],
        users: vec![alice, bob],
    }
}

/// What a browser does: follows the address, signs in as `choice` says, and comes back with a query.
async fn browse(started: &Started, choice: &str) -> Callback {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(no_tls())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a browser");
    let answer = client.get(format!("{}&{choice}", started.url)).send().await.expect("the provider's answer");
    let location = answer.headers().get("location").expect("a redirect").to_str().expect("text");
    let query = location.strip_prefix(REDIRECT_URI).and_then(|rest| rest.strip_prefix('?')).expect("our address");
    let fields: serde_json::Map<String, Value> =
        form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into())).collect();
    serde_json::from_value(fields.into()).expect("a callback")
}

fn no_tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

#[tokio::test]
async fn a_user_signs_in_and_claims_are_merged() {
    let scene = Scene::new().await;
    let alice = scene.sign_in().await.expect("signed in");
    assert_eq!((alice.subject.as_str(), alice.username.as_str()), ("a-1", "alice"));
    assert_eq!(alice.email.as_deref(), Some("alice@example.com"));
    assert_eq!(alice.display_name.as_deref(), Some("Alice Adams"));
    // What the signed token says stands against the userinfo endpoint.
    assert_eq!(alice.attributes["groups"], json!(["developers"]));
    assert_eq!(alice.attributes["name"], "Alice Adams");
}

#[tokio::test]
async fn an_address_that_is_not_the_users_own_is_none() {
    let scene = Scene::new().await;
    let started = scene.begin().await.expect("begun");
    let bob = scene.finish(&browse(&started, "login_hint=bob").await, &started).await.expect("signed in");
    assert_eq!((bob.subject.as_str(), bob.username.as_str(), bob.email), ("b-2", "b-2", None));
}

#[tokio::test]
async fn every_kind_of_key_is_verified() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa] {
        let scene = Scene::new().await;
        scene.provider.rotate(algorithm).expect("a key");
        scene.sign_in().await.unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
        scene.provider.set_fault(Some(Fault::AccessTokenHash));
        let error = scene.sign_in().await.expect_err("refused");
        assert!(matches!(error, SignOnError::Token(TokenError::AccessTokenHash)), "{algorithm:?}: {error}");
    }
}

#[tokio::test]
async fn the_secret_goes_into_the_form_where_only_that_is_taken() {
    let scene = Scene::new().await;
    scene.provider.describe(json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}));
    scene.sign_in().await.expect("signed in");
    let scene = Scene::with(json!({"client_secret": "another"})).await;
    let error = scene.sign_in().await.expect_err("refused");
    assert!(matches!(&error, SignOnError::Provider { error, .. } if error == "invalid_client"), "{error}");
}

#[tokio::test]
async fn a_provider_without_userinfo_is_enough() {
    let scene = Scene::new().await;
    scene.provider.describe(json!({"userinfo_endpoint": null}));
    let alice = scene.sign_in().await.expect("signed in");
    assert_eq!((alice.username.as_str(), alice.email), ("alice", None));
    assert_eq!(scene.provider.calls(Endpoint::Userinfo), 0);
}

#[tokio::test]
async fn tokens_that_are_wrong_are_not_believed() {
    let scene = Scene::new().await;
    scene.sign_in().await.expect("signed in");
    let cases = [
        (Fault::Nonce, TokenError::Nonce),
        (Fault::Audience, TokenError::Audience),
        (Fault::AuthorizedParty, TokenError::AuthorizedParty),
        (Fault::Issuer, TokenError::Issuer("http://127.0.0.1:1".into())),
        (Fault::Early, TokenError::Early("nbf")),
        (Fault::Unsigned, TokenError::Algorithm("none".into())),
        (Fault::PublicKeyAsSecret, TokenError::Algorithm("HS256".into())),
        (Fault::Signature, TokenError::Signature),
        (Fault::UnpublishedKey, TokenError::UnknownKey { kid: Some("unpublished".into()) }),
        (Fault::AccessTokenHash, TokenError::AccessTokenHash),
        (Fault::UserinfoSubject, TokenError::UserinfoSubject),
    ];
    for (fault, expected) in cases {
        let error = scene.fails_with(fault).await;
        assert!(matches!(&error, SignOnError::Token(found) if *found == expected), "{fault:?}: {error}");
        assert!(!error.user_text().contains("token"), "{fault:?}");
    }
    let error = scene.fails_with(Fault::Expired).await;
    assert!(matches!(error, SignOnError::Token(TokenError::Expired(_))), "{error}");
    scene.provider.set_fault(None);
    scene.sign_in().await.expect("signed in again");
}

#[tokio::test]
async fn algorithms_that_the_provider_does_not_announce_are_refused() {
    let scene = Scene::new().await;
    scene.provider.describe(json!({"id_token_signing_alg_values_supported": ["ES256"]}));
    let error = scene.sign_in().await.expect_err("refused");
    assert!(matches!(&error, SignOnError::Token(TokenError::Algorithm(name)) if name == "RS256"), "{error}");
}

#[tokio::test]
async fn keys_are_kept_and_fetched_anew_when_they_change() {
    let mut scene = Scene::new().await;
    for _ in 0..3 {
        scene.sign_in().await.expect("signed in");
    }
    assert_eq!((scene.provider.calls(Endpoint::Keys), scene.provider.calls(Endpoint::Discovery)), (1, 1));

    scene.provider.rotate(Algorithm::Es256).expect("a key");
    scene.now += MINUTE;
    scene.sign_in().await.expect("signed in with the new key");
    assert_eq!(scene.provider.calls(Endpoint::Keys), 2);

    // A token with a key that nobody knows makes us look once, and not at each.
    scene.now += MINUTE;
    for _ in 0..3 {
        scene.fails_with(Fault::UnpublishedKey).await;
    }
    assert_eq!(scene.provider.calls(Endpoint::Keys), 3);

    // What the provider has taken back is not believed for ever.
    scene.provider.set_fault(None);
    scene.now += 2 * 60 * MINUTE;
    let error = scene.sign_in().await.expect_err("the clock is hours ahead of the provider's");
    assert!(matches!(error, SignOnError::Token(TokenError::Expired(_))), "{error}");
    assert_eq!((scene.provider.calls(Endpoint::Keys), scene.provider.calls(Endpoint::Discovery)), (4, 2));
}

#[tokio::test]
async fn a_callback_is_this_sign_ins_or_nothing() {
    let scene = Scene::new().await;
    let (mine, other) = (scene.begin().await.expect("begun"), scene.begin().await.expect("begun"));
    let callback = browse(&mine, "login_hint=alice").await;

    let error = scene.finish(&callback, &other).await.expect_err("another's state");
    assert!(matches!(error, SignOnError::Callback(_)), "{error}");
    // Somebody smuggles a code of theirs into a sign-in of ours: the verifier is not the code's.
    let smuggled = Callback { state: Some(other.pending.state.clone()), ..callback.clone() };
    let error = scene.finish(&smuggled, &other).await.expect_err("another's code");
    assert!(matches!(&error, SignOnError::Provider { error, .. } if error == "invalid_grant"), "{error}");

    let late = scene.oidc.finish(&callback, &mine.pending, scene.now + 11 * MINUTE).await;
    assert!(matches!(late, Err(SignOnError::Callback(_))), "{late:?}");
    let empty = Callback { code: None, ..callback.clone() };
    assert!(matches!(scene.finish(&empty, &mine).await, Err(SignOnError::Callback(_))));
}

#[tokio::test]
async fn a_code_is_good_once() {
    let scene = Scene::new().await;
    let started = scene.begin().await.expect("begun");
    let callback = browse(&started, "login_hint=alice").await;
    scene.finish(&callback, &started).await.expect("signed in");
    let error = scene.finish(&callback, &started).await.expect_err("a replay");
    assert!(matches!(&error, SignOnError::Provider { error, .. } if error == "invalid_grant"), "{error}");
}

#[tokio::test]
async fn the_callback_names_its_provider() {
    let scene = Scene::new().await;
    for fault in [Fault::CallbackIssuer, Fault::NamelessCallback] {
        let error = scene.fails_with(fault).await;
        assert!(matches!(error, SignOnError::Callback(_)), "{fault:?}: {error}");
    }
    assert_eq!(scene.provider.calls(Endpoint::Token), 0, "the code must not reach another provider");
    let scene = Scene::new().await;
    scene.provider.describe(json!({"authorization_response_iss_parameter_supported": null}));
    scene.provider.set_fault(Some(Fault::NamelessCallback));
    scene.sign_in().await.expect("nothing was promised");
}

#[tokio::test]
async fn a_user_may_say_no() {
    let scene = Scene::new().await;
    let started = scene.begin().await.expect("begun");
    let error = scene.finish(&browse(&started, "deny=1").await, &started).await.expect_err("denied");
    assert_eq!(error.to_string(), "the provider refused with \"access_denied\": \"not today\"");
    assert_eq!(error.user_text(), "The sign-in was cancelled or denied.");
    assert!(error.is_users());
}

#[tokio::test]
async fn another_issuers_description_is_refused() {
    let scene = Scene::new().await;
    let error = scene.fails_with(Fault::DescribedIssuer).await;
    assert!(error.to_string().contains("describes the issuer"), "{error}");
    scene.provider.set_fault(None);
    scene.sign_in().await.expect("nothing wrong was kept");
}

#[tokio::test]
async fn tls_believes_the_configured_authority_alone() {
    let authority = Authority::new().expect("an authority");
    let stranger = Authority::new().expect("an authority");
    let cases = [
        (json!({"root_ca_cert": authority.pem()}), true),
        (json!({"ssl_verify": false}), true),
        (json!({"root_ca_cert": stranger.pem()}), false),
        (json!({}), false),
    ];
    for (changes, is_believed) in cases {
        let provider = Provider::start_tls(registration(), &authority).await.expect("a provider");
        let begun = Scene::at(provider, changes.clone()).begin().await;
        match begun {
            Ok(started) => assert!(is_believed && started.url.starts_with("https://"), "{changes}: {}", started.url),
            Err(error) => assert!(!is_believed && error.to_string().contains("certificate"), "{changes}: {error}"),
        }
    }
}

const CALLED_BY_US: [Endpoint; 4] = [Endpoint::Discovery, Endpoint::Keys, Endpoint::Token, Endpoint::Userinfo];

#[tokio::test]
async fn answers_that_are_none_are_refused() {
    for endpoint in CALLED_BY_US {
        let scene = Scene::new().await;
        for fault in [Fault::Garbage(endpoint), Fault::Broken(endpoint), Fault::RedirectElsewhere(endpoint)] {
            let error = scene.fails_with(fault).await;
            assert!(matches!(error, SignOnError::Answer { .. }), "{fault:?}: {error}");
        }
        let error = scene.fails_with(Fault::Huge(endpoint)).await;
        assert!(matches!(error, SignOnError::TooLarge { .. }), "{endpoint:?}: {error}");
        scene.provider.set_fault(Some(Fault::RedirectWithin(endpoint)));
        scene.sign_in().await.unwrap_or_else(|error| panic!("{endpoint:?} moved within its host: {error}"));
    }
}

#[tokio::test]
async fn a_silent_provider_is_not_waited_for() {
    for endpoint in CALLED_BY_US {
        let scene = Scene::with(json!({"timeout": 1})).await;
        let begun = Instant::now();
        let error = scene.fails_with(Fault::Silent(endpoint)).await;
        assert!(matches!(error, SignOnError::TimedOut { .. }), "{endpoint:?}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{endpoint:?} was waited for");
        assert!(error.user_text().contains("does not answer"));
    }
}

#[tokio::test]
async fn a_provider_that_is_gone_is_told() {
    let scene = Scene::new().await;
    let started = scene.begin().await.expect("begun");
    let callback = browse(&started, "login_hint=alice").await;
    let Scene { provider, oidc, now } = scene;
    let address = provider.issuer.trim_start_matches("http://").to_owned();
    drop(provider);
    let deadline = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        assert!(Instant::now() < deadline, "the provider does not stop");
        tokio::task::yield_now().await;
    }
    let error = oidc.finish(&callback, &started.pending, now).await.expect_err("gone");
    assert!(matches!(error, SignOnError::Unreachable { .. }), "{error}");
}

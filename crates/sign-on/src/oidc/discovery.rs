//! The provider's own description (OpenID Connect Discovery 1.0, section 3; RFC 8414).

use reqwest::Url;
use serde::Deserialize;

use super::http::Http;
use crate::config::{OidcConfig, is_safe};
use crate::error::SignOnError;

/// What a provider says of itself, checked.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) jwks_uri: Url,
    /// Whether callbacks name the issuer (RFC 9207, section 3).
    pub(super) names_issuer: bool,
    /// How clients show who they are at the token endpoint.
    pub(super) client_authentication: ClientAuthentication,
    /// Algorithms of ID tokens; empty when the provider does not say.
    pub(super) algorithms: Vec<String>,
}

/// How a client shows its secret (OpenID Connect Core 1.0, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuthentication {
    Basic,
    Post,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Fetches the description of the configured issuer.
pub(super) async fn fetch(http: &Http, config: &OidcConfig) -> Result<Metadata, SignOnError> {
    let url = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
    let wrong = |why| SignOnError::Answer { what: url.clone(), why };
    let address = Url::parse(&url).map_err(|error| wrong(error.to_string()))?;
    let document: Document = http.get(&address, None).await?;
    checked(document, &config.issuer).map_err(wrong)
}

fn checked(document: Document, issuer: &str) -> Result<Metadata, String> {
    // Section 4.3: exactly; else one provider could speak for another.
    if document.issuer != issuer {
        return Err(format!("it describes the issuer {:?}, not {issuer:?}", document.issuer));
    }
    Ok(Metadata {
        authorization_endpoint: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
        token_endpoint: endpoint("token_endpoint", &document.token_endpoint)?,
        userinfo_endpoint: document.userinfo_endpoint.map(|url| endpoint("userinfo_endpoint", &url)).transpose()?,
        jwks_uri: endpoint("jwks_uri", &document.jwks_uri)?,
        names_issuer: document.authorization_response_iss_parameter_supported,
        client_authentication: authentication(document.token_endpoint_auth_methods_supported.as_deref())?,
        algorithms: document.id_token_signing_alg_values_supported,
    })
}

fn endpoint(name: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(is_safe);
    url.ok_or_else(|| format!("{name} {text:?} must be an https URL (http on loopback only)"))
}

/// `client_secret_basic` is what holds when nothing is said.
fn authentication(methods: Option<&[String]>) -> Result<ClientAuthentication, String> {
    let Some(methods) = methods else { return Ok(ClientAuthentication::Basic) };
    let has = |name: &str| methods.iter().any(|method| method == name);
    match (has("client_secret_basic"), has("client_secret_post")) {
        (true, _) => Ok(ClientAuthentication::Basic),
        (false, true) => Ok(ClientAuthentication::Post),
        (false, false) => Err(format!("it takes no client secret, but {methods:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://id.example.com";

    fn described(changes: Value) -> Result<Metadata, String> {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example.com/authorize",
            "token_endpoint": "https://tokens.example.com/token",
            "jwks_uri": "https://keys.example.com/keys",
        });
        document.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        checked(serde_json::from_value(document).expect("a document"), ISSUER)
    }

    #[test]
    fn a_short_description_is_enough() {
        let metadata = described(json!({})).expect("metadata");
        assert_eq!(metadata.client_authentication, ClientAuthentication::Basic);
        assert!(!metadata.names_issuer && metadata.userinfo_endpoint.is_none() && metadata.algorithms.is_empty());
    }

    #[test]
    fn the_issuer_is_exactly_ours() {
        for issuer in ["https://id.example.com/", "https://ID.example.com", "https://evil.example.com", ""] {
            assert!(described(json!({"issuer": issuer})).expect_err("refused").contains("describes the issuer"));
        }
    }

    #[test]
    fn endpoints_are_safe() {
        for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
            for url in ["http://id.example.com/x", "file:///etc/passwd", "/relative", "javascript:alert(1)"] {
                assert!(described(json!({name: url})).expect_err("refused").starts_with(name), "{name} {url}");
            }
        }
    }

    #[test]
    fn the_secret_goes_where_the_provider_takes_it() {
        let methods = |methods: Value| described(json!({"token_endpoint_auth_methods_supported": methods}));
        let post = methods(json!(["client_secret_post", "private_key_jwt"])).expect("metadata");
        assert_eq!(post.client_authentication, ClientAuthentication::Post);
        let basic = methods(json!(["client_secret_post", "client_secret_basic"])).expect("metadata");
        assert_eq!(basic.client_authentication, ClientAuthentication::Basic);
        assert!(methods(json!(["private_key_jwt"])).is_err());
    }
}

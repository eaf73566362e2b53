use serde_json::json;

use super::*;
use crate::oidc::jose::Token;

const NOW: i64 = 1_800_000_000;

fn algorithm(name: &str) -> Algorithm {
    let header = json!({"alg": name}).to_string();
    let text = format!("{}.{}.", encoded(header.as_bytes()), encoded(b"{}"));
    Token::parse(&text).expect("a token").algorithm(&[]).expect("an algorithm")
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn checked(changes: Value) -> Result<(), TokenError> {
    let mut claims = json!({
        "iss": "https://id.example.com", "aud": "flotilla", "sub": "42", "nonce": "n-1", "exp": NOW + 300, "iat": NOW,
    });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        }
    }
    let expected = Expected {
        issuer: "https://id.example.com",
        client_id: "flotilla",
        nonce: "n-1",
        access_token: "an access token",
        now: NOW,
    };
    check(claims.as_object().expect("an object"), &algorithm("RS256"), &expected)
}

#[test]
fn every_claim_is_held_against_what_is_expected() {
    use TokenError::{AccessTokenHash, Audience, AuthorizedParty, Claim, Early, Expired, Issuer, Nonce};
    let hash = digest::digest(&digest::SHA256, b"an access token");
    let cases = [
        (json!({}), Ok(())),
        (json!({"iss": null}), Err(Claim("iss"))),
        (json!({"iss": "https://id.example.com/"}), Err(Issuer("https://id.example.com/".into()))),
        (json!({"aud": null}), Err(Claim("aud"))),
        (json!({"aud": "another"}), Err(Audience)),
        (json!({"aud": []}), Err(Audience)),
        (json!({"aud": ["flotilla"]}), Ok(())),
        (json!({"aud": ["flotilla", "another"]}), Err(AuthorizedParty)),
        (json!({"aud": ["flotilla", "another"], "azp": "another"}), Err(AuthorizedParty)),
        (json!({"aud": ["flotilla", "another"], "azp": "flotilla"}), Ok(())),
        (json!({"azp": "another"}), Err(AuthorizedParty)),
        (json!({"azp": 5}), Err(AuthorizedParty)),
        (json!({"exp": null}), Err(Claim("exp"))),
        (json!({"exp": "soon"}), Err(Claim("exp"))),
        (json!({"exp": NOW - 59}), Ok(())),
        (json!({"exp": NOW - 60}), Err(Expired(NOW - 60))),
        (json!({"exp": 1_800_000_000.5}), Ok(())),
        (json!({"iat": null}), Err(Claim("iat"))),
        (json!({"iat": NOW + 60}), Ok(())),
        (json!({"iat": NOW + 61}), Err(Early("iat"))),
        (json!({"nbf": NOW + 60}), Ok(())),
        (json!({"nbf": NOW + 61}), Err(Early("nbf"))),
        (json!({"nbf": true}), Err(Claim("nbf"))),
        (json!({"nonce": null}), Err(Claim("nonce"))),
        (json!({"nonce": "n-2"}), Err(Nonce)),
        (json!({"sub": null}), Err(Claim("sub"))),
        (json!({"sub": ""}), Err(Claim("sub"))),
        (json!({"sub": "x".repeat(256)}), Err(Claim("sub"))),
        (json!({"sub": 42}), Err(Claim("sub"))),
        (json!({"at_hash": encoded(&hash.as_ref()[..16])}), Ok(())),
        (json!({"at_hash": encoded(hash.as_ref())}), Err(AccessTokenHash)),
        (json!({"at_hash": encoded(&hash.as_ref()[16..])}), Err(AccessTokenHash)),
        (json!({"at_hash": "?"}), Err(Claim("at_hash"))),
    ];
    for (changes, expected) in cases {
        assert_eq!(checked(changes.clone()), expected, "{changes}");
    }
}

#[test]
fn the_hash_of_the_access_token_is_the_algorithms_own() {
    // OpenID Connect Core 1.0, appendix A.6: a known answer, made by others.
    let known = json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"});
    let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    check_access_token(known.as_object().expect("an object"), &algorithm("RS256"), token).expect("the specification's");

    let hash = digest::digest(&digest::SHA512, b"token");
    let claims = json!({"at_hash": encoded(&hash.as_ref()[..32])});
    let claims = claims.as_object().expect("an object");
    for name in ["RS512", "PS512", "ES512", "EdDSA"] {
        check_access_token(claims, &algorithm(name), "token").expect(name);
    }
    assert_eq!(check_access_token(claims, &algorithm("ES256"), "token"), Err(TokenError::AccessTokenHash));
}

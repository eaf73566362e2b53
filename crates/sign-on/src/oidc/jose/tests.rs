use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use serde_json::json;

use super::*;

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn unsigned(header: Value) -> String {
    format!("{}.{}", encoded(header.to_string()), encoded(json!({"sub": "42"}).to_string()))
}

fn jwk(value: Value) -> Jwk {
    serde_json::from_value(value).expect("a key")
}

fn verified(text: &str, key: &Jwk) -> Result<(), TokenError> {
    let token = Token::parse(text)?;
    let algorithm = token.algorithm(&[])?;
    assert!(key.suits(&token.header.alg, &algorithm));
    token.verify(&algorithm, key)
}

/// The example of RFC 7515, appendix A.2: a known answer, made by others.
#[test]
fn the_rfcs_example_is_believed() {
    let token = concat!(
        "eyJhbGciOiJSUzI1NiJ9.",
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb",
        "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383",
        "LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy",
        "wlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    let n = concat!(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SF",
        "d2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo",
        "7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkM",
        "Ls91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    );
    verified(token, &jwk(json!({"kty": "RSA", "n": n, "e": "AQAB"}))).expect("a right signature");
    let padded = encoded([&[0], base64_url(n).expect("a number").as_slice()].concat());
    verified(token, &jwk(json!({"kty": "RSA", "n": padded, "e": "AQAB"}))).expect("a right signature");
    let changed = token.replacen("eyJpc3MiOiJqb2U", "eyJpc3MiOiJqb3U", 1);
    assert_eq!(verified(&changed, &jwk(json!({"kty": "RSA", "n": n, "e": "AQAB"}))), Err(TokenError::Signature));
}

#[test]
fn curves_are_verified() {
    let curves: [(_, _, &'static EcdsaSigningAlgorithm); 3] = [
        ("ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
        ("ES384", "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        ("ES512", "P-521", &ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (alg, crv, signing) in curves {
        let pair = EcdsaKeyPair::generate(signing).expect("a key");
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        let body = unsigned(json!({"alg": alg}));
        let signature = pair.sign(&SystemRandom::new(), body.as_bytes()).expect("a signature");
        let token = format!("{body}.{}", encoded(signature));
        let key = jwk(json!({"kty": "EC", "crv": crv, "x": encoded(x), "y": encoded(y)}));
        verified(&token, &key).expect(alg);
        let swapped = jwk(json!({"kty": "EC", "crv": crv, "x": encoded(y), "y": encoded(x)}));
        assert_eq!(verified(&token, &swapped), Err(TokenError::Signature), "{alg}");
        let short = jwk(json!({"kty": "EC", "crv": crv, "x": encoded(&x[1..]), "y": encoded(y)}));
        assert_eq!(verified(&token, &short), Err(TokenError::Signature), "{alg}");
    }
}

#[test]
fn edwards_keys_are_verified() {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let body = unsigned(json!({"alg": "EdDSA"}));
    let token = format!("{body}.{}", encoded(pair.sign(body.as_bytes())));
    let key = jwk(json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key())}));
    verified(&token, &key).expect("a right signature");
    let other = Ed25519KeyPair::generate().expect("a key");
    let key = jwk(json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(other.public_key())}));
    assert_eq!(verified(&token, &key), Err(TokenError::Signature));
}

#[test]
fn algorithms_that_prove_nothing_are_refused() {
    for alg in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "RS1", "rs256", "ES256K", "dir"] {
        let text = format!("{}.", unsigned(json!({"alg": alg})));
        let refused = Token::parse(&text).expect("a token").algorithm(&[]).err();
        assert_eq!(refused, Some(TokenError::Algorithm(alg.to_owned())));
    }
    let text = format!("{}.", unsigned(json!({"alg": "RS256"})));
    let token = Token::parse(&text).expect("a token");
    assert!(token.algorithm(&["RS256".into()]).is_ok());
    assert_eq!(token.algorithm(&["ES256".into()]).err(), Some(TokenError::Algorithm("RS256".into())));
    let text = format!("{}.", unsigned(json!({"alg": "RS256", "crit": ["b64"], "b64": false})));
    assert_eq!(Token::parse(&text).expect("a token").algorithm(&[]).err(), Some(TokenError::Critical));
}

#[test]
fn what_is_no_token_is_refused() {
    let encrypted = "a.b.c.d.e";
    let odd = format!("{}.{}.!", encoded("{\"alg\":\"RS256\"}"), encoded("{}"));
    let list = format!("{}.{}.", encoded("{\"alg\":\"RS256\"}"), encoded("[]"));
    for text in ["", ".", "..", "a.b", encrypted, &odd, &list, "e30.e30."] {
        assert_eq!(Token::parse(text).err(), Some(TokenError::Shape), "{text}");
    }
}

#[test]
fn keys_serve_what_they_are_made_for() {
    let suits = |changes: Value| {
        let mut key = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
        key.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        jwk(key).suits("RS256", &Algorithm::named("RS256").expect("an algorithm"))
    };
    assert!(suits(json!({})));
    assert!(suits(json!({"use": "sig", "alg": "RS256", "key_ops": ["verify"]})));
    assert!(!suits(json!({"use": "enc"})));
    assert!(!suits(json!({"alg": "PS256"})));
    assert!(!suits(json!({"key_ops": ["encrypt"]})));
    assert!(!suits(json!({"kty": "EC", "crv": "P-256"})));
    assert!(!suits(json!({"kty": "oct", "k": "c2VjcmV0"})));
}

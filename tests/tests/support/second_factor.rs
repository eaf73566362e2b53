//! An authenticator app: one-time codes of RFC 6238, and a user who has one.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::{Api, client};

/// The code of a key in base32, `step` half minutes from now.
pub fn code(secret: &str, step: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let counter = (now / 30).checked_add_signed(step).expect("a step");
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(secret));
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let offset = usize::from(tag.as_ref()[19] & 0x0f);
    let word = u32::from_be_bytes(tag.as_ref()[offset..offset + 4].try_into().expect("four bytes"));
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

/// RFC 4648, section 6, without padding.
fn base32(text: &str) -> Vec<u8> {
    let digits = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' => byte - b'A',
        _ => byte - b'2' + 26,
    });
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0u32, 0);
    for digit in digits {
        (buffer, bits) = (buffer << 5 | u32::from(digit), bits + 5);
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
        }
    }
    bytes
}

/// Sets a second factor up for a user; gives its key. The code of the step before counts as used then, so that those of
/// this step and the next are left.
pub async fn set_up(api: &Api, (name, password): (&str, &str)) -> String {
    let call = async |method: &str, body: Value| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = client().request(method, format!("{}/api/second_factor", api.base));
        let answer = request.basic_auth(name, Some(password)).json(&body).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let (status, begun) = call("POST", json!({})).await;
    assert_eq!(status, 200, "{begun}");
    let secret = begun["value"]["secret"].as_str().expect("a key").to_owned();
    // Twice: the half minute may end on the way.
    for last in [false, true] {
        let (status, answer) = call("PUT", json!({ "code": code(&secret, -1) })).await;
        if status == 200 {
            break;
        }
        assert!(!last, "{answer}");
    }
    secret
}

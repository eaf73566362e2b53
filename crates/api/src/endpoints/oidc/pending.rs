//! What the browser keeps between the two: sealed, in a cookie that goes to the callback alone.

use control::Control;
use control::iam::LoginOption;
use serde::{Deserialize, Serialize};
use sign_on::Pending;

use crate::error::{ApiError, ApiResult};
use crate::sign_on::callback_path;

/// Its name.
pub(super) const COOKIE: &str = "sign_on";
/// How long a user may take at the provider, in seconds.
pub(super) const LIFE_SECONDS: i64 = 600;
const MAX_PATH_BYTES: usize = 1024;

/// A sign-in that is under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// What the callback is held against.
    pub(super) pending: Pending,
    /// Where the user goes then.
    pub(super) return_to: String,
}

impl Kept {
    /// The `Set-Cookie` that makes the browser keep it.
    pub(super) fn cookie(&self, control: &Control, option: &LoginOption, secure: bool) -> ApiResult<String> {
        let plain = serde_json::to_vec(self).map_err(|_| ApiError::internal())?;
        let sealed = control.seal_sign_on(&option.id, &plain)?;
        Ok(set(&option.id, &sealed, LIFE_SECONDS, secure))
    }

    /// What a cookie's value holds, if we sealed it for this login option.
    pub(super) fn open(control: &Control, option: &str, value: &str) -> Option<Self> {
        serde_json::from_slice(&control.open_sign_on(option, value)?).ok()
    }
}

/// The `Set-Cookie` that makes a browser forget it.
pub(super) fn forget(option: &str, secure: bool) -> String {
    set(option, "", 0, secure)
}

/// Lax: the provider's page sends the browser to us, so a strict cookie would stay behind.
fn set(option: &str, value: &str, seconds: i64, secure: bool) -> String {
    let (path, secure) = (callback_path(option), if secure { "; Secure" } else { "" });
    format!("{COOKIE}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// A place on this control plane to go to: a path, and nothing that a browser takes for another host.
pub(super) fn own_path(text: &str) -> ApiResult<String> {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    // Browsers take a backslash for a slash, and leave out control characters before they look.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain && text.len() <= MAX_PATH_BYTES {
        return Ok(text.to_owned());
    }
    Err(ApiError::bad_request("parameter \"return_to\" must be a path of this control plane, such as /groups"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_returns_to_this_control_plane_alone() {
        for right in ["/", "/groups?x=1#y", "/a//b"] {
            assert_eq!(own_path(right).expect("a path"), right);
        }
        let long = format!("/{}", "x".repeat(MAX_PATH_BYTES));
        for wrong in ["", "x", "//evil", "/\\evil", "/\t/evil", "https://evil", "/a\r\nb", "/\u{e4}", &long] {
            assert!(own_path(wrong).is_err(), "{wrong:?}");
        }
    }
}

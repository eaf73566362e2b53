//! The session cookie.

use crate::auth::SESSION_COOKIE;

/// `Set-Cookie` of a new session. Only encrypted connections may carry a cookie that was made on one.
pub(crate) fn set(session: &str, max_age_seconds: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={session}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// `Set-Cookie` that makes a browser forget the session.
pub(super) fn forget() -> String {
    format!("{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}

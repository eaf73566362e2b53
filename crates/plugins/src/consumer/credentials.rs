//! Reading credentials, and taking them out of what the upstream sees.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{COOKIE, HeaderName, HeaderValue};
use http::{HeaderMap, Uri};
use model::{Fault, reference};
use percent_encoding::percent_decode_str;
use plugin_api::{Exchange, var};

/// Clients write padding or leave it out.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// What stands in the last bits is not looked at by nginx: secrets that nobody encoded are stored as base64 there.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT.with_decode_allow_trailing_bits(true));
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Decodes base64; `None` when it is none.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Decodes base64 with the alphabet for URLs; `None` when it is none.
pub(crate) fn base64_url(text: &str) -> Option<Vec<u8>> {
    BASE64_URL.decode(text).ok()
}

/// Whether a password, key or secret proves anything. An empty one does not: a reference may lead to nothing. Nor does a
/// reference that led nowhere: where a secret is kept is no secret.
pub(crate) fn proves(secret: &[u8]) -> bool {
    !secret.is_empty() && !std::str::from_utf8(secret).is_ok_and(reference::is_reference)
}

/// The header that a configuration names, and the one with `-` for its `_`, as which nginx finds it too.
pub(crate) struct Header(Vec<HeaderName>);

impl Header {
    /// # Errors
    /// When the field `header` holds no header's name.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let names: Result<Vec<_>, _> = [text, &text.replace('_', "-")].into_iter().map(HeaderName::try_from).collect();
        let mut names = names.map_err(|_| Fault::new("/header", format!("{text:?} must be a header's name")))?;
        // Most have no `_`, and one look is enough.
        names.dedup();
        Ok(Self(names))
    }

    /// The first value of the first of them that is there.
    pub(crate) fn get<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        self.0.iter().find_map(|name| headers.get(name))
    }

    /// Removes them; whether one was there.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) -> bool {
        self.0.iter().filter(|name| headers.remove(*name).is_some()).count() > 0
    }
}

/// A query argument that is to prove something: empty, which proves nothing, where several have the name, for a node may go by
/// another than we do. Source: `get_uri_args` of APISIX gives a list then, which is nobody's key.
pub(crate) fn query_argument<'e>(exchange: &'e Exchange, name: &str) -> Option<Cow<'e, str>> {
    let mut values = var::arguments(exchange.uri.query()?).filter(|(own, _)| *own == name);
    let (_, value) = values.next()?;
    Some(value.filter(|_| values.next().is_none()).unwrap_or_default())
}

/// Removes a query argument, wherever it stands.
pub(crate) fn hide_query_argument(exchange: &mut Exchange, name: &str) {
    let Some(query) = exchange.uri.query() else { return };
    // Compared decoded, as it was found: `%61pikey` is the key too.
    let is_it = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or_default().replace('+', " ");
        percent_decode_str(&key).decode_utf8_lossy() == name
    };
    let kept: Vec<_> = query.split('&').filter(|pair| !is_it(pair)).collect();
    let question = if kept.is_empty() { "" } else { "?" };
    let target = format!("{}{question}{}", exchange.uri.path(), kept.join("&"));
    if let Ok(uri) = target.parse::<Uri>() {
        exchange.uri = uri;
    }
}

/// Removes a cookie and leaves the others; the header goes with its last cookie.
pub(crate) fn hide_cookie(exchange: &mut Exchange, name: &str) {
    let is_it = |pair: &&str| pair.split('=').next() == Some(name);
    let all = exchange.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let kept: Vec<_> = all.flat_map(|text| text.split(';')).map(str::trim).filter(|pair| !is_it(pair)).collect();
    let kept = HeaderValue::try_from(kept.join("; ")).ok().filter(|value| !value.is_empty());
    match kept {
        Some(kept) => exchange.headers.insert(COOKIE, kept),
        None => exchange.headers.remove(COOKIE),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn base64_is_read_as_nginx_reads_it() {
        for (text, bytes) in [("Zm9v", Some("foo")), ("Zm8=", Some("fo")), ("Zm8", Some("fo")), ("Zm9", Some("fo"))] {
            assert_eq!(base64(text).as_deref(), bytes.map(str::as_bytes), "{text}");
        }
        assert_eq!(
            (base64("Z"), base64("Zm-v"), base64_url("Zm9")),
            (None, None, None),
            "tokens are held to the letter"
        );
    }

    #[test]
    fn an_argument_that_stands_twice_proves_nothing() {
        let cases = [("/a?k=1&b=2", Some("1")), ("/a?k=1&%6b=2", Some("")), ("/a?k", Some("")), ("/a?b=1", None)];
        for (target, found) in cases {
            assert_eq!(query_argument(&testing::exchange(target, &[]), "k").as_deref(), found, "{target}");
        }
    }

    #[test]
    fn only_the_named_argument_goes() {
        let cases = [
            ("/a?b=1&apikey=x&c=2", "/a?b=1&c=2"),
            ("/a?apikey=x", "/a"),
            ("/a?%61pikey=x&b", "/a?b"),
            ("/a?apikeys=x", "/a?apikeys=x"),
            ("/a", "/a"),
        ];
        for (given, left) in cases {
            let mut exchange = testing::exchange(given, &[]);
            hide_query_argument(&mut exchange, "apikey");
            assert_eq!(exchange.uri, left, "{given}");
        }
    }

    #[test]
    fn only_the_named_cookie_goes() {
        let cases = [("a=1; jwt=x;b=2", Some("a=1; b=2")), ("jwt=x", None), ("jwts=x", Some("jwts=x"))];
        for (given, left) in cases {
            let mut exchange = testing::exchange("/", &[("cookie", given)]);
            hide_cookie(&mut exchange, "jwt");
            assert_eq!(exchange.header("cookie"), left, "{given}");
        }
    }
}

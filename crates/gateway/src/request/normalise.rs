//! Host and path in one form; what is ambiguous is refused.

use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use plugin_api::Exchange;

use crate::fault::Fault;

/// Checks the head and fills in `host` and `normalised_path`.
pub(crate) fn check(exchange: &mut Exchange, head_limit: usize) -> Result<(), Fault> {
    // The engine's own limit holds for a head that comes in pieces; one that comes at once may be longer.
    if exchange.outcome.bytes_received > head_limit as u64 {
        return Err(Fault::HeadTooLarge);
    }
    if matches!(exchange.method, Method::CONNECT | Method::TRACE) {
        return Err(Fault::MethodNotAllowed);
    }
    join_cookies(exchange);
    exchange.host.clear();
    if let Some(authority) = authority(&exchange.uri, &exchange.headers, exchange.version)? {
        exchange.host.extend_from_slice(routed_host(host_of(authority)?)?);
    }
    if exchange.version == Version::HTTP_2 {
        refuse_contradiction(&exchange.uri, &exchange.headers)?;
    }
    exchange.host.make_ascii_lowercase();
    adopt_authority(exchange);
    exchange.normalised_path = normalise_path(exchange.uri.path())?;
    Ok(())
}

/// HTTP/2 may part a cookie header into several; HTTP/1.1 knows one only (RFC 9113, section 8.2.3).
fn join_cookies(exchange: &mut Exchange) {
    if exchange.version != Version::HTTP_2 || exchange.headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = exchange.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        exchange.headers.insert(COOKIE, cookie);
    }
}

/// An absolute target overrules the Host header, for routing and for the node alike (RFC 9112, section 3.2.2).
fn adopt_authority(exchange: &mut Exchange) {
    let authority = exchange.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = authority {
        exchange.headers.insert(HOST, host);
    }
}

/// A Host header beside `:authority` must name the same place: who goes by the one must not see another request than who
/// goes by the other (RFC 9113, section 8.3.1). nginx takes no Host header beside it at all, or none that differs.
fn refuse_contradiction(uri: &Uri, headers: &HeaderMap) -> Result<(), Fault> {
    let (Some(authority), Some(host)) = (uri.authority(), headers.get(HOST)) else {
        return Ok(());
    };
    let default = if uri.scheme_str() == Some("https") { &b"443"[..] } else { b"80" };
    match is_same_place(authority.as_str().as_bytes(), host.as_bytes(), default)? {
        true => Ok(()),
        false => Err(Fault::BadRequest("the Host header contradicts :authority")),
    }
}

fn is_same_place(one: &[u8], other: &[u8], default_port: &[u8]) -> Result<bool, Fault> {
    if one == other {
        return Ok(true);
    }
    let port = |authority: &[u8], host: &[u8]| match authority.get(host.len() + 1..) {
        None | Some([]) => default_port.to_vec(),
        Some(port) => port.to_vec(),
    };
    let (one_host, other_host) = (host_of(one)?, host_of(other)?);
    Ok(one_host.eq_ignore_ascii_case(other_host) && port(one, one_host) == port(other, other_host))
}

/// A path as routes match it; `None` when it is refused.
#[cfg(feature = "fuzzing")]
pub(crate) fn normalised(path: &str) -> Option<String> {
    let normalised = normalise_path(path).ok()?;
    Some(normalised.map_or_else(|| path.to_owned(), String::from))
}

/// Whether a path as a client wrote it comes to `matched`.
pub(super) fn means(written: &str, matched: &str) -> bool {
    match normalise_path(written) {
        Ok(None) => written == matched,
        Ok(Some(normalised)) => *normalised == *matched,
        Err(_) => false,
    }
}

/// The authority that the request is for: of an absolute target, else the Host header; `None` where HTTP/1.0 has neither.
fn authority<'e>(uri: &'e Uri, headers: &'e HeaderMap, version: http::Version) -> Result<Option<&'e [u8]>, Fault> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Fault::BadRequest("more than one Host header is given"));
    }
    match (uri.authority(), host) {
        (Some(authority), _) => Ok(Some(authority.as_str().as_bytes())),
        (None, Some(host)) => Ok(Some(host.as_bytes())),
        (None, None) if version == http::Version::HTTP_10 => Ok(None),
        (None, None) => Err(Fault::BadRequest("the Host header is missing")),
    }
}

/// The host without its port.
fn host_of(authority: &[u8]) -> Result<&[u8], Fault> {
    let is_port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    let colon = authority.iter().rposition(|byte| *byte == b':');
    let host = match colon {
        // The last colon of an IPv6 address without port stands before its closing bracket.
        Some(at) if authority.get(at + 1..).is_some_and(is_port) => authority.get(..at).unwrap_or_default(),
        _ => authority,
    };
    let is_bracketed = host.starts_with(b"[") && host.ends_with(b"]");
    let allowed = |byte: &u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' | b'.' | b'-' | b'_' => true,
        b'[' | b']' | b':' => is_bracketed,
        _ => false,
    };
    if host.iter().all(allowed) { Ok(host) } else { Err(Fault::BadRequest("the Host header is not a host name")) }
}

/// The host as routes and certificates name it. `shop.test.` is `shop.test` to any server behind, so that it must not be
/// another host here. Source: nginx, which does so before it sets `$host`.
fn routed_host(host: &[u8]) -> Result<&[u8], Fault> {
    let routed = host.strip_suffix(b".").unwrap_or(host);
    let is_name = !routed.is_empty() && !host.windows(2).any(|pair| pair == b"..");
    if is_name { Ok(routed) } else { Err(Fault::BadRequest("the Host header is not a host name")) }
}

/// The path decoded, with dot segments resolved and slashes merged, as nginx does before it matches;
/// `None` when it is in that form already.
fn normalise_path(path: &str) -> Result<Option<Box<str>>, Fault> {
    if !path.starts_with('/') {
        // `OPTIONS *`, and CONNECT, which has no path.
        return Ok(Some(format!("/{path}").into()));
    }
    let bytes = path.as_bytes();
    if is_plain(bytes) {
        return Ok(None);
    }
    resolve(&decode(bytes)?).map(Some)
}

/// Whether nothing is escaped, and no segment is empty or begins with a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    path.iter().all(|byte| {
        let is_special = *byte == b'%' || (before == b'/' && matches!(byte, b'/' | b'.'));
        before = *byte;
        !is_special
    })
}

/// Decodes `%XX` once. A decoded NUL or a broken escape is refused.
fn decode(path: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        if *byte != b'%' {
            decoded.push(*byte);
            rest = after;
            continue;
        }
        let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (digit(0), digit(1)) {
            (Some(0), Some(0)) => return Err(Fault::BadRequest("the path has a NUL character")),
            (Some(high), Some(low)) => decoded.push((high * 16 + low) as u8),
            _ => return Err(Fault::BadRequest("the path has a broken percent escape")),
        }
        rest = after.get(2..).unwrap_or_default();
    }
    Ok(decoded)
}

fn resolve(path: &[u8]) -> Result<Box<str>, Fault> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut parts = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            b"" | b"." if !is_last => {}
            b"" | b"." => segments.push(b""),
            b".." => {
                segments.pop().ok_or(Fault::BadRequest("the path leads above the root"))?;
                if is_last {
                    segments.push(b"");
                }
            }
            other => segments.push(other),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    // A path need not be UTF-8; what is not cannot match a route's text, but must not match a wrong one either.
    Ok(String::from_utf8_lossy(&out).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String, String> {
        let normalised = normalise_path(text).map_err(|fault| fault.to_string())?;
        Ok(normalised.map_or_else(|| text.to_owned(), String::from))
    }

    #[test]
    fn paths_come_into_one_form() {
        let cases = [
            ("/a/b", "/a/b"),
            ("/", "/"),
            ("/a/", "/a/"),
            ("//a///b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a%2Fb", "/a/b"),
            ("/%61dmin", "/admin"),
            ("/a%2e%2e/b", "/a../b"),
            ("/a/%2e%2e/b", "/b"),
            ("/%252e", "/%2e"),
            ("/caf%C3%A9", "/café"),
            ("/a/.hidden", "/a/.hidden"),
        ];
        for (given, wanted) in cases {
            assert_eq!(path(given).as_deref(), Ok(wanted), "{given}");
        }
        for given in ["/..", "/a/../..", "/%00", "/%4", "/%zz"] {
            assert!(path(given).is_err(), "{given}");
        }
    }

    #[test]
    fn a_place_is_the_same_whatever_its_case_and_with_its_scheme_s_port() {
        let same =
            |one: &str, other: &str, port: &str| is_same_place(one.as_bytes(), other.as_bytes(), port.as_bytes()).ok();
        for (one, other, port, wanted) in [
            ("a.test", "A.Test", "80", Some(true)),
            ("a.test:80", "a.test", "80", Some(true)),
            ("a.test:", "a.test", "80", Some(true)),
            ("a.test:443", "a.test", "443", Some(true)),
            ("[::1]:80", "[::1]", "80", Some(true)),
            ("a.test:443", "a.test", "80", Some(false)),
            ("a.test:81", "a.test:82", "80", Some(false)),
            ("a.test", "b.test", "80", Some(false)),
            ("a.test", "", "80", Some(false)),
            ("a.test", "a.test/b", "80", None),
        ] {
            assert_eq!(same(one, other, port), wanted, "{one} {other} {port}");
        }
    }

    #[test]
    fn a_host_is_routed_without_the_dot_of_the_root() {
        let routed =
            |text: &str| routed_host(text.as_bytes()).map(|host| String::from_utf8_lossy(host).into_owned()).ok();
        for (given, wanted) in [("a.test.", Some("a.test")), ("a.test", Some("a.test")), (".a.test", Some(".a.test"))] {
            assert_eq!(routed(given).as_deref(), wanted, "{given}");
        }
        for given in ["", ".", "..", "a.test..", "a..test"] {
            assert_eq!(routed(given), None, "{given}");
        }
    }

    #[test]
    fn hosts_lose_their_port_and_nothing_else() {
        let host = |text: &str| host_of(text.as_bytes()).map(|host| String::from_utf8_lossy(host).into_owned()).ok();
        assert_eq!(host("example.com:8080").as_deref(), Some("example.com"));
        assert_eq!(host("[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(host("[::1]").as_deref(), Some("[::1]"));
        assert_eq!(host("a/b"), None);
        assert_eq!(host("a:b:80"), None);
        assert_eq!(host("user@host"), None);
    }
}

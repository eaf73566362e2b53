//! The Authorization header of a signed request, and what its signature is over.

use http::header::{AUTHORIZATION, HeaderName};
use plugin_api::Exchange;

/// The name under which the method and target are signed.
const REQUEST_TARGET: &str = "@request-target";

/// `Signature keyId="..",algorithm="..",headers="..",signature=".."`; what a client left out is `None`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Signature<'h> {
    pub(super) key_id: Option<&'h str>,
    pub(super) algorithm: Option<&'h str>,
    pub(super) headers: Option<&'h str>,
    pub(super) signature: Option<&'h str>,
}

impl<'h> Signature<'h> {
    pub(super) fn of(exchange: &'h Exchange) -> Result<Self, &'static str> {
        const MISSING: &str = "client request can't be validated: missing Authorization header";
        const OTHER: &str = "client request can't be validated: Authorization header does not start with 'Signature'";
        let header = exchange.headers.get(AUTHORIZATION).ok_or(MISSING)?;
        let fields = header.to_str().ok().and_then(|text| text.strip_prefix("Signature")).ok_or(OTHER)?;
        Ok(Self::parse(fields))
    }

    fn parse(fields: &'h str) -> Self {
        let mut parsed = Self::default();
        for (key, value) in fields.split(',').filter_map(field) {
            let slot = match key {
                "keyId" => &mut parsed.key_id,
                "algorithm" => &mut parsed.algorithm,
                "headers" => &mut parsed.headers,
                "signature" => &mut parsed.signature,
                _ => continue,
            };
            *slot = Some(value);
        }
        parsed
    }

    /// Whether the client says that it signed this header.
    pub(super) fn covers(&self, header: &str) -> bool {
        self.headers.is_some_and(|headers| headers.split(' ').any(|name| name == header))
    }

    /// The lines that are signed: the key's id, then each named header the request has, in the client's order.
    pub(super) fn signing_string(&self, exchange: &Exchange) -> Vec<u8> {
        let mut lines = Vec::with_capacity(256);
        lines.extend_from_slice(self.key_id.unwrap_or_default().as_bytes());
        lines.push(b'\n');
        for name in self.headers.into_iter().flat_map(|headers| headers.split(' ')) {
            push_line(&mut lines, name, exchange);
        }
        lines
    }
}

fn push_line(lines: &mut Vec<u8>, name: &str, exchange: &Exchange) {
    if name == REQUEST_TARGET {
        let target = exchange.uri.path_and_query().map_or("/", |target| target.as_str());
        lines.extend_from_slice(format!("{} {target}\n", exchange.method).as_bytes());
        return;
    }
    let value = HeaderName::try_from(name).ok().and_then(|name| exchange.headers.get(name));
    let Some(value) = value else { return };
    lines.extend_from_slice(name.as_bytes());
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(value.as_bytes());
    lines.push(b'\n');
}

/// Key and value of ` key="value"`.
fn field(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.split_once("=\"")?;
    let (value, _) = rest.split_once('"')?;
    Some((key.trim(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn fields_in_any_order_with_any_spaces() {
        let expected = Signature {
            key_id: Some("my-key"),
            algorithm: Some("hmac-sha256"),
            headers: Some("@request-target date"),
            signature: Some("a+b/c="),
        };
        let texts = [
            r#" keyId="my-key",algorithm="hmac-sha256",headers="@request-target date",signature="a+b/c=""#,
            r#" signature="a+b/c=" , headers="@request-target date", x="y", keyId="my-key", algorithm="hmac-sha256""#,
        ];
        for text in texts {
            assert_eq!(Signature::parse(text), expected);
        }
        assert_eq!(Signature::parse(r#" keyId=my-key,algorithm="x"#), Signature::default());
        assert!(expected.covers("date") && !expected.covers("dat"));
    }

    #[test]
    fn lines_in_the_clients_order_without_what_is_absent() {
        let exchange = testing::exchange("/a?b=1", &[("date", "today"), ("x-a", "1")]);
        let signature = Signature::parse(r#"keyId="k",headers="X-A @request-target x-none date""#);
        assert_eq!(signature.signing_string(&exchange), b"k\nX-A: 1\nGET /a?b=1\ndate: today\n");
        assert_eq!(Signature::parse(r#"keyId="k""#).signing_string(&exchange), b"k\n");
    }
}

//! Names of attributes: `userName`, `name.givenName`, `urn:...:User:department` (RFC 7644, section 3.10).

use std::fmt;

use crate::error::{Error, ErrorType};

/// Longest path that is read.
const MAX_BYTES: usize = 512;

/// The name of an attribute or of one of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePath {
    /// The schema in front, as it was written.
    pub schema: Option<String>,
    /// The attribute; empty when the path is a schema alone.
    pub attribute: String,
    /// Its part.
    pub sub: Option<String>,
}

impl AttributePath {
    /// Reads a path without a filter.
    ///
    /// # Errors
    /// [`ErrorType::InvalidPath`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| invalid(text))
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (schema, rest) = match text.get(..4) {
            Some(start) if start.eq_ignore_ascii_case("urn:") => split_schema(text)?,
            _ => (None, text),
        };
        if rest.is_empty() && schema.is_some() {
            return Some(Self { schema, attribute: String::new(), sub: None });
        }
        let (attribute, sub) = match rest.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (rest, None),
        };
        let names_are_good = is_name(attribute) && sub.is_none_or(is_name);
        names_are_good.then(|| Self { schema, attribute: attribute.to_owned(), sub: sub.map(str::to_owned) })
    }
}

/// Schemas end in a word after their version (`2.0:User`), what follows the next colon is the attribute.
fn split_schema(text: &str) -> Option<(Option<String>, &str)> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":._-$".contains(&byte)) {
        return None;
    }
    let known = crate::schema::known_urns().into_iter().find(|urn| {
        text.get(..urn.len()).is_some_and(|start| start.eq_ignore_ascii_case(urn))
            && matches!(text.as_bytes().get(urn.len()), None | Some(b':'))
    });
    match known {
        Some(urn) => {
            let (schema, rest) = text.split_at_checked(urn.len())?;
            Some((Some(schema.to_owned()), rest.strip_prefix(':').unwrap_or(rest)))
        }
        None => {
            let (schema, rest) = text.rsplit_once(':').filter(|(_, rest)| !rest.is_empty())?;
            Some((Some(schema.to_owned()), rest))
        }
    }
}

/// RFC 7643, section 2.1, with `$ref`.
pub(crate) fn is_name(text: &str) -> bool {
    let text = text.strip_prefix('$').unwrap_or(text);
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

pub(crate) fn invalid(text: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::of(ErrorType::InvalidPath, format!("{shown:?} is not the path of an attribute"))
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            f.write_str(schema)?;
            if !self.attribute.is_empty() {
                f.write_str(":")?;
            }
        }
        f.write_str(&self.attribute)?;
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let cases = [
            ("userName", None, "userName", None),
            ("name.givenName", None, "name", Some("givenName")),
            ("members.$ref", None, "members", Some("$ref")),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName",
                Some("urn:ietf:params:scim:schemas:core:2.0:User"),
                "name",
                Some("familyName"),
            ),
            (&format!("{enterprise}:manager.value"), Some(enterprise), "manager", Some("value")),
            (enterprise, Some(enterprise), "", None),
            ("urn:other:thing", Some("urn:other"), "thing", None),
        ];
        for (text, schema, attribute, sub) in cases {
            let path = AttributePath::parse(text).unwrap();
            assert_eq!(
                (path.schema.as_deref(), path.attribute.as_str(), path.sub.as_deref()),
                (schema, attribute, sub)
            );
            assert_eq!(path.to_string(), text);
        }
        for wrong in ["", ".", "a.", "a.b.c", "1a", "a b", "a[b]", "é", "urn:", "urn:ü:x", &"a".repeat(600)] {
            assert!(AttributePath::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}

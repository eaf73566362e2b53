//! From a directory's entry to who the user is.

use serde_json::{Map, Value};

use super::message::Entry;
use crate::config::LdapAttributes;
use crate::identity::ExternalIdentity;

/// Attributes that never change with the user's name: OpenLDAP and others (RFC 4530), 389 Directory Server, Novell.
const UNIQUE_IDS: [&str; 3] = ["entryUUID", "nsUniqueId", "GUID"];

/// The one of Active Directory, which is binary.
const OBJECT_GUID: &str = "objectGUID";

/// Who the entry's user is; `typed` is what was typed as name.
pub(super) fn identity(entry: Entry, identifier: &str, typed: &str, names: &LdapAttributes) -> ExternalIdentity {
    let subject = subject(&entry);
    let attributes = readable(&entry);
    let first = |name: &str| find(&attributes, name).and_then(|values| values.first()?.as_str()).map(str::to_owned);
    ExternalIdentity {
        subject,
        // As the directory spells it: matching pays no heed to case, and nobody shall be two users.
        username: first(identifier).unwrap_or_else(|| typed.to_owned()),
        email: first(&names.email),
        display_name: first(&names.display_name),
        attributes,
    }
}

/// The entry's unique id; its name where the directory has none.
fn subject(entry: &Entry) -> String {
    let unique = UNIQUE_IDS.iter().find_map(|name| String::from_utf8(raw(entry, name)?.clone()).ok());
    let unique = unique.or_else(|| raw(entry, OBJECT_GUID).map(hex::encode));
    unique.filter(|id| !id.is_empty()).unwrap_or_else(|| entry.dn.to_lowercase())
}

fn raw<'e>(entry: &'e Entry, name: &str) -> Option<&'e Vec<u8>> {
    entry.attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?.1.first()
}

/// The attributes that are text, each as a list, and the entry's name as `dn`. Hashes of passwords are left out: the
/// account that searches may be allowed to read them, but nobody who looks at an identity.
fn readable(entry: &Entry) -> Map<String, Value> {
    let mut attributes = Map::new();
    attributes.insert("dn".to_owned(), Value::from(vec![entry.dn.clone()]));
    for (name, values) in &entry.attributes {
        let texts: Vec<_> = values.iter().filter_map(|value| std::str::from_utf8(value).ok()).collect();
        if !texts.is_empty() && !is_secret(name) {
            attributes.insert(name.clone(), Value::from(texts));
        }
    }
    attributes
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passwd", "pwd", "krbprincipalkey", "secret"].iter().any(|part| name.contains(part))
}

/// Names of attributes pay no heed to case (RFC 4512, section 2.5).
fn find<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a Vec<Value>> {
    attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?.1.as_array()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(attributes: &[(&str, &[&[u8]])]) -> Entry {
        let attributes = attributes
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| value.to_vec()).collect()));
        Entry { dn: "UID=Alice,dc=example".into(), attributes: attributes.collect() }
    }

    fn identified(attributes: &[(&str, &[&[u8]])]) -> ExternalIdentity {
        identity(entry(attributes), "uid", "ALICE", &LdapAttributes::default())
    }

    #[test]
    fn a_user_is_named_as_the_directory_does() {
        let found = identified(&[
            ("UID", &[b"alice"]),
            ("mail", &[b"alice@example.com", b"al@example.com"]),
            ("cn", &[b"Alice Adams"]),
            ("memberOf", &[b"cn=dev", b"cn=ops"]),
            ("entryUUID", &[b"2f1b"]),
        ]);
        assert_eq!((found.subject.as_str(), found.username.as_str()), ("2f1b", "alice"));
        assert_eq!(found.email.as_deref(), Some("alice@example.com"));
        assert_eq!(found.display_name.as_deref(), Some("Alice Adams"));
        assert_eq!(found.attributes["memberOf"], json!(["cn=dev", "cn=ops"]));
        assert_eq!(found.attributes["dn"], json!(["UID=Alice,dc=example"]));
    }

    #[test]
    fn a_bare_entry_is_enough() {
        let found = identified(&[]);
        assert_eq!((found.subject.as_str(), found.username.as_str()), ("uid=alice,dc=example", "ALICE"));
        assert_eq!((found.email, found.display_name), (None, None));
    }

    #[test]
    fn active_directorys_id_is_binary() {
        let found = identified(&[("objectGUID", &[&[0xff, 0x00, 0x10]])]);
        assert_eq!(found.subject, "ff0010");
        assert!(!found.attributes.contains_key("objectGUID"));
    }

    #[test]
    fn hashes_of_passwords_are_left_out() {
        for name in ["userPassword", "unicodePwd", "sambaNTPassword", "USERPASSWORD;x-a", "krbPrincipalKey"] {
            assert!(!identified(&[(name, &[b"{SSHA}x"])]).attributes.contains_key(name), "{name}");
        }
    }
}

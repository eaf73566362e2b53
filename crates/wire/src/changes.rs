//! Configuration changes between their typed and their encoded form.

use std::sync::Arc;

use bytes::Bytes;
use model::change::Body;
use model::id::IdError;
use model::{Change, Kind, ResourceId, ResourceKey};
use prost::Message;

use crate::v1;

/// Why encoded changes cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangesError {
    /// The bytes are not an encoded `Changes`.
    #[error("changes are unreadable: {0}")]
    Unreadable(#[from] prost::DecodeError),
    /// A change names no resource.
    #[error("a change has no key")]
    NoKey,
    /// The kind is none of those this version knows.
    #[error("resource kind {0} is unknown to this version")]
    UnknownKind(i32),
    /// An id breaks the rules for ids.
    #[error("resource id {id:?}: {source}")]
    BadId {
        /// The id as it came.
        id: String,
        /// The rule it breaks.
        source: IdError,
    },
}

/// Encodes changes in order. Two encodings put behind each other are the encoding of both.
pub fn encode_changes<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Bytes {
    let changes = changes.into_iter().map(change_to_wire).collect();
    v1::Changes { changes }.encode_to_vec().into()
}

/// Encodes one resource as a put, appending to `out`: the unit a snapshot's chunk is made of.
pub fn append_put(key: &ResourceKey, body: &Body, out: &mut Vec<u8>) {
    let changes = vec![put_to_wire(key, body)];
    // Writing to a Vec cannot run out of room, the one way in which encoding fails.
    let _ = v1::Changes { changes }.encode(out);
}

/// Reads changes in order.
///
/// # Errors
/// [`ChangesError`] when the bytes are no `Changes`, or a key is not one this version knows.
pub fn decode_changes(encoded: Bytes) -> Result<Vec<Change>, ChangesError> {
    v1::Changes::decode(encoded)?.changes.into_iter().map(change_from_wire).collect()
}

/// A resource's key as it is sent.
pub fn key_to_wire(key: &ResourceKey) -> v1::Key {
    v1::Key {
        kind: kind_to_wire(key.kind) as i32,
        parent: key.parent.as_ref().map_or_else(String::new, |parent| parent.as_str().to_owned()),
        id: key.id.as_str().to_owned(),
    }
}

/// Reads a resource's key.
///
/// # Errors
/// [`ChangesError`] when the kind is unknown or an id breaks the rules.
pub fn key_from_wire(key: v1::Key) -> Result<ResourceKey, ChangesError> {
    let parent = (!key.parent.is_empty()).then(|| resource_id(key.parent)).transpose()?;
    Ok(ResourceKey { kind: kind_from_wire(key.kind)?, parent, id: resource_id(key.id)? })
}

fn change_to_wire(change: &Change) -> v1::Change {
    match change {
        Change::Put(key, body) => put_to_wire(key, body),
        Change::Delete(key) => v1::Change { key: Some(key_to_wire(key)), put: None },
    }
}

fn put_to_wire(key: &ResourceKey, body: &Body) -> v1::Change {
    v1::Change { key: Some(key_to_wire(key)), put: Some(Bytes::copy_from_slice(body)) }
}

fn change_from_wire(change: v1::Change) -> Result<Change, ChangesError> {
    let key = key_from_wire(change.key.ok_or(ChangesError::NoKey)?)?;
    Ok(match change.put {
        // A copy on purpose: a slice would keep the whole frame's buffer alive for one resource.
        Some(body) => Change::Put(key, Arc::from(body.as_ref())),
        None => Change::Delete(key),
    })
}

fn resource_id(id: String) -> Result<ResourceId, ChangesError> {
    ResourceId::new(id.as_str()).map_err(|source| ChangesError::BadId { id, source })
}

fn kind_to_wire(kind: Kind) -> v1::Kind {
    match kind {
        Kind::Service => v1::Kind::Service,
        Kind::Route => v1::Kind::Route,
        Kind::StreamRoute => v1::Kind::StreamRoute,
        Kind::Upstream => v1::Kind::Upstream,
        Kind::Consumer => v1::Kind::Consumer,
        Kind::Credential => v1::Kind::Credential,
        Kind::Ssl => v1::Kind::Ssl,
        Kind::GlobalRule => v1::Kind::GlobalRule,
        Kind::PluginMetadata => v1::Kind::PluginMetadata,
        Kind::PluginConfig => v1::Kind::PluginConfig,
        Kind::ConsumerGroup => v1::Kind::ConsumerGroup,
        Kind::Proto => v1::Kind::Proto,
        Kind::Secret => v1::Kind::Secret,
    }
}

fn kind_from_wire(number: i32) -> Result<Kind, ChangesError> {
    let known = |kind: &Kind| kind_to_wire(*kind) as i32 == number;
    Kind::ALL.into_iter().find(known).ok_or(ChangesError::UnknownKind(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<Change> {
        let id = |text: &str| ResourceId::new(text).unwrap();
        let mut changes: Vec<_> = Kind::ALL
            .into_iter()
            .map(|kind| Change::Put(ResourceKey::new(kind, id("a")), Arc::from(&b"{}"[..])))
            .collect();
        changes.push(Change::Delete(ResourceKey::below(id("jack"), Kind::Credential, id("c"))));
        changes
    }

    #[test]
    fn changes_read_what_they_write() {
        assert_eq!(decode_changes(encode_changes(&changes())).unwrap(), changes());
    }

    #[test]
    fn encodings_may_be_put_behind_each_other() {
        let (front, back) = (encode_changes(&changes()[..4]), encode_changes(&changes()[4..]));
        let both = [front, back].concat();
        assert_eq!(decode_changes(both.into()).unwrap(), changes());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let key = |kind, id: &str| Some(v1::Key { kind, parent: String::new(), id: id.into() });
        let read =
            |key| decode_changes(v1::Changes { changes: vec![v1::Change { key, put: None }] }.encode_to_vec().into());
        assert_eq!(read(key(99, "a")), Err(ChangesError::UnknownKind(99)));
        assert!(matches!(read(key(1, "a/b")), Err(ChangesError::BadId { .. })));
        assert_eq!(read(None), Err(ChangesError::NoKey));
        assert!(matches!(decode_changes(Bytes::from_static(b"\xff\xff")), Err(ChangesError::Unreadable(_))));
    }
}

//! The table's row: its columns in order, the bytes of it that are hashed, and how it is read.

use aws_lc_rs::digest::{Context, SHA256};
use model::{GroupId, Revision};
use serde_json::Value;

use super::{AuditEntry, AuditRow, Credential, Outcome, RequestContext};
use crate::db::{Arg, Row, is_storable};
use crate::error::StoreError;

/// SHA-256, or 32 zeros before the first row of a chain.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ChainHash(pub [u8; 32]);

impl std::fmt::Display for ChainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

impl From<&ChainHash> for Arg {
    fn from(hash: &ChainHash) -> Self {
        Self::from(hash.0.as_slice())
    }
}

impl ChainHash {
    /// The hash in a column; one of another length is none, and equal to no real one.
    pub(super) fn of(row: &Row, column: &str) -> Result<Option<Self>, StoreError> {
        let bytes: Option<Vec<u8>> = row.get(column)?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(Self))
    }
}

/// A row's place in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The group's id, or empty for what belongs to no group.
    pub scope: String,
    /// From 1, without gaps.
    pub sequence: u64,
    /// Hash of the row before it.
    pub previous: ChainHash,
    /// SHA-256 over `previous` and the row's bytes.
    pub hash: ChainHash,
}

/// What is hashed, in this order. The order and the names are part of `docs/AUDIT.md`: an outsider verifies by them.
pub(super) const HASHED: [(&str, Column); 25] = [
    ("scope", Column::Text),
    ("sequence", Column::Number),
    ("id", Column::Text),
    ("at_ms", Column::Number),
    ("actor", Column::Text),
    ("actor_id", Column::Text),
    ("credential_kind", Column::Text),
    ("credential_id", Column::Text),
    ("credential_name", Column::Text),
    ("address", Column::Text),
    ("request_id", Column::Text),
    ("user_agent", Column::Text),
    ("method", Column::Text),
    ("path", Column::Text),
    ("source", Column::Text),
    ("action", Column::Text),
    ("group_id", Column::Text),
    ("revision", Column::Number),
    ("resource_kind", Column::Text),
    ("resource_id", Column::Text),
    ("resource_name", Column::Text),
    ("outcome", Column::Text),
    ("error", Column::Text),
    ("repeats", Column::Number),
    ("detail", Column::Text),
];

#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    Text,
    Number,
}

/// SHA-256 over the hash before and each value: one byte 0 for NULL, else one byte 1, the length in bytes as 8 bytes
/// big-endian, and the text (UTF-8; numbers in decimal digits).
pub(super) fn hash(previous: &ChainHash, values: &[Arg]) -> ChainHash {
    let mut context = Context::new(&SHA256);
    context.update(&previous.0);
    for value in values {
        match value {
            Arg::Text(Some(text)) => update(&mut context, text.as_bytes()),
            Arg::Int(Some(number)) => update(&mut context, number.to_string().as_bytes()),
            Arg::Bytes(Some(bytes)) => update(&mut context, bytes),
            Arg::Text(None) | Arg::Int(None) | Arg::Bytes(None) => context.update(&[0]),
            // No column holds them.
            Arg::Keys(keys) => keys.iter().for_each(|key| update(&mut context, key.as_bytes())),
        }
    }
    let mut hash = ChainHash::default();
    hash.0.copy_from_slice(context.finish().as_ref());
    hash
}

fn update(context: &mut Context, bytes: &[u8]) {
    context.update(&[1]);
    context.update(&(bytes.len() as u64).to_be_bytes());
    context.update(bytes);
}

/// A row about to be written.
pub(super) struct NewRow<'a> {
    pub(super) scope: &'a str,
    pub(super) sequence: u64,
    pub(super) at_ms: i64,
    pub(super) entry: &'a AuditEntry,
    pub(super) revision: Option<Revision>,
}

impl NewRow<'_> {
    /// The values of [`HASHED`], each as it can be kept: the row must not fail by what a refused attempt sent.
    pub(super) fn values(&self) -> Vec<Arg> {
        let AuditEntry { credential, request, .. } = self.entry;
        let values = vec![
            self.scope.into(),
            self.sequence.into(),
            uuid::Uuid::now_v7().to_string().into(),
            self.at_ms.into(),
            (&self.entry.actor).into(),
            (&self.entry.actor_id).into(),
            (&credential.kind).into(),
            (&credential.id).into(),
            (&credential.name).into(),
            (&request.address).into(),
            (&request.id).into(),
            (&request.user_agent).into(),
            (&request.method).into(),
            (&request.path).into(),
            (&request.source).into(),
            (&self.entry.action).into(),
            self.entry.group.clone().map(String::from).into(),
            self.revision.and_then(|revision| i64::try_from(revision).ok()).into(),
            (&self.entry.resource_kind).into(),
            (&self.entry.resource_id).into(),
            (&self.entry.resource_name).into(),
            self.entry.outcome.name().into(),
            (&self.entry.error).into(),
            self.entry.repeats.into(),
            self.entry.detail.to_string().into(),
        ];
        values.into_iter().map(without_nul).collect()
    }
}

/// NUL stands in no text of the database; U+FFFD says that something stood there.
fn without_nul(value: Arg) -> Arg {
    match value {
        Arg::Text(Some(text)) if !is_storable(&text) => Arg::Text(Some(text.replace('\0', "\u{fffd}"))),
        other => other,
    }
}

/// The values of [`HASHED`] as they stand.
pub(super) fn standing_values(row: &Row) -> Result<Vec<Arg>, StoreError> {
    let value = |(name, column)| {
        Ok(match column {
            Column::Text => Arg::Text(row.get(name)?),
            Column::Number => Arg::Int(row.get(name)?),
        })
    };
    HASHED.into_iter().map(value).collect()
}

/// A row of whatever age. What was tampered with is shown as far as it goes: verification judges, and a list that fails
/// would hide the other rows.
pub(super) fn read(row: &Row) -> Result<AuditRow, StoreError> {
    let group: Option<String> = row.get("group_id")?;
    let revision: Option<i64> = row.get("revision")?;
    let detail: String = row.get("detail")?;
    Ok(AuditRow {
        id: row.get("id")?,
        at_ms: row.get("at_ms")?,
        revision: revision.and_then(|revision| revision.try_into().ok()),
        entry: AuditEntry {
            actor: row.get("actor")?,
            actor_id: row.get("actor_id")?,
            credential: Credential {
                kind: row.get("credential_kind")?,
                id: row.get("credential_id")?,
                name: row.get("credential_name")?,
            },
            request: RequestContext {
                address: row.get("address")?,
                id: row.get("request_id")?,
                user_agent: row.get("user_agent")?,
                method: row.get("method")?,
                path: row.get("path")?,
                source: row.get("source")?,
            },
            action: row.get("action")?,
            group: group.and_then(|group| GroupId::new(group).ok()),
            resource_kind: row.get("resource_kind")?,
            resource_id: row.get("resource_id")?,
            resource_name: row.get("resource_name")?,
            outcome: row.get::<String>("outcome")?.parse().unwrap_or(Outcome::Failed),
            error: row.get("error")?,
            repeats: row.get::<i64>("repeats")?.try_into().unwrap_or_default(),
            detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
        },
        link: link(row)?,
    })
}

fn link(row: &Row) -> Result<Option<Link>, StoreError> {
    let sequence: Option<i64> = row.get("sequence")?;
    let hashes = (ChainHash::of(row, "previous_hash")?, ChainHash::of(row, "hash")?);
    let sequence = sequence.and_then(|sequence| sequence.try_into().ok());
    let (Some(sequence), (Some(previous), Some(hash))) = (sequence, hashes) else { return Ok(None) };
    Ok(Some(Link { scope: row.get("scope")?, sequence, previous, hash }))
}

//! Adding a row to its chain.

use model::Revision;

use super::AuditEntry;
use super::row::{ChainHash, HASHED, NewRow, hash};
use crate::clock::now_ms;
use crate::db::{Query, Tx, args};
use crate::error::StoreError;

/// Records an action in the transaction that does it, as the last thing but the commit: from here on the scope's
/// other writers wait.
pub(crate) async fn record(tx: &mut Tx, entry: &AuditEntry, revision: Option<Revision>) -> Result<(), StoreError> {
    let scope = entry.group.as_ref().map_or("", |group| group.as_str());
    let (sequence, previous) = advance(tx, scope).await?;
    // The time is taken under the lock, so that in a chain it does not run backwards.
    let row = NewRow { scope, sequence, at_ms: now_ms(), entry, revision };
    let mut values = row.values();
    let hash = hash(&previous, &values);
    values.extend(args![&previous, &hash]);
    let columns: Vec<&str> = HASHED.iter().map(|(name, _)| *name).chain(["previous_hash", "hash"]).collect();
    for statement in crate::db::insert("audit_log", &columns, vec![values], "") {
        tx.execute(statement).await?;
    }
    let text = "UPDATE audit_chains SET hash = $2 WHERE scope = $1";
    tx.execute(Query::new(text, args![scope, &hash])).await.map(drop)
}

/// Takes the next sequence, and the hash it follows, under the lock of the chain's head.
async fn advance(tx: &mut Tx, scope: &str) -> Result<(u64, ChainHash), StoreError> {
    let text = "UPDATE audit_chains SET sequence = sequence + 1 WHERE scope = $1 RETURNING sequence, hash";
    if let Some(head) = tx.fetch_optional(Query::new(text, args![scope])).await? {
        return read_head(&head);
    }
    let first = "INSERT INTO audit_chains (scope, sequence, hash, anchor_sequence, anchor_hash) \
         VALUES ($1, 0, $2, 0, $3) ON CONFLICT (scope) DO NOTHING";
    let none = ChainHash::default();
    tx.execute(Query::new(first, args![scope, &none, &none])).await?;
    let head = tx.fetch_optional(Query::new(text, args![scope])).await?;
    read_head(&head.ok_or_else(|| StoreError::corrupt("audit chain", "its head is gone"))?)
}

fn read_head(head: &crate::db::Row) -> Result<(u64, ChainHash), StoreError> {
    let hash = ChainHash::of(head, "hash")?;
    let hash = hash.ok_or_else(|| StoreError::corrupt("head of an audit chain", "a hash has 32 bytes"))?;
    Ok((head.unsigned("sequence")?, hash))
}

//! The oldest rows go; the chain's anchor moves to the last of them, so that what stays can be verified.

use super::AuditLog;
use super::row::ChainHash;
use crate::db::{Query, Tx, args};
use crate::error::StoreError;

/// Rows removed by one transaction, which holds up the scope's writers.
const STEP: i64 = 1000;

/// What retention took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows of chains.
    pub rows: u64,
    /// Rows from before the chains began.
    pub unchained: u64,
}

impl AuditLog<'_> {
    /// Removes what was recorded before a moment, in unix seconds. A row that is older than one before it in its
    /// chain waits for that one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: some may be removed already.
    pub async fn prune(&self, before: i64) -> Result<Pruned, StoreError> {
        let before_ms = before.saturating_mul(1000);
        let scopes = self.store.db().fetch_all(Query::new("SELECT scope FROM audit_chains", Vec::new())).await?;
        let mut pruned = Pruned::default();
        for scope in &scopes {
            let scope: String = scope.get("scope")?;
            loop {
                let step = self.prune_step(&scope, before_ms).await?;
                pruned.rows += step;
                if step < STEP.unsigned_abs() {
                    break;
                }
            }
        }
        pruned.unchained = self.prune_unchained(before_ms).await?;
        Ok(pruned)
    }

    async fn prune_step(&self, scope: &str, before_ms: i64) -> Result<u64, StoreError> {
        let mut tx = self.store.db().write().await?;
        // The empty update locks the head: the chain must not grow or shrink beneath us.
        let text = "UPDATE audit_chains SET sequence = sequence WHERE scope = $1 RETURNING anchor_sequence";
        let Some(head) = tx.fetch_optional(Query::new(text, args![scope])).await? else { return Ok(0) };
        let anchor = head.unsigned("anchor_sequence")?;
        let Some((last, hash)) = last_to_go(&mut tx, scope, anchor, before_ms).await? else { return Ok(0) };
        let text = "DELETE FROM audit_log WHERE scope = $1 AND sequence <= $2";
        let removed = tx.execute(Query::new(text, args![scope, last])).await?;
        let text = "UPDATE audit_chains SET anchor_sequence = $2, anchor_hash = $3 WHERE scope = $1";
        tx.execute(Query::new(text, args![scope, last, &hash])).await?;
        tx.commit().await?;
        Ok(removed)
    }

    async fn prune_unchained(&self, before_ms: i64) -> Result<u64, StoreError> {
        let text = "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log \
             WHERE sequence IS NULL AND at_ms < $1 LIMIT $2)";
        let counted = "UPDATE audit_before_chains SET removed = removed + $1";
        let mut removed = 0;
        loop {
            let mut tx = self.store.db().write().await?;
            let step = tx.execute(Query::new(text, args![before_ms, STEP])).await?;
            if step == 0 {
                return Ok(removed);
            }
            tx.execute(Query::new(counted, args![step])).await?;
            tx.commit().await?;
            removed += step;
        }
    }
}

/// The last row of the chain's old beginning, at most [`STEP`] rows of it. A gap ends it: retention must not make a
/// broken chain look whole.
async fn last_to_go(
    tx: &mut Tx,
    scope: &str,
    anchor: u64,
    before_ms: i64,
) -> Result<Option<(u64, ChainHash)>, StoreError> {
    let text =
        "SELECT sequence, at_ms, hash FROM audit_log WHERE scope = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
    let mut last = None;
    for (row, expected) in tx.fetch_all(Query::new(text, args![scope, anchor, STEP])).await?.iter().zip(anchor + 1..) {
        let (sequence, at_ms): (u64, i64) = (row.unsigned("sequence")?, row.get("at_ms")?);
        let Some(hash) = ChainHash::of(row, "hash")?.filter(|_| sequence == expected && at_ms < before_ms) else {
            break;
        };
        last = Some((sequence, hash));
    }
    Ok(last)
}

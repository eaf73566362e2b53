//! The stream's cursor: which rows were not sent elsewhere yet, and which replica sends them.
//!
//! A chain's rows become visible in the order of their sequence (the head's lock is held until the commit), so a
//! sequence for each scope is a cursor that misses nothing. Between scopes there is no order but time.

use super::row::read;
use super::{AuditLog, AuditRow};
use crate::clock::now_ms;
use crate::db::{Query, Tx, args};
use crate::error::StoreError;

const STREAM: &str = "audit";

/// Rows of one chain to be sent, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The chain's scope.
    pub scope: String,
    /// The rows.
    pub rows: Vec<AuditRow>,
    /// Rows before or among these that are gone unsent: retention removed them.
    pub lost: u64,
    /// Where the cursor stands once these are sent.
    pub until: u64,
}

/// How the stream fares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamState {
    /// Rows that arrived.
    pub delivered: u64,
    /// Rows that retention removed before they were sent.
    pub lost: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Why the last one did; empty once one succeeds.
    pub last_error: String,
    /// When rows arrived last, in unix seconds; 0 for never.
    pub delivered_at: i64,
    /// Rows that wait to be sent.
    pub waiting: u64,
}

impl AuditLog<'_> {
    /// Makes the stream begin with what is recorded from now on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin_stream(&self) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        clear(&mut tx).await?;
        let stream = "INSERT INTO audit_stream (name, holder, held_until_ms, delivered, lost, failures, last_error, \
             delivered_ms) VALUES ($1, '', 0, 0, 0, 0, '', 0)";
        tx.execute(Query::new(stream, args![STREAM])).await?;
        let cursors = "INSERT INTO audit_cursors (scope, sequence) SELECT scope, sequence FROM audit_chains";
        tx.execute(Query::new(cursors, Vec::new())).await?;
        tx.commit().await
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_stream(&self) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        clear(&mut tx).await?;
        tx.commit().await
    }

    /// Takes or prolongs the right to send for so many milliseconds; whether it is `holder`'s now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn hold_stream(&self, holder: &str, milliseconds: i64) -> Result<bool, StoreError> {
        let now = now_ms();
        let text = "UPDATE audit_stream SET holder = $2, held_until_ms = $3 WHERE name = $1 \
             AND (holder = $2 OR held_until_ms < $4)";
        let until = now.saturating_add(milliseconds);
        Ok(self.store.db().execute(Query::new(text, args![STREAM, holder, until, now])).await? > 0)
    }

    /// Gives the right to send back, so that another replica need not wait for its end.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn release_stream(&self, holder: &str) -> Result<(), StoreError> {
        let text = "UPDATE audit_stream SET held_until_ms = 0 WHERE name = $1 AND holder = $2";
        self.store.db().execute(Query::new(text, args![STREAM, holder])).await.map(drop)
    }

    /// What is to be sent next, at most `limit` rows of one chain; chains take turns by who waits longest.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn next_batch(&self, limit: u32) -> Result<Option<Batch>, StoreError> {
        // Few scopes have something new; the oldest of their next rows decides.
        let text = "SELECT c.scope, c.sequence AS head, COALESCE(k.sequence, 0) AS sent FROM audit_chains AS c \
             LEFT JOIN audit_cursors AS k ON k.scope = c.scope \
             LEFT JOIN audit_log AS t ON t.scope = c.scope AND t.sequence = \
               CASE WHEN COALESCE(k.sequence, 0) > c.anchor_sequence THEN k.sequence ELSE c.anchor_sequence END + 1 \
             WHERE c.sequence > COALESCE(k.sequence, 0) ORDER BY COALESCE(t.at_ms, 0), c.scope LIMIT 1";
        let Some(next) = self.store.db().fetch_optional(Query::new(text, Vec::new())).await? else { return Ok(None) };
        let (scope, sent): (String, u64) = (next.get("scope")?, next.unsigned("sent")?);
        let head = next.unsigned("head")?;
        let text = "SELECT * FROM audit_log WHERE scope = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
        let rows = self.store.db().fetch_all(Query::new(text, args![&scope, sent, i64::from(limit)])).await?;
        let rows: Vec<AuditRow> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let until = rows.last().and_then(|row| row.link.as_ref()).map_or(head, |link| link.sequence);
        let lost = until.saturating_sub(sent).saturating_sub(rows.len() as u64);
        Ok(Some(Batch { scope, rows, lost, until }))
    }

    /// Writes down that a batch arrived; whether `holder` still had the right to send.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the batch will be sent once more.
    pub async fn batch_arrived(&self, holder: &str, batch: &Batch) -> Result<bool, StoreError> {
        let mut tx = self.store.db().write().await?;
        let text = "UPDATE audit_stream SET delivered = delivered + $3, lost = lost + $4, last_error = '', \
             delivered_ms = $5 WHERE name = $1 AND holder = $2";
        let arrived = batch.rows.len() as u64;
        let held = tx.execute(Query::new(text, args![STREAM, holder, arrived, batch.lost, now_ms()])).await?;
        if held == 0 {
            return Ok(false);
        }
        let text = "INSERT INTO audit_cursors (scope, sequence) VALUES ($1, $2) \
             ON CONFLICT (scope) DO UPDATE SET sequence = excluded.sequence";
        tx.execute(Query::new(text, args![&batch.scope, batch.until])).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Writes down that a batch did not arrive.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn batch_failed(&self, holder: &str, error: &str) -> Result<(), StoreError> {
        let text = "UPDATE audit_stream SET failures = failures + 1, last_error = $3 WHERE name = $1 AND holder = $2";
        self.store.db().execute(Query::new(text, args![STREAM, holder, error])).await.map(drop)
    }

    /// How the stream fares; nothing when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn stream_state(&self) -> Result<Option<StreamState>, StoreError> {
        let query = Query::new("SELECT * FROM audit_stream WHERE name = $1", args![STREAM]);
        let Some(row) = self.store.db().fetch_optional(query).await? else { return Ok(None) };
        // CAST: PostgreSQL sums BIGINT to NUMERIC.
        let text = "SELECT CAST(COALESCE(SUM(c.sequence - COALESCE(k.sequence, 0)), 0) AS BIGINT) AS waiting \
             FROM audit_chains AS c LEFT JOIN audit_cursors AS k ON k.scope = c.scope";
        let waiting = self.store.db().fetch_optional(Query::new(text, Vec::new())).await?;
        Ok(Some(StreamState {
            delivered: row.unsigned("delivered")?,
            lost: row.unsigned("lost")?,
            failures: row.unsigned("failures")?,
            last_error: row.get("last_error")?,
            delivered_at: row.seconds("delivered_ms")?,
            waiting: waiting.map_or(Ok(0), |row| row.unsigned("waiting"))?,
        }))
    }
}

async fn clear(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute(Query::new("DELETE FROM audit_stream WHERE name = $1", args![STREAM])).await?;
    tx.execute(Query::new("DELETE FROM audit_cursors", Vec::new())).await.map(drop)
}

//! Walking the chains: is every row what was written, and is every row that was written there?

use std::cmp::Ordering;
use std::fmt;

use super::AuditLog;
use super::row::{ChainHash, hash, standing_values};
use crate::db::{Arg, Query, Row, args};
use crate::error::StoreError;

/// Rows read at a time.
const STEP: i64 = 500;
/// Retention may take rows away beneath a walk; then it begins anew from where the chain begins now.
const ATTEMPTS: usize = 5;

/// What a walk over all chains found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Chain by chain.
    pub chains: Vec<ChainReport>,
    /// Rows from before the chains began; nothing vouches for what they say.
    pub unchained: u64,
    /// A row without a chain that was not there when the chains began, or the want of one that was.
    pub stray: Option<BrokenRow>,
}

impl Verification {
    /// The first broken row.
    pub fn broken(&self) -> Option<&BrokenRow> {
        self.chains.iter().find_map(|chain| chain.broken.as_ref()).or(self.stray.as_ref())
    }
}

/// What a walk over one chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The group's id, or empty for what belongs to no group.
    pub scope: String,
    /// The chain begins after this sequence; retention took what was before.
    pub anchor: u64,
    /// Its last sequence.
    pub head: u64,
    /// Hash of its last row: noted elsewhere, it proves that nothing before it was changed since.
    pub head_hash: ChainHash,
    /// Rows that are as they were written.
    pub intact: u64,
    /// The first row that is not.
    pub broken: Option<BrokenRow>,
}

/// A row that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRow {
    /// The chain's scope.
    pub scope: String,
    /// The row's place in it.
    pub sequence: u64,
    /// The row's id; empty when it is missing.
    pub id: String,
    /// What is wrong with it.
    pub fault: ChainFault,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainFault {
    /// Its content or its hash was changed.
    Content,
    /// It is not there.
    Missing,
    /// It does not follow the row before it.
    Link,
    /// The chain's head names another last row, or the row stands outside of what head and anchor say.
    Head,
    /// It has no place in a chain, but is none of those from before.
    Unchained,
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChainFault::Content => "changed content",
            ChainFault::Missing => "missing row",
            ChainFault::Link => "wrong link",
            ChainFault::Head => "head differs",
            ChainFault::Unchained => "row without a chain",
        })
    }
}

/// The head's row of a chain.
struct Head {
    sequence: u64,
    hash: Option<ChainHash>,
    anchor: u64,
    anchor_hash: Option<ChainHash>,
}

impl AuditLog<'_> {
    /// Walks every chain, page by page, beside those who write.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn verify(&self) -> Result<Verification, StoreError> {
        let mut chains = Vec::new();
        for scope in self.scopes().await? {
            chains.push(self.verify_chain(&scope).await?);
        }
        let (unchained, stray) = self.before_chains().await?;
        Ok(Verification { chains, unchained, stray })
    }

    /// How many rows have no chain, and which should not be there. Counted in one statement, for retention may be at work.
    async fn before_chains(&self) -> Result<(u64, Option<BrokenRow>), StoreError> {
        // CAST: PostgreSQL sums BIGINT to NUMERIC.
        let text = "SELECT CAST(COALESCE(SUM(b.total - b.removed), 0) AS BIGINT) AS known, \
             (SELECT COUNT(*) FROM audit_log WHERE sequence IS NULL) AS standing, \
             (SELECT MAX(id) FROM audit_log WHERE sequence IS NULL) AS newest FROM audit_before_chains AS b";
        let Some(row) = self.store.db().fetch_optional(Query::new(text, Vec::new())).await? else {
            return Ok((0, None));
        };
        let (known, standing): (i64, i64) = (row.get("known")?, row.get("standing")?);
        let newest: Option<String> = row.get("newest")?;
        let stray = |(id, fault)| BrokenRow { scope: String::new(), sequence: 0, id, fault };
        let stray = match standing.cmp(&known) {
            Ordering::Equal => None,
            Ordering::Greater => Some(stray((newest.unwrap_or_default(), ChainFault::Unchained))),
            Ordering::Less => Some(stray((String::new(), ChainFault::Missing))),
        };
        Ok((standing.unsigned_abs(), stray))
    }

    /// Those with a head and those with rows: who removes a head does not hide its rows.
    async fn scopes(&self) -> Result<Vec<String>, StoreError> {
        let text = "SELECT scope FROM audit_chains UNION \
             SELECT scope FROM audit_log WHERE sequence IS NOT NULL ORDER BY scope";
        let rows = self.store.db().fetch_all(Query::new(text, Vec::new())).await?;
        rows.iter().map(|row| row.get("scope")).collect()
    }

    async fn verify_chain(&self, scope: &str) -> Result<ChainReport, StoreError> {
        let mut report = self.walk(scope).await?;
        for _ in 1..ATTEMPTS {
            let moved = self.head(scope).await?.is_some_and(|head| head.anchor > report.anchor);
            if report.broken.is_none() || !moved {
                break;
            }
            report = self.walk(scope).await?;
        }
        Ok(report)
    }

    async fn walk(&self, scope: &str) -> Result<ChainReport, StoreError> {
        let Some(head) = self.head(scope).await? else { return self.headless(scope).await };
        let mut walk = Walk::new(scope, &head);
        while walk.report.broken.is_none() && walk.at < head.sequence {
            let rows = self.rows_after(scope, walk.at).await?;
            for row in &rows {
                if walk.report.broken.is_none() && walk.at < head.sequence {
                    walk.step(row)?;
                }
            }
            if rows.is_empty() {
                walk.breaks(walk.at + 1, String::new(), ChainFault::Missing);
            }
        }
        if walk.report.broken.is_none() && Some(walk.hash) != head.hash {
            let id = self.id_of(scope, head.sequence).await?;
            walk.breaks(head.sequence, id, ChainFault::Head);
        }
        if walk.report.broken.is_none() {
            walk.report.broken = self.outside(scope).await?;
        }
        Ok(walk.report)
    }

    async fn head(&self, scope: &str) -> Result<Option<Head>, StoreError> {
        let query = Query::new("SELECT * FROM audit_chains WHERE scope = $1", args![scope]);
        let Some(row) = self.store.db().fetch_optional(query).await? else { return Ok(None) };
        Ok(Some(Head {
            sequence: number(&row, "sequence")?,
            hash: ChainHash::of(&row, "hash")?,
            anchor: number(&row, "anchor_sequence")?,
            anchor_hash: ChainHash::of(&row, "anchor_hash")?,
        }))
    }

    async fn rows_after(&self, scope: &str, sequence: u64) -> Result<Vec<Row>, StoreError> {
        let text = "SELECT * FROM audit_log WHERE scope = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
        self.store.db().fetch_all(Query::new(text, args![scope, sequence, STEP])).await
    }

    async fn id_of(&self, scope: &str, sequence: u64) -> Result<String, StoreError> {
        let text = "SELECT id FROM audit_log WHERE scope = $1 AND sequence = $2";
        let row = self.store.db().fetch_optional(Query::new(text, args![scope, sequence])).await?;
        row.map_or(Ok(String::new()), |row| row.get("id"))
    }

    /// A row after the last one, or one that retention should have taken. Head and rows are read in one statement, so a
    /// write meanwhile is no fault.
    async fn outside(&self, scope: &str) -> Result<Option<BrokenRow>, StoreError> {
        let text = "SELECT t.id, t.sequence FROM audit_log AS t JOIN audit_chains AS c ON c.scope = t.scope \
             WHERE t.scope = $1 AND (t.sequence > c.sequence OR t.sequence <= c.anchor_sequence) \
             ORDER BY t.sequence LIMIT 1";
        self.broken_by(scope, text).await
    }

    /// Without a head nothing may stand.
    async fn headless(&self, scope: &str) -> Result<ChainReport, StoreError> {
        let text =
            "SELECT id, sequence FROM audit_log WHERE scope = $1 AND sequence IS NOT NULL ORDER BY sequence LIMIT 1";
        Ok(ChainReport {
            scope: scope.to_owned(),
            anchor: 0,
            head: 0,
            head_hash: ChainHash::default(),
            intact: 0,
            broken: self.broken_by(scope, text).await?,
        })
    }

    async fn broken_by(&self, scope: &str, text: &'static str) -> Result<Option<BrokenRow>, StoreError> {
        let Some(row) = self.store.db().fetch_optional(Query::new(text, args![scope])).await? else { return Ok(None) };
        let (scope, sequence, id) = (scope.to_owned(), number(&row, "sequence")?, row.get("id")?);
        Ok(Some(BrokenRow { scope, sequence, id, fault: ChainFault::Head }))
    }
}

/// What was tampered with may be negative; that is for the walk to name and no reason to break off.
fn number(row: &Row, column: &str) -> Result<u64, StoreError> {
    let value: i64 = row.get(column)?;
    Ok(value.try_into().unwrap_or_default())
}

/// A walk along one chain.
struct Walk {
    report: ChainReport,
    at: u64,
    hash: ChainHash,
}

impl Walk {
    fn new(scope: &str, head: &Head) -> Self {
        let mut walk = Self {
            report: ChainReport {
                scope: scope.to_owned(),
                anchor: head.anchor,
                head: head.sequence,
                head_hash: head.hash.unwrap_or_default(),
                intact: 0,
                broken: None,
            },
            at: head.anchor,
            hash: head.anchor_hash.unwrap_or_default(),
        };
        if head.anchor > head.sequence || head.anchor_hash.is_none() {
            walk.breaks(head.sequence, String::new(), ChainFault::Head);
        }
        walk
    }

    fn step(&mut self, row: &Row) -> Result<(), StoreError> {
        let (sequence, id) = (row.unsigned("sequence")?, row.get("id")?);
        if sequence != self.at + 1 {
            self.breaks(self.at + 1, String::new(), ChainFault::Missing);
            return Ok(());
        }
        let (previous, stands) = (ChainHash::of(row, "previous_hash")?, ChainHash::of(row, "hash")?);
        let values: Vec<Arg> = standing_values(row)?;
        let computed = hash(&self.hash, &values);
        if Some(computed) == stands && previous == Some(self.hash) {
            self.report.intact += 1;
            (self.at, self.hash) = (sequence, computed);
            return Ok(());
        }
        // True to itself but after another row: moved here, or its neighbour was rewritten.
        let own = previous.map(|previous| hash(&previous, &values));
        let fault = if own.is_some() && own == stands { ChainFault::Link } else { ChainFault::Content };
        self.breaks(sequence, id, fault);
        Ok(())
    }

    fn breaks(&mut self, sequence: u64, id: String, fault: ChainFault) {
        let scope = self.report.scope.clone();
        self.report.broken = Some(BrokenRow { scope, sequence, id, fault });
    }
}

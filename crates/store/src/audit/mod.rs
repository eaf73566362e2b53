//! Who did what to what. Entries of writes are made inside the writing transaction, so that no write
//! goes without one, and each is chained to the one before by its hash.
//!
//! `row` is the table's row, `chain` adds one, `verify` walks the chains, `retention` takes the oldest rows away,
//! `follow` is the cursor of the stream to elsewhere. Lock order: a transaction touches `audit_chains` last of all
//! tables and, when it records in several scopes, in ascending order of scope; so whoever waits for a chain's head
//! waits for one that needs nothing more, and no circle can arise.

mod chain;
mod follow;
mod retention;
mod row;
mod verify;

use model::{GroupId, Revision};
use serde_json::Value;

use crate::db::{Arg, Select, args, contains};
use crate::error::StoreError;
use crate::page::{Direction, Listed, Page};
use crate::store::Store;

pub(crate) use chain::record;
pub use follow::{Batch, StreamState};
pub use retention::Pruned;
pub use row::{ChainHash, Link};
pub use verify::{BrokenRow, ChainFault, ChainReport, Verification};

/// Stands where a secret was.
pub const MASK: &str = "***";

/// What an audited action was. Secrets in `detail` are masked by the caller.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditEntry {
    /// Who: `user:admin`, `admin-key:<group>`, `system`; `anonymous` when nobody was recognised.
    pub actor: String,
    /// The id of a user; empty for others.
    pub actor_id: String,
    /// By what it came.
    pub credential: Credential,
    /// The request it was done in.
    pub request: RequestContext,
    /// What: the action's name as in permission policies (`CreateGatewayGroup`).
    pub action: String,
    /// The group it was done in.
    pub group: Option<GroupId>,
    /// The kind of what it was done to: `route`, `gateway_group`.
    pub resource_kind: String,
    /// Its id.
    pub resource_id: String,
    /// Its name.
    pub resource_name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not end well.
    pub error: String,
    /// How many more of the same this entry stands for.
    pub repeats: u64,
    /// What was before and after, as far as it may be kept.
    pub detail: Value,
}

impl AuditEntry {
    /// The same with what stood before and what stands after, which only the writing transaction knows.
    pub(crate) fn between(&self, before: Value, after: Value) -> Self {
        let mut detail = match &self.detail {
            Value::Object(told) => told.clone(),
            _ => serde_json::Map::new(),
        };
        detail.insert("before".to_owned(), before);
        detail.insert("after".to_owned(), after);
        Self { detail: Value::Object(detail), ..self.clone() }
    }
}

/// By what an actor came. Never the secret itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credential {
    /// `session`, `password`, `sign_on`, `token`, `admin_key`, `join_token`, `certificate`; empty for the system.
    pub kind: String,
    /// Its id, where it has one.
    pub id: String,
    /// Its name; for a refused login the name that was tried.
    pub name: String,
}

/// The request in which something was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The client's address.
    pub address: String,
    /// The request's id, as answered in `X-Request-Id`.
    pub id: String,
    /// What the client says it is.
    pub user_agent: String,
    /// HTTP method.
    pub method: String,
    /// Path without the query, which may hold a key.
    pub path: String,
    /// `dashboard`, `api`, `apisix-admin`, `cli` or `system`.
    pub source: String,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    #[default]
    Ok,
    /// The actor was not recognised, or may not do it.
    Refused,
    /// The actor may do it, but it was not done.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 3] = [Outcome::Ok, Outcome::Refused, Outcome::Failed];

    /// `ok`, `refused`, `failed`.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.name() == text);
        found.ok_or_else(|| format!("{text:?} is not one of ok, refused, failed"))
    }
}

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Unique.
    pub id: String,
    /// When, in unix milliseconds.
    pub at_ms: i64,
    /// The revision that the action made, if it was a commit.
    pub revision: Option<Revision>,
    /// What was done.
    pub entry: AuditEntry,
    /// Its place in the chain; none for rows from before the chain began.
    pub link: Option<Link>,
}

impl AuditRow {
    /// When, in unix seconds.
    pub fn at(&self) -> i64 {
        self.at_ms.div_euclid(1000)
    }
}

/// Which entries are wanted; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Done in this group.
    pub group: Option<GroupId>,
    /// Done by this actor: `user:admin`, or a user's name alone.
    pub actor: Option<String>,
    /// This action.
    pub action: Option<String>,
    /// Done to this kind.
    pub resource_kind: Option<String>,
    /// Done to this one.
    pub resource_id: Option<String>,
    /// Ended so.
    pub outcome: Option<Outcome>,
    /// Actor, resource, address, credential, request id, path or error contain this, in any case.
    pub search: Option<String>,
    /// At or after, in unix seconds.
    pub since: Option<i64>,
    /// Before, in unix seconds.
    pub until: Option<i64>,
}

/// A place in the log, after which an export goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    at_ms: i64,
    id: String,
}

impl From<&AuditRow> for Position {
    fn from(row: &AuditRow) -> Self {
        Self { at_ms: row.at_ms, id: row.id.clone() }
    }
}

/// The audit log.
pub struct AuditLog<'a> {
    pub(crate) store: &'a Store,
}

impl AuditLog<'_> {
    /// Records what touched no other table: a login, a refusal.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn record(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// Entries by time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(
        &self,
        filter: &AuditFilter,
        direction: Direction,
        page: Option<Page>,
    ) -> Result<Listed<AuditRow>, StoreError> {
        let (rows, total) = select(filter, direction).run(self.store.db(), page).await?;
        Ok(Listed { list: rows.iter().map(row::read).collect::<Result<_, _>>()?, total })
    }

    /// At most `limit` entries by time that come after a position; for walks over a log that grows meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn after(
        &self,
        filter: &AuditFilter,
        direction: Direction,
        position: Option<&Position>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut select = select(filter, direction);
        if let Some(position) = position {
            let beyond = match direction {
                Direction::Ascending => ">",
                Direction::Descending => "<",
            };
            let condition = format!("t.at_ms {beyond} ? OR (t.at_ms = ? AND t.id {beyond} ?)");
            select.and(&condition, args![position.at_ms, position.at_ms, &position.id]);
        }
        select.first(self.store.db(), limit).await?.iter().map(row::read).collect()
    }

    /// The actions that occur, by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn actions(&self, group: Option<&GroupId>) -> Result<Vec<String>, StoreError> {
        let mut select = Select::new("DISTINCT t.action", "audit_log AS t", Vec::new());
        select.and_if("t.group_id = ?", group).order_by("t.action");
        let (rows, _) = select.run(self.store.db(), None).await?;
        rows.iter().map(|row| row.get("action")).collect()
    }
}

const SEARCHED: [&str; 11] = [
    "actor",
    "action",
    "resource_kind",
    "resource_id",
    "resource_name",
    "address",
    "credential_name",
    "request_id",
    "path",
    "error",
    "user_agent",
];

fn select(filter: &AuditFilter, direction: Direction) -> Select {
    let mut select = Select::new("t.*", "audit_log AS t", Vec::new());
    if let Some(actor) = &filter.actor {
        select.and("t.actor = ? OR t.actor = ?", args![actor, format!("user:{actor}")]);
    }
    if let Some(pattern) = filter.search.as_deref().map(contains) {
        let conditions = SEARCHED.map(|column| format!(r"LOWER(t.{column}) LIKE LOWER(?) ESCAPE '\'"));
        select.and(&conditions.join(" OR "), SEARCHED.map(|_| Arg::from(&pattern)).into());
    }
    let (way, milliseconds) = (direction.sql(), |at: i64| at.saturating_mul(1000));
    select
        .and_if("t.group_id = ?", filter.group.as_ref())
        .and_if("t.action = ?", filter.action.as_ref())
        .and_if("t.resource_kind = ?", filter.resource_kind.as_ref())
        .and_if("t.resource_id = ?", filter.resource_id.as_ref())
        .and_if("t.outcome = ?", filter.outcome.map(Outcome::name))
        .and_if("t.at_ms >= ?", filter.since.map(milliseconds))
        .and_if("t.at_ms < ?", filter.until.map(milliseconds))
        .order_by(format!("t.at_ms {way}, t.id {way}"));
    select
}

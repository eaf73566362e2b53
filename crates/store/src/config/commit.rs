//! The commit: one transaction that holds the resources, the change rows, the group's next revision and
//! the audit row, or nothing.

use std::collections::BTreeMap;

use model::change::{Body, Change};
use model::{GroupId, ResourceKey, Revision};

use super::rows::{Columns, key_parts, open_resource, path, read_key};
use super::{Commit, Config, LoggedChange};
use crate::audit;
use crate::clock::now_ms;
use crate::db::{Arg, Query, Tx, args, insert};
use crate::error::StoreError;
use crate::heads::Head;
use crate::seal::{Place, Sealer};

/// How many resources one statement reads or deletes (see `db::insert` for why not more).
const KEYS_PER_STATEMENT: usize = 300;

impl Config<'_> {
    /// Makes the changes the group's next revision and tells all replicas.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the head is no longer `parent`: nothing was written.
    /// [`StoreError::NotFound`] when there is no such group. [`StoreError::Unavailable`]: read the head
    /// before trying again, for the answer may have been lost after the commit.
    pub async fn commit(&self, commit: Commit) -> Result<Revision, StoreError> {
        let head = Head { group: GroupId::clone(&commit.group), revision: commit.parent.saturating_add(1) };
        let mut tx = self.store.db().write().await?;
        // First of all: it locks the group's row, so commits to one group stand in line from here on.
        let wrapped = advance_head(&mut tx, &commit, head.revision).await?;
        let sealer = self.store.master().data_key(commit.group.as_str(), &wrapped)?;
        let mut step = Step { tx: &mut tx, sealer, group: &commit.group, revision: head.revision, now: now_ms() };
        step.write(&commit).await?;
        audit::record(&mut tx, &commit.audit, Some(head.revision)).await?;
        tx.notify(head.payload()).await?;
        tx.commit().await?;
        let revision = head.revision;
        self.store.heads().announce(head);
        Ok(revision)
    }
}

/// Moves the head if it is still the parent; returns the group's wrapped data key.
async fn advance_head(tx: &mut Tx, commit: &Commit, next: Revision) -> Result<Vec<u8>, StoreError> {
    let moved = tx.fetch_optional(Query::new(
        "UPDATE gateway_groups SET revision = $3, digest = $4, signature = $5 WHERE id = $1 AND revision = $2 \
         RETURNING data_key",
        args![&commit.group, commit.parent, next, &commit.digest, commit.signature.as_slice()],
    ));
    if let Some(row) = moved.await? {
        return row.get("data_key");
    }
    let head = Query::new("SELECT revision FROM gateway_groups WHERE id = $1", args![&commit.group]);
    match tx.fetch_optional(head).await? {
        Some(row) => {
            Err(StoreError::Conflict { group: GroupId::clone(&commit.group), head: row.unsigned("revision")? })
        }
        None => Err(StoreError::not_found("gateway group", &commit.group)),
    }
}

/// One revision being written.
struct Step<'a> {
    tx: &'a mut Tx,
    sealer: Sealer,
    group: &'a GroupId,
    revision: Revision,
    now: i64,
}

/// What becomes of each touched resource: its last body, or none.
type Outcome<'c> = BTreeMap<&'c ResourceKey, Option<&'c Body>>;

impl Step<'_> {
    async fn write(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let outcome: Outcome<'_> = commit.changes.iter().map(|change| (change.key(), body_of(change))).collect();
        let keys: Vec<&ResourceKey> = outcome.keys().copied().collect();
        let logged = log_of(&commit.changes, self.bodies_before(&keys).await?);
        self.insert_revision(commit).await?;
        self.insert_changes(&logged).await?;
        let gone: Vec<&ResourceKey> = outcome.iter().filter(|(_, body)| body.is_none()).map(|(key, _)| *key).collect();
        self.delete_from("resource_labels", &keys).await?;
        self.delete_from("resources", &gone).await?;
        self.put_resources(&outcome).await
    }

    async fn bodies_before(&mut self, keys: &[&ResourceKey]) -> Result<BTreeMap<ResourceKey, Body>, StoreError> {
        let mut bodies = BTreeMap::new();
        for keys in keys.chunks(KEYS_PER_STATEMENT) {
            let query = self.about("SELECT kind, parent, id, body FROM resources", keys);
            for row in self.tx.fetch_all(query).await? {
                let key = read_key(&row)?;
                let body = open_resource(&row, self.group, &key, &self.sealer)?;
                bodies.insert(key, body);
            }
        }
        Ok(bodies)
    }

    async fn insert_revision(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO revisions (group_id, revision, digest, signature, author, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            args![self.group, self.revision, &commit.digest, commit.signature.as_slice(), &commit.author, self.now],
        );
        self.tx.execute(query).await.map(drop)
    }

    async fn insert_changes(&mut self, logged: &[LoggedChange]) -> Result<(), StoreError> {
        let rows: Result<Vec<_>, _> =
            logged.iter().zip(0..).map(|(change, position)| self.change_row(position, change)).collect();
        let columns = ["group_id", "revision", "position", "kind", "parent", "id", "before_body", "after_body"];
        self.execute_all(insert("changes", &columns, rows?, "")).await
    }

    fn change_row(&self, position: u64, logged: &LoggedChange) -> Result<Vec<Arg>, StoreError> {
        let key = key_parts(logged.change.key());
        let seal = |side, body: Option<&Body>| {
            let place = Place::change(side, self.group.as_str(), self.revision, position, key);
            body.map(|body| self.sealer.seal(&place, body)).transpose()
        };
        let before = seal("before", logged.before.as_ref())?;
        let after = seal("after", body_of(&logged.change))?;
        Ok(args![self.group, self.revision, position, key[0], key[1], key[2], before, after])
    }

    /// Creates or replaces; a replaced resource keeps the time of its creation.
    async fn put_resources(&mut self, outcome: &Outcome<'_>) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        let mut labels = Vec::new();
        for (key, body) in outcome.iter().filter_map(|(key, body)| body.map(|body| (*key, body))) {
            let columns = Columns::of(key, body)?;
            rows.push(self.resource_row(key, body, &columns)?);
            labels.extend(self.label_rows(key, &columns));
        }
        self.execute_all(insert("resources", &RESOURCE_COLUMNS, rows, ON_REPLACE)).await?;
        let columns = ["group_id", "path", "label", "value"];
        self.execute_all(insert("resource_labels", &columns, labels, "")).await
    }

    fn resource_row(&self, key: &ResourceKey, body: &Body, columns: &Columns) -> Result<Vec<Arg>, StoreError> {
        let parts = key_parts(key);
        let labels = serde_json::to_string(columns.labels.as_ref().unwrap_or(&BTreeMap::new()));
        Ok(args![
            self.group,
            path(key),
            parts[0],
            parts[1],
            parts[2],
            columns.display_name(),
            columns.service_id.clone(),
            labels.map_err(|error| StoreError::corrupt(format!("labels of {key}"), error))?,
            self.sealer.seal(&Place::resource(self.group.as_str(), parts), body)?,
            self.revision,
            self.revision,
            self.now,
            self.now,
        ])
    }

    fn label_rows(&self, key: &ResourceKey, columns: &Columns) -> Vec<Vec<Arg>> {
        let labels = columns.labels.iter().flatten();
        labels.map(|(label, value)| args![self.group, path(key), label, value]).collect()
    }

    async fn delete_from(&mut self, table: &'static str, keys: &[&ResourceKey]) -> Result<(), StoreError> {
        for keys in keys.chunks(KEYS_PER_STATEMENT) {
            let query = self.about(&format!("DELETE FROM {table}"), keys);
            self.tx.execute(query).await?;
        }
        Ok(())
    }

    /// `verb` on the rows of these resources.
    fn about(&self, verb: &str, keys: &[&ResourceKey]) -> Query {
        let placeholders: Vec<String> = (0..keys.len()).map(|n| format!("${}", n + 2)).collect();
        let mut args = args![self.group];
        args.extend(keys.iter().map(|key| Arg::from(path(key))));
        Query::new(format!("{verb} WHERE group_id = $1 AND path IN ({})", placeholders.join(", ")), args)
    }

    async fn execute_all(&mut self, statements: Vec<Query>) -> Result<(), StoreError> {
        for statement in statements {
            self.tx.execute(statement).await?;
        }
        Ok(())
    }
}

const RESOURCE_COLUMNS: [&str; 13] = [
    "group_id",
    "path",
    "kind",
    "parent",
    "id",
    "name",
    "service_id",
    "labels",
    "body",
    "revision",
    "created_revision",
    "created_at_ms",
    "updated_at_ms",
];

const ON_REPLACE: &str = " ON CONFLICT (group_id, path) DO UPDATE SET name = excluded.name, \
     service_id = excluded.service_id, labels = excluded.labels, body = excluded.body, \
     revision = excluded.revision, updated_at_ms = excluded.updated_at_ms";

fn body_of(change: &Change) -> Option<&Body> {
    match change {
        Change::Put(_, body) => Some(body),
        Change::Delete(_) => None,
    }
}

/// The changes with what stood before each: a batch may touch one resource more than once.
fn log_of(changes: &[Change], mut bodies: BTreeMap<ResourceKey, Body>) -> Vec<LoggedChange> {
    let logged = changes.iter().map(|change| {
        let before = match change {
            Change::Put(key, body) => bodies.insert(key.clone(), body.clone()),
            Change::Delete(key) => bodies.remove(key),
        };
        LoggedChange { change: change.clone(), before }
    });
    logged.collect()
}

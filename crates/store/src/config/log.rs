//! The change log, read back.

use std::collections::BTreeMap;

use model::change::{Body, Change};
use model::{GroupId, ResourceKey, Revision};

use super::rows::{key_parts, read_key};
use super::{Config, LoggedChange, RevisionRow};
use crate::access::GroupAccess;
use crate::db::{Query, Row, args};
use crate::error::StoreError;
use crate::seal::{Place, Sealer};

impl Config<'_> {
    /// Up to `limit` revisions that follow `after`, oldest first, each with its changes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group, [`StoreError::Corrupt`],
    /// [`StoreError::Unavailable`].
    pub async fn revisions_after(
        &self,
        group: &GroupAccess,
        after: Revision,
        limit: u32,
    ) -> Result<Vec<RevisionRow>, StoreError> {
        let last = after.saturating_add(limit.into());
        let mut tx = self.store.db().read().await?;
        // LEFT JOIN: one row tells "nothing new" from "no such group" and carries the key.
        let revisions = tx.fetch_all(Query::new(
            "SELECT g.data_key, r.revision, r.digest, r.signature, r.author, r.created_at_ms \
             FROM gateway_groups AS g LEFT JOIN revisions AS r \
             ON r.group_id = g.id AND r.revision > $2 AND r.revision <= $3 WHERE g.id = $1 ORDER BY r.revision",
            args![group, after, last],
        ));
        let revisions = revisions.await?;
        let first = revisions.first().ok_or_else(|| StoreError::not_found("gateway group", group))?;
        if first.get::<Option<i64>>("revision")?.is_none() {
            return Ok(Vec::new());
        }
        let sealer = self.sealer(group, first)?;
        let changes = tx.fetch_all(Query::new(
            "SELECT * FROM changes WHERE group_id = $1 AND revision > $2 AND revision <= $3 \
             ORDER BY revision, position",
            args![group, after, last],
        ));
        let mut changes = by_revision(&changes.await?, group, &sealer)?;
        revisions.iter().map(|row| read_revision(row, &mut changes)).collect()
    }
}

fn by_revision(
    rows: &[Row],
    group: &GroupId,
    sealer: &Sealer,
) -> Result<BTreeMap<Revision, Vec<LoggedChange>>, StoreError> {
    let mut changes: BTreeMap<Revision, Vec<LoggedChange>> = BTreeMap::new();
    for row in rows {
        let change = read_change(row, group, sealer)?;
        changes.entry(row.unsigned("revision")?).or_default().push(change);
    }
    Ok(changes)
}

fn read_revision(row: &Row, changes: &mut BTreeMap<Revision, Vec<LoggedChange>>) -> Result<RevisionRow, StoreError> {
    let revision = row.unsigned("revision")?;
    Ok(RevisionRow {
        revision,
        digest: row.digest("digest")?,
        signature: row.get("signature")?,
        author: row.get("author")?,
        created_at: row.seconds("created_at_ms")?,
        changes: changes.remove(&revision).unwrap_or_default(),
    })
}

fn read_change(row: &Row, group: &GroupId, sealer: &Sealer) -> Result<LoggedChange, StoreError> {
    let key = read_key(row)?;
    let before = open(row, Side::Before, group, &key, sealer)?;
    let change = match open(row, Side::After, group, &key, sealer)? {
        Some(body) => Change::Put(key, body),
        None => Change::Delete(key),
    };
    Ok(LoggedChange { change, before })
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

fn open(
    row: &Row,
    side: Side,
    group: &GroupId,
    key: &ResourceKey,
    sealer: &Sealer,
) -> Result<Option<Body>, StoreError> {
    let (name, column) = match side {
        Side::Before => ("before", "before_body"),
        Side::After => ("after", "after_body"),
    };
    let Some(sealed) = row.get::<Option<Vec<u8>>>(column)? else { return Ok(None) };
    let (revision, position) = (row.unsigned("revision")?, row.unsigned("position")?);
    let place = Place::change(name, group.as_str(), revision, position, key_parts(key));
    let plain = sealer.open(&place, &sealed).map(|plain| Some(Body::from(plain)));
    let what = || format!("change {position} of revision {revision} of gateway group {group}");
    plain.map_err(|error| StoreError::corrupt(what(), error))
}

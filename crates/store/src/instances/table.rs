//! The table of instances: joining, heartbeats, lists.

use std::collections::BTreeMap;

use model::policy::Scope;
use model::{Digest, GroupId, InstanceId};

use super::{
    Gone, Heartbeat, Instance, InstanceFilter, InstanceOrder, InstanceStatus, Instances, Joining, Liveness, nodes,
};
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Arg, Query, Row, Select, Tx, args, contains};
use crate::error::StoreError;
use crate::page::Listed;
use crate::visible;

const WHAT: &str = "gateway instance";

impl Instances<'_> {
    /// Enters an instance that joined, or renews what is known of one that did before.
    ///
    /// # Errors
    /// [`StoreError::Revoked`]; [`StoreError::Duplicate`] of `id` when another group has it;
    /// [`StoreError::NotFound`] when there is no such group; [`StoreError::Unavailable`].
    pub async fn join(&self, joining: &Joining, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        if tx.execute(upsert(joining)).await? == 0 {
            return Err(why_not_joined(&mut tx, joining).await?);
        }
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// Takes up what instances said of themselves, in one transaction; returns those that are unknown in
    /// their group or revoked and must not stay connected.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn heartbeat(&self, heartbeats: &[Heartbeat]) -> Result<Vec<InstanceId>, StoreError> {
        let mut in_order: Vec<&Heartbeat> = heartbeats.iter().collect();
        // All replicas lock rows in the same order, so that none waits for another in a circle.
        in_order.sort_by(|a, b| a.id.cmp(&b.id));
        let mut tx = self.store.db().write().await?;
        let mut refused = Vec::new();
        for heartbeat in in_order {
            if tx.execute(update(heartbeat)?).await? == 0 {
                refused.push(heartbeat.id.clone());
            } else if let Some(told) = &heartbeat.nodes {
                nodes::replace(&mut tx, &heartbeat.id, told, heartbeat.at).await?;
            }
        }
        tx.commit().await?;
        Ok(refused)
    }

    /// One instance.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn get(&self, id: &InstanceId, liveness: Liveness) -> Result<Instance, StoreError> {
        let mut select = select("t.*", "", liveness);
        select.and("t.id = ?", args![id]);
        let (rows, _) = select.run(self.store.db(), None).await?;
        read(rows.first().ok_or_else(|| StoreError::not_found(WHAT, id))?)
    }

    /// The instances that meet the filter, as far as their groups are in the scope.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(
        &self,
        filter: &InstanceFilter,
        scope: &Scope,
        liveness: Liveness,
    ) -> Result<Listed<Instance>, StoreError> {
        let column = match filter.order_by {
            InstanceOrder::CreatedAt => "created_at_ms",
            InstanceOrder::LastHeartbeat => "last_heartbeat",
        };
        let mut select = select("t.*", "", liveness);
        if let Some(text) = filter.search.as_deref().map(contains) {
            let condition = r"LOWER(t.hostname) LIKE LOWER(?) ESCAPE '\' OR LOWER(t.id) LIKE LOWER(?) ESCAPE '\' OR t.address LIKE ? ESCAPE '\'";
            select.and(condition, args![&text, &text, &text]);
        }
        select
            .and_if("t.group_id = ?", filter.group.as_ref())
            .and_if("t.status = ?", filter.status.map(InstanceStatus::name))
            .and_visible(&visible::OF_GROUPS, scope)
            .order_by(format!("t.{column} {}, t.id", filter.direction.sql()));
        let (rows, total) = select.run(self.store.db(), filter.page).await?;
        Ok(Listed { list: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }

    /// How many instances are in each state, of one group or of all in the scope; every state is named.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn count_by_status(
        &self,
        group: Option<&GroupId>,
        scope: &Scope,
        liveness: Liveness,
    ) -> Result<BTreeMap<InstanceStatus, u64>, StoreError> {
        let mut counts: BTreeMap<_, _> = InstanceStatus::ALL.into_iter().map(|status| (status, 0)).collect();
        let mut select = select("t.status, COUNT(*) AS total", "", liveness);
        select.and_if("t.group_id = ?", group).and_visible(&visible::OF_GROUPS, scope).group_by("t.status");
        for row in select.run(self.store.db(), None).await?.0 {
            counts.insert(row.parse("status")?, row.unsigned("total")?);
        }
        Ok(counts)
    }

    /// How many instances each group in the scope has; groups without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn count_by_group(&self, scope: &Scope) -> Result<BTreeMap<GroupId, u64>, StoreError> {
        let mut select = Select::new("t.group_id, COUNT(*) AS total", "instances AS t", Vec::new());
        select.and_visible(&visible::OF_GROUPS, scope).group_by("t.group_id");
        let (rows, _) = select.run(self.store.db(), None).await?;
        rows.iter().map(|row| Ok((row.parse("group_id")?, row.unsigned("total")?))).collect()
    }

    /// Shuts an instance out from `now` on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn revoke(&self, id: &InstanceId, now: i64, entry: &AuditEntry) -> Result<(), StoreError> {
        let text = "UPDATE instances SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1";
        self.change_one(id, Query::new(text, args![id, now]), entry).await
    }

    /// Whether an instance may talk to us: it is known in this group and not revoked.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn is_admitted(&self, id: &InstanceId, group: &GroupId) -> Result<bool, StoreError> {
        let text = "SELECT id FROM instances WHERE id = $1 AND group_id = $2 AND revoked_at IS NULL";
        Ok(self.store.db().fetch_optional(Query::new(text, args![id, group])).await?.is_some())
    }

    /// Removes an instance from the list.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn delete(&self, id: &InstanceId, entry: &AuditEntry) -> Result<(), StoreError> {
        self.change_one(id, Query::new("DELETE FROM instances WHERE id = $1", args![id]), entry).await
    }

    /// Removes the instances not heard of since `before` (unix seconds) whose certificate has ended too: a
    /// revoked one stays as long as its certificate could still open the door.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_silent_since(
        &self,
        before: i64,
        now: i64,
        entry: impl Fn(&Gone) -> AuditEntry,
    ) -> Result<Vec<InstanceId>, StoreError> {
        let mut tx = self.store.db().write().await?;
        let text = "DELETE FROM instances WHERE last_heartbeat < $1 AND certificate_expires_at < $2 \
             RETURNING id, group_id, hostname";
        let rows = tx.fetch_all(Query::new(text, args![before, now])).await?;
        let mut gone: Vec<Gone> = rows.iter().map(read_gone).collect::<Result<_, _>>()?;
        // By group: the audit log's lock order.
        gone.sort_by(|a, b| a.group.cmp(&b.group));
        for instance in &gone {
            audit::record(&mut tx, &entry(instance), None).await?;
        }
        tx.commit().await?;
        Ok(gone.into_iter().map(|instance| instance.id).collect())
    }

    async fn change_one(&self, id: &InstanceId, query: Query, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        if tx.execute(query).await? == 0 {
            return Err(StoreError::not_found(WHAT, id));
        }
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }
}

fn read_gone(row: &Row) -> Result<Gone, StoreError> {
    Ok(Gone { id: row.parse("id")?, group: row.parse("group_id")?, hostname: row.get("hostname")? })
}

/// A row of another group, or a revoked one, is left as it is.
fn upsert(joining: &Joining) -> Query {
    Query::new(
        "INSERT INTO instances (id, group_id, hostname, version, address, certificate_expires_at, counters, \
         last_heartbeat, created_at_ms) SELECT $1, id, $3, $4, $5, $6, 'null', $7, $8 FROM gateway_groups \
         WHERE id = $2 ON CONFLICT (id) DO UPDATE SET hostname = excluded.hostname, version = excluded.version, \
         address = excluded.address, certificate_expires_at = excluded.certificate_expires_at, \
         last_heartbeat = excluded.last_heartbeat \
         WHERE instances.group_id = excluded.group_id AND instances.revoked_at IS NULL",
        args![
            &joining.id,
            &joining.group,
            &joining.hostname,
            &joining.version,
            &joining.address,
            joining.certificate_expires_at,
            joining.at,
            now_ms(),
        ],
    )
}

async fn why_not_joined(tx: &mut Tx, joining: &Joining) -> Result<StoreError, StoreError> {
    let query = Query::new("SELECT group_id, revoked_at FROM instances WHERE id = $1", args![&joining.id]);
    let Some(row) = tx.fetch_optional(query).await? else {
        return Ok(StoreError::not_found("gateway group", &joining.group));
    };
    if row.get::<String>("group_id")? != joining.group.as_str() {
        return Ok(StoreError::Duplicate { what: WHAT, field: "id" });
    }
    Ok(StoreError::Revoked(joining.id.clone()))
}

fn update(heartbeat: &Heartbeat) -> Result<Query, StoreError> {
    let nack = heartbeat.nack.as_ref().map(serde_json::to_string).transpose();
    let applied = heartbeat.applied.as_ref();
    Ok(Query::new(
        "UPDATE instances SET last_heartbeat = $3, applied_revision = $4, applied_digest = $5, nack = $6, \
         counters = $7, hostname = $8, version = $9 WHERE id = $1 AND group_id = $2 AND revoked_at IS NULL",
        args![
            &heartbeat.id,
            &heartbeat.group,
            heartbeat.at,
            applied.and_then(|(revision, _)| i64::try_from(*revision).ok()),
            applied.map(|(_, digest)| digest.0.to_vec()),
            nack.map_err(|error| StoreError::corrupt("refusal", error))?,
            heartbeat.counters.to_string(),
            heartbeat.hostname.as_str(),
            heartbeat.version.as_str(),
        ],
    ))
}

/// Instances `t` with their status, which depends on the time and on the head of the group, and what is joined to them.
pub(super) fn select(columns: &'static str, joined: &str, liveness: Liveness) -> Select {
    let lost = Arg::from(liveness.now.saturating_sub(liveness.lost_after));
    let offline = Arg::from(liveness.now.saturating_sub(liveness.offline_after));
    let source = "(SELECT i.*, g.revision AS head_revision, CASE WHEN i.last_heartbeat <= ? THEN 'offline' \
         WHEN i.last_heartbeat <= ? THEN 'lost_connection' \
         WHEN i.nack IS NOT NULL OR COALESCE(i.applied_revision, -1) <> g.revision \
         OR COALESCE(i.applied_digest, g.digest) <> g.digest THEN 'out_of_sync' ELSE 'healthy' END AS status \
         FROM instances AS i JOIN gateway_groups AS g ON g.id = i.group_id) AS t";
    let mut select = Select::new(columns, &format!("{source}{joined}"), vec![offline, lost]);
    select.order_by("t.id");
    select
}

fn read(row: &Row) -> Result<Instance, StoreError> {
    let applied_revision: Option<i64> = row.get("applied_revision")?;
    let applied_digest: Option<Vec<u8>> = row.get("applied_digest")?;
    let nack: Option<String> = row.get("nack")?;
    let nack = nack.as_deref().map(serde_json::from_str).transpose();
    Ok(Instance {
        id: row.parse("id")?,
        group: row.parse("group_id")?,
        hostname: row.get("hostname")?,
        version: row.get("version")?,
        address: row.get("address")?,
        status: row.parse("status")?,
        certificate_expires_at: row.get("certificate_expires_at")?,
        applied_revision: applied_revision.and_then(|revision| revision.try_into().ok()),
        applied_digest: applied_digest.as_deref().and_then(Digest::from_slice),
        head_revision: row.unsigned("head_revision")?,
        nack: nack.map_err(|error| StoreError::corrupt("column nack", error))?,
        counters: row.json("counters")?,
        last_heartbeat: row.get("last_heartbeat")?,
        revoked_at: row.get("revoked_at")?,
        created_at: row.seconds("created_at_ms")?,
    })
}

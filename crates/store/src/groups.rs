//! Gateway groups.

use std::collections::BTreeMap;

use model::group::{GatewayGroup, GroupType};
use model::policy::Scope;
use model::{Digest, GroupId, LabelSelector, Labels};

use crate::access::GroupAccess;
use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Arg, Query, Row, Select, Tx, args, contains, insert, label_table};
use crate::error::StoreError;
use crate::page::{Listed, Order, Page};
use crate::store::Store;
use crate::visible;

const WHAT: &str = "gateway group";

/// A group to be made.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// `default`, or a UUID.
    pub id: GroupId,
    /// Unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Labels to select by.
    pub labels: Labels,
    /// Where its configuration comes from.
    pub group_type: GroupType,
    /// Home region of its instances.
    pub region: Option<String>,
    /// Values for `$group://NAME`.
    pub variables: BTreeMap<String, String>,
    /// Services enter by publishing only.
    pub enforce_service_publishing: bool,
    /// Signature over revision 0, the empty configuration.
    pub signature: Vec<u8>,
}

/// What to change in a group; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct GroupPatch {
    /// See [`NewGroup::name`].
    pub name: Option<String>,
    /// See [`NewGroup::description`].
    pub description: Option<String>,
    /// See [`NewGroup::labels`].
    pub labels: Option<Labels>,
    /// See [`NewGroup::region`]; `Some(None)` removes it.
    pub region: Option<Option<String>>,
    /// See [`NewGroup::variables`].
    pub variables: Option<BTreeMap<String, String>>,
    /// See [`NewGroup::enforce_service_publishing`].
    pub enforce_service_publishing: Option<bool>,
}

/// Which groups are wanted.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    /// The name contains this, in any case.
    pub search: Option<String>,
    /// The name is exactly this.
    pub name: Option<String>,
    /// The labels meet this.
    pub labels: LabelSelector,
    /// `None`: all of them.
    pub page: Option<Page>,
    /// In which order.
    pub order: Order,
}

/// The gateway groups.
pub struct Groups<'a> {
    pub(crate) store: &'a Store,
}

impl Groups<'_> {
    /// Makes a group with an empty configuration and a data key of its own.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] of `id` or `name`, [`StoreError::Unavailable`].
    pub async fn create(&self, new: &NewGroup, entry: &AuditEntry) -> Result<GatewayGroup, StoreError> {
        let now = now_ms();
        let group = from_new(new, now);
        let data_key = self.store.master().new_data_key(group.id.as_str())?;
        let mut tx = self.store.db().write().await?;
        let inserted = tx.execute(insert_group(&group, data_key, &new.signature, now)?).await;
        inserted.map_err(|error| error.or_duplicate(WHAT, &["short_id", "name"]))?;
        write_labels(&mut tx, &group).await?;
        audit::record(&mut tx, &detailed(entry, None, Some(&group)), None).await?;
        tx.commit().await?;
        Ok(group)
    }

    /// One group.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn get(&self, id: &GroupAccess) -> Result<GatewayGroup, StoreError> {
        let row = self.store.db().fetch_optional(select_one(id)).await?;
        read(&row.ok_or_else(|| StoreError::not_found(WHAT, id))?)
    }

    /// The labels of a group; none when there is no such group.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn labels(&self, id: &GroupId) -> Result<Labels, StoreError> {
        let query = Query::new("SELECT label, value FROM group_labels WHERE group_id = $1", args![id]);
        let rows = self.store.db().fetch_all(query).await?;
        rows.iter().map(|row| Ok((row.get("label")?, row.get("value")?))).collect()
    }

    /// The groups that meet the filter, as far as they may be seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, filter: &GroupFilter, scope: &Scope) -> Result<Listed<GatewayGroup>, StoreError> {
        let (rows, total) = select(filter, scope).run(self.store.db(), filter.page).await?;
        Ok(Listed { list: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Duplicate`] of `name`, [`StoreError::Unavailable`].
    pub async fn update(
        &self,
        id: &GroupAccess,
        patch: &GroupPatch,
        entry: &AuditEntry,
    ) -> Result<GatewayGroup, StoreError> {
        let mut tx = self.store.db().write().await?;
        // The empty update locks the row, so that two patches of one group do not undo each other.
        tx.execute(Query::new("UPDATE gateway_groups SET id = id WHERE id = $1", args![id])).await?;
        let row = tx.fetch_optional(select_one(id)).await?;
        let mut group = read(&row.ok_or_else(|| StoreError::not_found(WHAT, id))?)?;
        let before = group.clone();
        apply(&mut group, patch);
        let now = now_ms();
        group.updated_at = now.div_euclid(1000);
        let updated = tx.execute(update_group(&group, now)?).await;
        updated.map_err(|error| error.or_duplicate(WHAT, &["name"]))?;
        write_labels(&mut tx, &group).await?;
        audit::record(&mut tx, &detailed(entry, Some(&before), Some(&group)), None).await?;
        tx.commit().await?;
        Ok(group)
    }

    /// Removes a group with its configuration, history, instances, join tokens and admin key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn delete(&self, id: &GroupAccess, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        let deleted = tx.fetch_optional(Query::new("DELETE FROM gateway_groups WHERE id = $1 RETURNING *", args![id]));
        let before = read(&deleted.await?.ok_or_else(|| StoreError::not_found(WHAT, id))?)?;
        audit::record(&mut tx, &detailed(entry, Some(&before), None), None).await?;
        tx.commit().await?;
        self.store.heads().forget(id);
        Ok(())
    }
}

/// The entry with what stood before and what stands after; only the transaction knows both.
fn detailed(entry: &AuditEntry, before: Option<&GatewayGroup>, after: Option<&GatewayGroup>) -> AuditEntry {
    AuditEntry { detail: serde_json::json!({ "before": before, "after": after }), ..entry.clone() }
}

fn from_new(new: &NewGroup, now: i64) -> GatewayGroup {
    let now = now.div_euclid(1000);
    GatewayGroup {
        id: new.id.clone(),
        short_id: uuid::Uuid::new_v4().simple().to_string().chars().take(12).collect(),
        name: new.name.clone(),
        description: new.description.clone(),
        labels: new.labels.clone(),
        group_type: new.group_type,
        region: new.region.clone(),
        variables: new.variables.clone(),
        enforce_service_publishing: new.enforce_service_publishing,
        revision: 0,
        created_at: now,
        updated_at: now,
    }
}

fn apply(group: &mut GatewayGroup, patch: &GroupPatch) {
    let patch = patch.clone();
    group.name = patch.name.unwrap_or_else(|| group.name.clone());
    group.description = patch.description.unwrap_or_else(|| group.description.clone());
    group.labels = patch.labels.unwrap_or_else(|| group.labels.clone());
    group.region = patch.region.unwrap_or_else(|| group.region.clone());
    group.variables = patch.variables.unwrap_or_else(|| group.variables.clone());
    group.enforce_service_publishing = patch.enforce_service_publishing.unwrap_or(group.enforce_service_publishing);
}

fn select(filter: &GroupFilter, scope: &Scope) -> Select {
    let mut select = Select::new("*", "gateway_groups AS t", Vec::new());
    select
        .and_if("t.name = ?", filter.name.as_ref())
        .and_if(r"LOWER(t.name) LIKE LOWER(?) ESCAPE '\'", filter.search.as_deref().map(contains))
        .and_labels(&label_table::OF_GROUPS, &filter.labels)
        .and_visible(&visible::GROUPS, scope)
        .order_by(filter.order.sql("t.id"));
    select
}

fn select_one(id: &GroupId) -> Query {
    Query::new("SELECT * FROM gateway_groups WHERE id = $1", args![id])
}

fn insert_group(group: &GatewayGroup, data_key: Vec<u8>, signature: &[u8], now: i64) -> Result<Query, StoreError> {
    Ok(Query::new(
        "INSERT INTO gateway_groups (id, short_id, name, description, group_type, region, labels, variables, \
         enforce_service_publishing, data_key, revision, digest, signature, created_at_ms, updated_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $13, $14)",
        args![
            &group.id,
            &group.short_id,
            &group.name,
            &group.description,
            type_name(group.group_type),
            group.region.clone(),
            json(&group.labels)?,
            json(&group.variables)?,
            group.enforce_service_publishing,
            data_key,
            &Digest::default(),
            signature,
            now,
            now,
        ],
    ))
}

fn update_group(group: &GatewayGroup, now: i64) -> Result<Query, StoreError> {
    Ok(Query::new(
        "UPDATE gateway_groups SET name = $2, description = $3, region = $4, labels = $5, variables = $6, \
         enforce_service_publishing = $7, updated_at_ms = $8 WHERE id = $1",
        args![
            &group.id,
            &group.name,
            &group.description,
            group.region.clone(),
            json(&group.labels)?,
            json(&group.variables)?,
            group.enforce_service_publishing,
            now,
        ],
    ))
}

async fn write_labels(tx: &mut Tx, group: &GatewayGroup) -> Result<(), StoreError> {
    tx.execute(Query::new("DELETE FROM group_labels WHERE group_id = $1", args![&group.id])).await?;
    let rows: Vec<Vec<Arg>> = group.labels.iter().map(|(label, value)| args![&group.id, label, value]).collect();
    for statement in insert("group_labels", &["group_id", "label", "value"], rows, "") {
        tx.execute(statement).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<GatewayGroup, StoreError> {
    let group_type: String = row.get("group_type")?;
    let enforce_service_publishing: i64 = row.get("enforce_service_publishing")?;
    Ok(GatewayGroup {
        id: row.parse("id")?,
        short_id: row.get("short_id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        labels: row.json("labels")?,
        group_type: type_of(&group_type)?,
        region: row.get("region")?,
        variables: row.json("variables")?,
        enforce_service_publishing: enforce_service_publishing != 0,
        revision: row.unsigned("revision")?,
        created_at: row.seconds("created_at_ms")?,
        updated_at: row.seconds("updated_at_ms")?,
    })
}

fn type_name(group_type: GroupType) -> &'static str {
    match group_type {
        GroupType::Api7Gateway => "api7_gateway",
        GroupType::Api7IngressController => "api7_ingress_controller",
    }
}

fn type_of(name: &str) -> Result<GroupType, StoreError> {
    let known = [GroupType::Api7Gateway, GroupType::Api7IngressController];
    let found = known.into_iter().find(|known| type_name(*known) == name);
    found.ok_or_else(|| StoreError::corrupt("column group_type", name))
}

fn json(map: &BTreeMap<String, String>) -> Result<String, StoreError> {
    serde_json::to_string(map).map_err(|error| StoreError::corrupt("labels or variables", error))
}

#[cfg(test)]
mod tests;

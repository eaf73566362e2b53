//! Resources as they stand.

use std::collections::BTreeMap;

use model::policy::Scope;
use model::{GroupId, Kind, Labels, ResourceKey};

use super::rows::{path, read_head, read_resource};
use super::{Config, HeadRow, ParentFilter, ResourceFilter, StoredResource};
use crate::access::GroupAccess;
use crate::db::label_table::LabelTable;
use crate::db::{Query, Row, Select, args, contains};
use crate::error::StoreError;
use crate::page::Listed;
use crate::seal::Sealer;
use crate::visible;

impl Config<'_> {
    /// The head of a group.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub async fn head(&self, group: &GroupAccess) -> Result<HeadRow, StoreError> {
        let row = self.store.db().fetch_optional(head_query(group)).await?;
        read_head(&row.ok_or_else(|| StoreError::not_found("gateway group", group))?)
    }

    /// A group's whole configuration with the head it belongs to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn load(&self, group: &GroupAccess) -> Result<(HeadRow, Vec<StoredResource>), StoreError> {
        let mut tx = self.store.db().read().await?;
        let row = tx.fetch_optional(head_query(group)).await?;
        let row = row.ok_or_else(|| StoreError::not_found("gateway group", group))?;
        let sealer = self.sealer(group, &row)?;
        let query = "SELECT * FROM resources WHERE group_id = $1 ORDER BY path";
        let rows = tx.fetch_all(Query::new(query, args![group])).await?;
        let resources: Result<_, _> = rows.iter().map(|row| read_resource(row, group, &sealer)).collect();
        Ok((read_head(&row)?, resources?))
    }

    /// One resource, if there is one under this key.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn get(&self, group: &GroupAccess, key: &ResourceKey) -> Result<Option<StoredResource>, StoreError> {
        let query = Query::new(
            "SELECT t.*, g.data_key FROM resources AS t JOIN gateway_groups AS g ON g.id = t.group_id \
             WHERE t.group_id = $1 AND t.path = $2",
            args![group, path(key)],
        );
        let Some(row) = self.store.db().fetch_optional(query).await? else { return Ok(None) };
        let sealer = self.sealer(group, &row)?;
        read_resource(&row, group, &sealer).map(Some)
    }

    /// The labels of one resource; none when it is not there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn labels(&self, group: &GroupId, key: &ResourceKey) -> Result<Option<Labels>, StoreError> {
        let query =
            Query::new("SELECT labels FROM resources WHERE group_id = $1 AND path = $2", args![group, path(key)]);
        self.store.db().fetch_optional(query).await?.map(|row| row.json("labels")).transpose()
    }

    /// The resources of a group that meet the filter, as far as they may be seen.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn list(
        &self,
        group: &GroupAccess,
        filter: &ResourceFilter,
        scope: &Scope,
    ) -> Result<Listed<StoredResource>, StoreError> {
        let mut select = select(group, filter);
        select.and_visible(visible::resources(filter.kind), scope);
        let (rows, total) = select.run(self.store.db(), filter.page).await?;
        let Some(first) = rows.first() else { return Ok(Listed { list: Vec::new(), total }) };
        let sealer = self.sealer(group, first)?;
        let list: Result<_, _> = rows.iter().map(|row| read_resource(row, group, &sealer)).collect();
        Ok(Listed { list: list?, total })
    }

    /// How many resources of a kind each group in the scope has; groups without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn count_by_group(&self, kind: Kind, scope: &Scope) -> Result<BTreeMap<GroupId, u64>, StoreError> {
        let mut select = Select::new("t.group_id, COUNT(*) AS total", "resources AS t", Vec::new());
        select.and("t.kind = ?", args![kind.name()]).and_visible(&visible::OF_GROUPS, scope).group_by("t.group_id");
        let (rows, _) = select.run(self.store.db(), None).await?;
        rows.iter().map(|row| Ok((row.parse("group_id")?, row.unsigned("total")?))).collect()
    }

    /// The sealer of the data key in `row`.
    pub(super) fn sealer(&self, group: &GroupId, row: &Row) -> Result<Sealer, StoreError> {
        let wrapped: Vec<u8> = row.get("data_key")?;
        self.store.master().data_key(group.as_str(), &wrapped)
    }
}

fn head_query(group: &GroupId) -> Query {
    Query::new("SELECT revision, digest, signature, data_key FROM gateway_groups WHERE id = $1", args![group])
}

fn select(group: &GroupId, filter: &ResourceFilter) -> Select {
    let source = "resources AS t JOIN gateway_groups AS g ON g.id = t.group_id";
    let mut select = Select::new("t.*, g.data_key", source, Vec::new());
    select.and("t.group_id = ?", args![group]).and("t.kind = ?", args![filter.kind.name()]);
    match &filter.parent {
        ParentFilter::TopLevel => select.and("t.parent = ''", Vec::new()),
        ParentFilter::Of(parent) => select.and("t.parent = ?", args![parent]),
        ParentFilter::Any => &mut select,
    };
    if let Some(text) = filter.search.as_deref().map(contains) {
        let condition = r"LOWER(t.name) LIKE LOWER(?) ESCAPE '\' OR LOWER(t.id) LIKE LOWER(?) ESCAPE '\'";
        select.and(condition, args![&text, &text]);
    }
    let labels = LabelTable::Joined("resource_labels AS l WHERE l.group_id = t.group_id AND l.path = t.path");
    select
        .and_if("t.service_id = ?", filter.service_id.as_ref())
        .and_if("t.name = ?", filter.name.as_ref())
        .and_labels(&labels, &filter.labels)
        .order_by(filter.order.sql("t.path"));
    select
}

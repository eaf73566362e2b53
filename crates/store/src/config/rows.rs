//! How a resource becomes columns and comes back.

use model::change::Body;
use model::{GroupId, Kind, Labels, ResourceId, ResourceKey};
use serde::Deserialize;

use super::{HeadRow, StoredResource};
use crate::db::Row;
use crate::error::StoreError;
use crate::seal::{Place, Sealer};

/// The parts of a body that lists filter and order by; they stand in clear columns.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Columns {
    pub(super) name: Option<String>,
    username: Option<String>,
    snis: Vec<String>,
    pub(super) service_id: Option<String>,
    pub(super) labels: Option<Labels>,
}

impl Columns {
    pub(super) fn of(key: &ResourceKey, body: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(body).map_err(|error| StoreError::corrupt(format!("body of {key}"), error))
    }

    /// What lists show and search: a certificate has no name of its own but its server names.
    pub(super) fn display_name(&self) -> String {
        let own = self.name.as_ref().or(self.username.as_ref()).cloned();
        own.unwrap_or_else(|| self.snis.join(","))
    }
}

/// Kind, parent and id as they stand in columns.
pub(super) fn key_parts(key: &ResourceKey) -> [&str; 3] {
    [key.kind.name(), key.parent.as_ref().map_or("", ResourceId::as_str), key.id.as_str()]
}

/// The same in one text. Ids hold no slash, so no two keys share one.
pub(crate) fn path(key: &ResourceKey) -> String {
    key_parts(key).join("/")
}

pub(crate) fn read_key(row: &Row) -> Result<ResourceKey, StoreError> {
    let kind: Kind = row.parse("kind")?;
    let parent: String = row.get("parent")?;
    let id: ResourceId = row.parse("id")?;
    if parent.is_empty() {
        return Ok(ResourceKey::new(kind, id));
    }
    let parent = ResourceId::new(parent).map_err(|error| StoreError::corrupt("column parent", error))?;
    Ok(ResourceKey::below(parent, kind, id))
}

pub(super) fn read_head(row: &Row) -> Result<HeadRow, StoreError> {
    Ok(HeadRow { revision: row.unsigned("revision")?, digest: row.digest("digest")?, signature: row.get("signature")? })
}

pub(super) fn read_resource(row: &Row, group: &GroupId, sealer: &Sealer) -> Result<StoredResource, StoreError> {
    let key = read_key(row)?;
    let body = open_resource(row, group, &key, sealer)?;
    Ok(StoredResource {
        body,
        labels: row.json("labels")?,
        name: row.get("name")?,
        created_at: row.seconds("created_at_ms")?,
        updated_at: row.seconds("updated_at_ms")?,
        revision: row.unsigned("revision")?,
        created_revision: row.unsigned("created_revision")?,
        key,
    })
}

/// The body of a row of `resources`.
pub(super) fn open_resource(
    row: &Row,
    group: &GroupId,
    key: &ResourceKey,
    sealer: &Sealer,
) -> Result<Body, StoreError> {
    let sealed: Vec<u8> = row.get("body")?;
    let place = Place::resource(group.as_str(), key_parts(key));
    let plain = sealer.open(&place, &sealed);
    plain.map(Body::from).map_err(|error| StoreError::corrupt(format!("{key} of gateway group {group}"), error))
}

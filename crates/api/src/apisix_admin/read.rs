//! One resource, or all of a kind: filtered, then page by page.

use http::StatusCode;
use model::{Kind, ResourceId};
use serde_json::{Value, json};
use store::config::{ParentFilter, ResourceFilter, StoredResource};

use super::refusal::Refusal;
use super::target::Target;
use super::{Answer, Asked, answer_json, entry};

/// Entries of a page, at least and at most.
const PAGE_SIZES: std::ops::RangeInclusive<usize> = 10..=500;

pub(super) async fn get(asked: &Asked, target: &Target) -> Answer {
    let key = target.key(target.id().unwrap_or_default())?;
    let (stored, _) = asked.control.get_resource(&asked.caller.actor, &asked.caller.group, &key).await?;
    Ok(answer_json(StatusCode::OK, &entry::read(&stored)?))
}

pub(super) async fn list(asked: &Asked, target: &Target) -> Answer {
    let page = Page::of(asked)?;
    let mut entries = Vec::new();
    for stored in all(asked, target).await? {
        let entry = entry::read(&stored)?;
        if is_wanted(asked, &entry) {
            entries.push(entry);
        }
    }
    // etcd knows no directory that is empty, and clients count on that here.
    if entries.is_empty() && target.kind == Kind::Credential {
        return Err(Refusal::key_not_found());
    }
    let total = entries.len();
    if let Some(page) = page {
        entries = entries.into_iter().skip((page.number - 1).saturating_mul(page.size)).take(page.size).collect();
    }
    Ok(answer_json(StatusCode::OK, &json!({ "list": entries, "total": total })))
}

/// All of a kind, ordered by key.
pub(super) async fn all(asked: &Asked, target: &Target) -> Result<Vec<StoredResource>, Refusal> {
    let mut filter = ResourceFilter::new(target.kind);
    if let Some(consumer) = target.parent.as_ref().filter(|_| target.kind == Kind::Credential) {
        let consumer = ResourceId::new(consumer.as_str()).map_err(|_| Refusal::key_not_found())?;
        filter.parent = ParentFilter::Of(consumer);
    }
    let found = asked.control.list_resources(&asked.caller.actor, &asked.caller.group, &filter).await?;
    let mut list = found.list;
    if let Some(manager) = target.parent.as_ref().filter(|_| target.kind == Kind::Secret) {
        list.retain(|stored| stored.key.id.as_str().split('.').next() == Some(manager.as_str()));
    }
    list.sort_by(|a, b| a.key.id.cmp(&b.key.id));
    Ok(list)
}

/// `name`, `label` and `uri` keep what contains them.
fn is_wanted(asked: &Asked, entry: &Value) -> bool {
    let value = &entry["value"];
    let text = |field: &str| value[field].as_str().unwrap_or_default();
    let has_name = |wanted: &str| text("name").contains(wanted);
    let has_uri = |wanted: &str| {
        let uris = value["uris"].as_array().into_iter().flatten().filter_map(Value::as_str);
        uris.chain([text("uri")]).any(|uri| uri.contains(wanted))
    };
    let has_label = |wanted: &str| {
        let labels = value["labels"].as_object().into_iter().flatten();
        labels.into_iter().any(|(key, value)| match wanted.split_once(':') {
            Some((label, wanted)) => key == label && value.as_str() == Some(wanted),
            None => key.contains(wanted),
        })
    };
    asked.query.get("name").is_none_or(has_name)
        && asked.query.get("uri").is_none_or(has_uri)
        && asked.query.get("label").is_none_or(has_label)
}

struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// The page asked for; none when everything is.
    fn of(asked: &Asked) -> Result<Option<Self>, Refusal> {
        let (number, size) = (asked.query.get("page"), asked.query.get("page_size"));
        if number.is_none() && size.is_none() {
            return Ok(None);
        }
        let number = number.map_or(Some(1), |text| text.parse().ok()).filter(|number| *number >= 1);
        let size = size.map_or(Some(*PAGE_SIZES.start()), |text| text.parse().ok());
        let number = number.ok_or_else(|| Refusal::bad_request("page must be greater than or equal to 1"))?;
        let size = size.filter(|size| PAGE_SIZES.contains(size));
        let size = size.ok_or_else(|| Refusal::bad_request("page_size must be between 10 and 500"))?;
        Ok(Some(Self { number, size }))
    }
}

//! One resource, or all of a kind: filtered, then page by page.

use http::StatusCode;
use model::{Kind, ResourceId};
use serde_json::{Value, json};
use store::config::{ParentFilter, ResourceFilter, StoredResource};

use super::query::Query;
use super::refusal::Refusal;
use super::target::Target;
use super::{Answer, Asked, answer_json, entry};

/// Entries of a page, at least and at most.
const PAGE_SIZES: std::ops::RangeInclusive<usize> = 10..=500;

pub(super) async fn get(asked: &Asked, target: &Target) -> Answer {
    let key = target.key_of_stored(target.id().unwrap_or_default())?;
    let (stored, _) = asked.control.get_resource(&asked.caller.actor, &asked.caller.group, &key).await?;
    Ok(answer_json(StatusCode::OK, &entry::read(&stored)?))
}

pub(super) async fn list(asked: &Asked, target: &Target) -> Answer {
    let page = Page::of(asked)?;
    let filter = Filter::of(asked, target.kind);
    let mut entries = Vec::new();
    for stored in all(asked, target).await? {
        let entry = entry::read(&stored)?;
        if filter.keeps(&entry["value"]) {
            entries.push(entry);
        }
    }
    // etcd knows no directory that is empty, and clients count on that here.
    if entries.is_empty() && target.kind == Kind::Credential {
        return Err(Refusal::key_not_found());
    }
    let total = entries.len();
    if let Some(page) = page {
        entries.sort_by_key(|entry| entry["createdIndex"].as_u64());
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

/// What of a list a client wants: by name and path as regular expressions, by a label's key, by a reference.
struct Filter<'a> {
    name: Option<Pattern>,
    uri: Option<Pattern>,
    label: Option<&'a str>,
    /// Fields of [`filtered_by`] and what they must be.
    fields: Vec<(String, String)>,
}

/// A regular expression; text that is none is looked for as it stands.
struct Pattern(Result<regex::Regex, String>);

impl Pattern {
    fn new(text: &str) -> Self {
        Self(regex::Regex::new(text).map_err(|_| text.to_owned()))
    }

    fn is_in(&self, text: &str) -> bool {
        match &self.0 {
            Ok(regex) => regex.is_match(text),
            Err(wanted) => text.contains(wanted),
        }
    }
}

/// The references by which a kind's list is filtered.
fn filtered_by(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Route | Kind::StreamRoute => &["service_id", "upstream_id"],
        _ => &[],
    }
}

impl<'a> Filter<'a> {
    fn of(asked: &'a Asked, kind: Kind) -> Self {
        let query = &asked.query;
        let fields = query.get("filter").map(Query::parse).unwrap_or_default();
        Self {
            name: query.given("name").map(Pattern::new),
            uri: query.given("uri").map(Pattern::new),
            label: query.given("label"),
            fields: fields.into_pairs().filter(|(name, _)| filtered_by(kind).contains(&name.as_str())).collect(),
        }
    }

    fn keeps(&self, value: &Value) -> bool {
        self.name.as_ref().is_none_or(|pattern| value["name"].as_str().is_some_and(|name| pattern.is_in(name)))
            && self.uri.as_ref().is_none_or(|pattern| uris(value).any(|uri| pattern.is_in(uri)))
            && self.label.is_none_or(|label| has_label(value, label))
            && self.fields.iter().all(|(name, wanted)| value[name].as_str() == Some(wanted))
    }
}

fn uris(value: &Value) -> impl Iterator<Item = &str> {
    let several = value["uris"].as_array().into_iter().flatten();
    several.chain([&value["uri"]]).filter_map(Value::as_str)
}

/// By key, as in APISIX; by `key:value` too.
fn has_label(value: &Value, wanted: &str) -> bool {
    let Some(labels) = value["labels"].as_object() else { return false };
    let pair = wanted.split_once(':');
    labels.contains_key(wanted)
        || pair.is_some_and(|(key, value)| labels.get(key).and_then(Value::as_str) == Some(value))
}

struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// The page asked for; none when everything is. Both arguments make a page, and a number that is none is 1.
    fn of(asked: &Asked) -> Result<Option<Self>, Refusal> {
        let number = |name: &str| asked.query.get(name).and_then(|text| text.trim().parse::<f64>().ok());
        let (Some(page), Some(size)) = (number("page"), number("page_size")) else { return Ok(None) };
        if !PAGE_SIZES.contains(&(size as usize)) || size < 0.0 {
            return Err(Refusal::text("page_size must be between 10 and 500"));
        }
        Ok(Some(Self { number: (page as usize).max(1), size: size as usize }))
    }
}

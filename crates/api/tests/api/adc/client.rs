//! The client's calls, in its order, and its comparison of what is wanted with what stands there.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::shapes::{self, KINDS, Kind};
use super::typed;
use crate::fixture::{Fixture, read};

/// How many requests of a batch are under way at once.
const AT_ONCE: usize = 10;

/// What the client does to which kind, in the order of its batches.
#[rustfmt::skip]
const ORDER: [(Event, &[&str]); 11] = [
    (Event::Delete, &["route", "stream_route", "service", "upstream", "consumer", "ssl"]),
    (Event::Create, &["ssl"]),
    (Event::Update, &["ssl", "route", "stream_route", "service", "upstream", "consumer"]),
    (Event::Create, &["service", "route", "stream_route", "consumer", "upstream"]),
    (Event::Delete, &["global_rule"]),
    (Event::Create, &["global_rule"]),
    (Event::Update, &["global_rule"]),
    (Event::Delete, &["plugin_metadata"]),
    (Event::Create, &["plugin_metadata"]),
    (Event::Update, &["plugin_metadata"]),
    (Event::Delete, &["consumer_credential"]),
];

/// What becomes of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Delete,
    Create,
    Update,
}

/// The client with its settings.
pub(super) struct Adc<'f> {
    api: &'f Fixture,
    key: String,
    group: Option<String>,
    label: Option<(String, String)>,
}

/// A write that the client concludes on.
pub(super) struct Change {
    pub(super) method: &'static str,
    pub(super) kind: &'static str,
    event: Event,
    path: String,
    body: Option<Value>,
    /// What stands there, and what should; for messages.
    difference: Option<(Value, Value)>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        self.difference.as_ref().map_or(Ok(()), |(there, wanted)| write!(f, "\n  has   {there}\n  wants {wanted}"))
    }
}

/// Kind, owner and id of a resource.
type Key = (&'static str, String, String);

/// Resources on one level, as they are compared.
type Flat = BTreeMap<Key, Value>;

impl<'f> Adc<'f> {
    /// With a personal token, on a group by its name.
    pub(super) fn with_token(api: &'f Fixture, group: &str) -> Self {
        Self::with_given_token(api, &api.token, group)
    }

    /// The same with another token.
    pub(super) fn with_given_token(api: &'f Fixture, token: &str, group: &str) -> Self {
        Self { api, key: token.to_owned(), group: Some(group.to_owned()), label: None }
    }

    /// With a group's admin key.
    pub(super) fn with_key(api: &'f Fixture, key: &str) -> Self {
        Self { api, key: key.to_owned(), group: None, label: None }
    }

    /// Sees only what has the label.
    pub(super) fn selecting(mut self, key: &str, value: &str) -> Self {
        self.label = Some((key.to_owned(), value.to_owned()));
        self
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.ask(Method::GET, "/api/gateway_groups", None).await.map(drop)
    }

    /// Everything that stands there, in the client's form.
    pub(super) async fn dump(&self) -> Result<Value> {
        let group = self.group_id().await?;
        let list = async |path: &str, labelled: bool| -> Result<Vec<Value>> {
            let answer = self.ask(Method::GET, &self.path(path, &group, labelled), None).await?;
            let list = answer["list"].as_array().cloned().with_context(|| format!("no list in {answer}"))?;
            list.iter().try_for_each(|item| typed::read(path, item))?;
            Ok(list)
        };
        let mut services = Vec::new();
        for service in list("services", true).await? {
            let id = text(&service, "id")?;
            let (field, path) = match service["type"].as_str().context("a service's type")? {
                "stream" => ("stream_routes", format!("stream_routes?service_id={id}")),
                _ => ("routes", format!("routes?service_id={id}")),
            };
            let mut shape = shapes::from_server(Kind::of("service"), &service);
            let routes = list(&path, false).await?;
            let kind = Kind::of(field.trim_end_matches('s'));
            shape[field] = routes.iter().map(|route| shapes::from_server(kind, route)).collect();
            let upstreams = list(&format!("services/{id}/upstreams"), false).await?;
            let further = upstreams.iter().filter(|upstream| upstream["id"] != service["id"]);
            shape["upstreams"] = further.map(|each| shapes::from_server(Kind::of("upstream"), each)).collect();
            services.push(shape);
        }
        let mut consumers = Vec::new();
        for consumer in list("consumers", true).await? {
            let path = format!("consumers/{}/credentials", text(&consumer, "username")?);
            let credentials = list(&path, false).await?;
            let mut shape = shapes::from_server(Kind::of("consumer"), &consumer);
            let kind = Kind::of("consumer_credential");
            shape["credentials"] = credentials.iter().map(|each| shapes::from_server(kind, each)).collect();
            consumers.push(shape);
        }
        let ssls = list("ssls", true).await?;
        let ssls: Vec<_> = ssls.iter().map(|ssl| shapes::from_server(Kind::of("ssl"), ssl)).collect();
        let mut rules = Map::new();
        for rule in list("global_rules", true).await? {
            rules.extend(rule["plugins"].as_object().cloned().unwrap_or_default());
        }
        let metadata = self.ask(Method::GET, &self.path("plugin_metadata", &group, true), None).await?["value"].take();
        Ok(json!({
            "services": services, "consumers": consumers, "ssls": ssls,
            "global_rules": rules, "plugin_metadata": metadata,
        }))
    }

    /// What a sync would write.
    pub(super) async fn diff(&self, local: &Value) -> Result<Vec<Change>> {
        let defaults = self.defaults().await?;
        let (wanted, there) = (flatten(local)?, flatten(&self.dump().await?)?);
        let removed = there.iter().filter(|(key, _)| !wanted.contains_key(*key));
        // What belongs to something that is removed goes with it.
        let removed = removed.filter(|((kind, owner, _), _)| {
            Kind::of(kind).owner.is_none_or(|above| wanted.contains_key(&(above, String::new(), owner.clone())))
        });
        let mut changes: Vec<Change> = removed.map(|(key, _)| Change::delete(key)).collect();
        for kind in KINDS {
            for (key, value) in wanted.iter().filter(|(key, _)| key.0 == kind.name) {
                let schema = &defaults[shapes::defaults_of(kind.name, value)];
                let full = shapes::with_defaults_of(kind, value, schema);
                let full = shapes::comparable(&full);
                let there = there.get(key).map(shapes::comparable);
                if there.as_ref() != Some(&full) {
                    let event = if there.is_some() { Event::Update } else { Event::Create };
                    let difference = there.map(|there| (there, full));
                    changes.push(Change { event, difference, ..Change::put(key, value) });
                }
            }
        }
        changes.sort_by_key(Change::batch);
        Ok(changes)
    }

    /// Writes what differs, batch after batch and much of a batch at once; what was written.
    pub(super) async fn sync(&self, local: &Value) -> Result<Vec<Change>> {
        let (changes, group) = (self.diff(local).await?, self.group_id().await?);
        for batch in changes.chunk_by(|one, next| one.batch() == next.batch()) {
            let writes = stream::iter(batch).map(|change| self.write(change, &group));
            writes.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        Ok(changes)
    }

    async fn write(&self, change: &Change, group: &Option<String>) -> Result<()> {
        let method = if change.method == "PUT" { Method::PUT } else { Method::DELETE };
        let path = self.path(&change.path, group, false);
        let written = self.ask(method, &path, change.body.as_ref()).await;
        written.map(drop).with_context(|| format!("{change:?}"))
    }

    /// The faults of a configuration: type, index and text.
    pub(super) async fn validate(&self, local: &Value) -> Result<Vec<(String, u64, String)>> {
        let is_checked = |kind: &Kind| !["upstream", "consumer_credential"].contains(&kind.name);
        let checked = KINDS.iter().filter(|kind| is_checked(kind));
        let mut body: BTreeMap<&str, Vec<Value>> = checked.map(|kind| (kind.path, Vec::new())).collect();
        for ((kind, owner, id), value) in in_order(local)? {
            if is_checked(Kind::of(kind)) {
                let mut item = shapes::to_server(kind, &owner, &id, &value);
                if kind == "plugin_metadata" {
                    item["id"] = json!(id);
                }
                body.entry(Kind::of(kind).path).or_default().push(item);
            }
        }
        let path = self.path("configs/validate", &self.group_id().await?, false);
        let request = self.api.request(Method::POST, &path).header("X-API-KEY", &self.key).json(&body);
        let answer = read(request.send().await?).await?;
        ensure!(answer.status < 300 || answer.status == 400, "{answer:?}");
        let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| {
                let index = error["index"].as_u64().context("an index")?;
                Ok((text(error, "resource_type")?, index, text(error, "error")?))
            })
            .collect()
    }

    /// What the server stores where nothing is sent.
    pub(super) async fn defaults(&self) -> Result<Value> {
        Ok(self.ask(Method::GET, "/api/schema/core", None).await?["value"].take())
    }

    async fn group_id(&self) -> Result<Option<String>> {
        let Some(name) = &self.group else { return Ok(None) };
        let found = self.ask(Method::GET, &format!("/api/gateway_groups?search={name}&name={name}"), None).await?;
        let found = found["list"].as_array().and_then(|list| list.first());
        let found = found.with_context(|| format!("gateway group {name:?} does not exist"))?;
        Ok(Some(text(found, "id")?))
    }

    fn path(&self, path: &str, group: &Option<String>, labelled: bool) -> String {
        let mut path = format!("/apisix/admin/{path}");
        let mut add = |parameter: String| {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(&parameter);
        };
        if let Some(group) = group {
            add(format!("gateway_group_id={group}"));
        }
        if let Some((key, value)) = self.label.as_ref().filter(|_| labelled) {
            add(format!("labels[{key}]={value}"));
        }
        path
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = self.api.request(method, path).header("X-API-KEY", &self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = read(request.send().await?).await?;
        ensure!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }
}

impl Change {
    /// Its batch: kinds and events that the client does not name come last.
    fn batch(&self) -> (usize, usize) {
        let places = ORDER.iter().enumerate().filter(|(_, (event, _))| *event == self.event);
        let mut found =
            places.filter_map(|(n, (_, kinds))| Some((n, kinds.iter().position(|kind| *kind == self.kind)?)));
        found.next().unwrap_or((ORDER.len(), usize::from(self.event == Event::Update)))
    }

    fn delete(key: &Key) -> Self {
        let path = shapes::path(key.0, &key.1, &key.2);
        Self { method: "DELETE", kind: key.0, event: Event::Delete, path, body: None, difference: None }
    }

    fn put(key: &Key, value: &Value) -> Self {
        let (kind, owner, id) = key;
        let body = Some(shapes::to_server(kind, owner, id, value));
        let path = shapes::path(kind, owner, id);
        Self { method: "PUT", kind, event: Event::Create, path, body, difference: None }
    }
}

fn text(value: &Value, field: &str) -> Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("no {field} in {value}"))
}

fn flatten(configuration: &Value) -> Result<Flat> {
    Ok(in_order(configuration)?.into_iter().collect())
}

/// The resources of a configuration, owners before what they own, in the order they are written down.
fn in_order(configuration: &Value) -> Result<Vec<(Key, Value)>> {
    let mut flat = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.owner.is_none()) {
        match &configuration[kind.list] {
            Value::Object(by_name) => {
                flat.extend(
                    by_name.iter().map(|(name, value)| ((kind.name, String::new(), name.clone()), value.clone())),
                );
            }
            list => {
                for item in list.as_array().into_iter().flatten() {
                    add(&mut flat, kind, "", item)?;
                }
            }
        }
    }
    Ok(flat)
}

fn add(flat: &mut Vec<(Key, Value)>, kind: &Kind, owner: &str, item: &Value) -> Result<()> {
    let id = shapes::id(kind.name, owner, item);
    let mut own = item.as_object().cloned().context("an object")?;
    let below: Vec<_> = KINDS.iter().filter(|below| below.owner == Some(kind.name)).collect();
    let items: Vec<_> = below.iter().map(|below| own.remove(below.list)).collect();
    flat.push(((kind.name, owner.to_owned(), id.clone()), own.into()));
    for (below, items) in below.into_iter().zip(items) {
        for item in items.as_ref().and_then(Value::as_array).into_iter().flatten() {
            add(flat, below, &id, item)?;
        }
    }
    Ok(())
}

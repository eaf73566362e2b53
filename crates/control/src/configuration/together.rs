//! What resources must agree on that do not refer to each other, as APISIX's Admin API asks it.

use std::collections::{BTreeMap, BTreeSet};

use model::change::Body;
use model::{Fault, GroupState, Kind, ResourceKey};
use plugin_api::Registry;
use serde_json::{Map, Value};

const LIMIT_COUNT: &str = "limit-count";

/// What becomes of each touched resource, and by which operation.
type Touched = BTreeMap<ResourceKey, (usize, Option<Body>)>;

/// What is wrong between the touched resources and all others.
pub(super) fn faults(registry: &Registry, state: &GroupState, touched: &Touched) -> Vec<(usize, ResourceKey, Fault)> {
    let mut faults = shared_plugins(state, touched);
    faults.extend(other_groups(registry, state, touched));
    faults
}

/// A plugin stands in one global rule, for of two nobody could say which counts.
fn shared_plugins(state: &GroupState, touched: &Touched) -> Vec<(usize, ResourceKey, Fault)> {
    let mut faults = Vec::new();
    for (key, index, body) in puts(touched).filter(|(key, _, _)| key.kind == Kind::GlobalRule) {
        let own = plugins(body);
        let kept = state.of_kind(Kind::GlobalRule).filter(|(other, _)| !touched.contains_key(*other));
        let others = kept.chain(puts(touched).map(|(key, _, body)| (key, body)));
        for (other, theirs) in others.filter(|(other, _)| other.kind == Kind::GlobalRule && *other != key) {
            let theirs = plugins(theirs);
            for name in own.keys().filter(|name| theirs.contains_key(*name)) {
                let message = format!("plugin '{name}' already exists in global rule with id '{}'", other.id.as_str());
                faults.push((index, key.clone(), Fault::new(format!("/plugins/{name}"), message)));
            }
        }
    }
    faults
}

/// Those that count together in a group of limit-count have one limit.
fn other_groups(registry: &Registry, state: &GroupState, touched: &Touched) -> Vec<(usize, ResourceKey, Fault)> {
    let group_of = |body: &Body| grouped(registry, body);
    let new: Vec<_> = puts(touched).filter_map(|(key, index, body)| Some((key, index, group_of(body)?))).collect();
    if new.is_empty() {
        return Vec::new();
    }
    let asked: BTreeSet<&str> = new.iter().map(|(_, _, (group, _))| group.as_str()).collect();
    let kept = state.iter().filter(|(key, _)| !touched.contains_key(*key));
    let kept = kept.filter_map(|(_, body)| group_of(body).filter(|(group, _)| asked.contains(group.as_str())));
    // The first one in the order of keys counts among those that come at once.
    let mut confs: BTreeMap<String, Map<String, Value>> = kept.collect();
    let mut faults = Vec::new();
    for (key, index, (group, conf)) in &new {
        let known = confs.entry(group.clone()).or_insert_with(|| conf.clone());
        if known != conf {
            let fault = Fault::new("", "group conf mismatched");
            let fault = plugin_api::registry::in_plugin(LIMIT_COUNT, fault).under(&format!("/plugins/{LIMIT_COUNT}"));
            faults.push((*index, (*key).clone(), fault));
        }
    }
    faults
}

/// The group of a resource's limit-count, and all that its members must have alike, defaults included.
fn grouped(registry: &Registry, body: &Body) -> Option<(String, Map<String, Value>)> {
    // Hardly any resource has one, so the text is asked first.
    if !std::str::from_utf8(body).is_ok_and(|text| text.contains(LIMIT_COUNT)) {
        return None;
    }
    let mut plugins = plugins(body);
    let Some(Value::Object(mut conf)) = plugins.remove(LIMIT_COUNT) else { return None };
    let group = conf.get("group")?.as_str()?.to_owned();
    conf.remove("_meta");
    let fields = registry.get(LIMIT_COUNT)?.schema().get("properties")?.as_object()?;
    for (name, field) in fields.iter().filter(|(name, _)| *name != "_meta") {
        if let Some(default) = field.get("default") {
            conf.entry(name).or_insert_with(|| default.clone());
        }
    }
    Some((group, conf))
}

fn puts(touched: &Touched) -> impl Iterator<Item = (&ResourceKey, usize, &Body)> {
    touched.iter().filter_map(|(key, (index, body))| Some((key, *index, body.as_ref()?)))
}

fn plugins(body: &[u8]) -> Map<String, Value> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.get("plugins").and_then(Value::as_object).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use model::{Change, ResourceId};
    use plugin_api::{CompileInput, Plugin, PluginType};
    use serde_json::json;

    use super::*;

    fn key(kind: Kind, id: &str) -> ResourceKey {
        ResourceKey::new(kind, ResourceId::new(id).expect("an id"))
    }

    fn body(plugins: Value) -> Body {
        model::json::canonical(&json!({ "plugins": plugins })).into()
    }

    /// Faults of these resources together with those that are there: `id: message`.
    fn told(there: &[(Kind, &str, Value)], put: &[(Kind, &str, Value)]) -> Vec<String> {
        let mut state = GroupState::default();
        for (kind, id, plugins) in there {
            state.apply(&Change::Put(key(*kind, id), body(plugins.clone())));
        }
        let put = put.iter().enumerate();
        let touched =
            put.map(|(index, (kind, id, conf))| (key(*kind, id), (index, Some(body(conf.clone()))))).collect();
        let faults = faults(&registry(), &state, &touched);
        faults.into_iter().map(|(_, key, fault)| format!("{}: {}", key.id.as_str(), fault.message)).collect()
    }

    /// limit-count, as far as it is asked here.
    struct Fake;

    impl PluginType for Fake {
        fn name(&self) -> &'static str {
            LIMIT_COUNT
        }

        fn priority(&self) -> i32 {
            0
        }

        fn schema(&self) -> &'static Value {
            static SCHEMA: LazyLock<Value> =
                LazyLock::new(|| json!({ "properties": { "count": {}, "policy": { "default": "local" } } }));
            &SCHEMA
        }

        fn compile(&self, _: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
            Err(Fault::new("", "never compiled here"))
        }
    }

    fn registry() -> Registry {
        static FAKE: Fake = Fake;
        let all: [&'static dyn PluginType; 1] = [&FAKE];
        Registry::new(all)
    }

    #[test]
    fn a_plugin_stands_in_one_global_rule() {
        let rule = |id, plugins| (Kind::GlobalRule, id, plugins);
        let there = [rule("1", json!({ "cors": {}, "gzip": {} })), rule("2", json!({ "echo": { "body": "x" } }))];
        let cases = [
            (vec![rule("3", json!({ "prometheus": {} }))], vec![]),
            (vec![rule("1", json!({ "cors": { "max_age": 1 } }))], vec![]),
            (
                vec![rule("3", json!({ "gzip": {} }))],
                vec!["3: plugin 'gzip' already exists in global rule with id '1'"],
            ),
            (vec![rule("1", json!({ "cors": {} })), rule("3", json!({ "gzip": {} }))], vec![]),
            (vec![(Kind::Route, "r", json!({ "gzip": {} }))], vec![]),
        ];
        for (put, expected) in cases {
            assert_eq!(told(&there, &put), expected, "{put:?}");
        }
    }

    #[test]
    fn those_of_a_group_have_one_limit() {
        let limit =
            |count: u32, group: &str| json!({ "limit-count": { "count": count, "time_window": 60, "group": group } });
        let route = |id, plugins| (Kind::Route, id, plugins);
        let there = [route("r1", limit(5, "g")), (Kind::Service, "s", limit(5, "g"))];
        let mismatched = "failed to check the configuration of plugin limit-count err: group conf mismatched";
        let with_default = json!({ "limit-count": { "count": 5, "time_window": 60, "group": "g", "policy": "local", "_meta": { "priority": 1 } } });
        let cases = [
            (vec![route("r2", limit(5, "g"))], vec![]),
            (vec![route("r2", with_default)], vec![]),
            (vec![route("r2", limit(6, "other"))], vec![]),
            (vec![route("r2", limit(6, "g"))], vec![format!("r2: {mismatched}")]),
            (vec![route("r1", limit(6, "g")), (Kind::Service, "s", limit(6, "g"))], vec![]),
            (vec![route("a", limit(1, "new")), route("b", limit(2, "new"))], vec![format!("b: {mismatched}")]),
        ];
        for (put, expected) in cases {
            assert_eq!(told(&there, &put), expected, "{put:?}");
        }
    }
}

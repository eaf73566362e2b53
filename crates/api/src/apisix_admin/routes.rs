//! Which routes there are, and what each takes: one table, which the router asks, and which a test holds against everybody
//! who may ask.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use control::configuration::{Verb, action};
use model::Kind;

use super::write::{WITHOUT_PATCH, WITHOUT_POST};
use crate::permissions::{Endpoint, Needs, done_to};

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    ValidateAll,
    ValidateOne,
    Reload,
    PluginNames,
    Plugins,
    Plugin,
    Schema,
    Resource(Kind, Doing),
}

/// What is done to a resource, or to all of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Read,
    Put,
    Post,
    Patch,
    Delete,
}

/// Parts of a path by their names in the table: `{parent}`, `{id}`, `{sub_path}`, `{name}`.
pub(super) type Parts<'p> = BTreeMap<&'static str, Vec<&'p str>>;

/// The last part of a path that stands for all that follows.
const REST: &str = "sub_path";

/// Those that are about no resource. `plugins/list` and `plugins/reload` stand before what they are instances of.
const FIXED: [(&str, &str, To); 9] = [
    ("POST", "configs/validate", To::ValidateAll),
    ("POST", "schema/validate/{name}", To::ValidateOne),
    ("PUT", "plugins/reload", To::Reload),
    ("GET", "plugins/reload", To::Reload),
    ("GET", "plugins/list", To::PluginNames),
    ("GET", "plugins", To::Plugins),
    ("GET", "plugins/{name}", To::Plugin),
    ("GET", "schema/plugins/{name}", To::Plugin),
    ("GET", "schema/{name}", To::Schema),
];

/// Collections of which nothing can be made by an id in the body.
const WITHOUT_ID_IN_BODY: [&str; 2] = ["plugin_metadata", "secrets"];

/// What the methods do to resources.
const METHODS: [(&str, Doing); 6] = [
    ("GET", Doing::Read),
    ("HEAD", Doing::Read),
    ("PUT", Doing::Put),
    ("POST", Doing::Post),
    ("PATCH", Doing::Patch),
    ("DELETE", Doing::Delete),
];

/// The routes of a kind, each asked by every one of [`METHODS`].
fn paths(kind: Kind) -> Vec<String> {
    let collection = match kind {
        Kind::Credential => "consumers/{parent}/credentials",
        Kind::Secret => "secrets/{parent}",
        other => other.plural(),
    };
    let mut paths =
        vec![collection.to_owned(), format!("{collection}/{{id}}"), format!("{collection}/{{id}}/{{{REST}}}")];
    if kind == Kind::Secret {
        paths.push("secrets".to_owned());
    }
    paths
}

/// A route of the table.
struct Route {
    method: &'static str,
    path: String,
    to: To,
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    // Before consumers, whose ids and parts they would be.
    let kinds = [Kind::Credential].into_iter().chain(Kind::ALL.into_iter().filter(|kind| *kind != Kind::Credential));
    let of_kinds = kinds.flat_map(|kind| paths(kind).into_iter().map(move |path| (kind, path)));
    let of_resources = of_kinds.flat_map(|(kind, path)| {
        METHODS.map(|(method, doing)| Route { method, path: path.clone(), to: To::Resource(kind, doing) })
    });
    let fixed = FIXED.into_iter().map(|(method, path, to)| Route { method, path: path.to_owned(), to });
    fixed.chain(of_resources).collect()
});

/// Where a request goes, and the parts of its path that have names.
pub(super) fn find<'p>(method: &str, segments: &[&'p str]) -> Option<(To, Parts<'p>)> {
    // A path of resources is one kind's, whatever is done there.
    ROUTES
        .iter()
        .filter(|route| route.method == method)
        .find_map(|route| Some((route.to, parts(&route.path, segments)?)))
}

fn parts<'p>(path: &'static str, segments: &[&'p str]) -> Option<Parts<'p>> {
    let mut parts = Parts::new();
    let mut segments = segments.iter();
    for wanted in path.split('/') {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(REST) => {
                let rest: Vec<&str> = segments.by_ref().copied().collect();
                parts.insert(REST, (!rest.is_empty()).then_some(rest)?);
            }
            Some(name) => drop(parts.insert(name, vec![segments.next()?])),
            None if segments.next() == Some(&wanted) => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(parts)
}

/// Every route with what it takes.
pub(crate) fn table() -> Vec<Endpoint> {
    let endpoint = |route: &Route| Endpoint {
        method: route.method,
        path: format!("{}/{}", super::ROOT, route.path),
        needs: match route.to {
            To::Resource(kind, doing) => needs(kind, doing, &route.path),
            _ => Needs::Anybody,
        },
    };
    ROUTES.iter().map(endpoint).collect()
}

/// Anybody is told that it cannot be asked so. What a PATCH answers with takes being seen, too.
fn needs(kind: Kind, doing: Doing, path: &str) -> Needs {
    let is_one = path.contains("{id}");
    let one = |verbs: &[Verb]| done_to(kind, verbs);
    match doing {
        Doing::Read if is_one => one(&[Verb::Get]),
        Doing::Read => Needs::Visible(action(Verb::Get, kind)),
        Doing::Put if WITHOUT_ID_IN_BODY.contains(&path) => Needs::Anybody,
        Doing::Put => one(&[Verb::Create, Verb::Update]),
        Doing::Post if !is_one && !WITHOUT_POST.contains(&kind) => one(&[Verb::Create]),
        Doing::Patch if is_one && !WITHOUT_PATCH.contains(&kind) => one(&[Verb::Update]),
        Doing::Delete if is_one => one(&[Verb::Delete]),
        Doing::Post | Doing::Patch | Doing::Delete => Needs::Anybody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(method: &str, path: &str) -> Option<(To, String)> {
        let segments: Vec<&str> = path.split('/').collect();
        let (to, parts) = find(method, &segments)?;
        let shown = parts.iter().map(|(name, parts)| format!("{name}={}", parts.join("/")));
        Some((to, shown.collect::<Vec<_>>().join(" ")))
    }

    #[test]
    fn paths_lead_to_one_thing() {
        let resource = |kind, doing, parts: &str| Some((To::Resource(kind, doing), parts.to_owned()));
        assert_eq!(to("GET", "routes"), resource(Kind::Route, Doing::Read, ""));
        assert_eq!(
            to("PATCH", "routes/1/upstream/nodes"),
            resource(Kind::Route, Doing::Patch, "id=1 sub_path=upstream/nodes")
        );
        assert_eq!(
            to("PUT", "consumers/jack/credentials/c"),
            resource(Kind::Credential, Doing::Put, "id=c parent=jack")
        );
        assert_eq!(to("GET", "consumers/jack/credentials"), resource(Kind::Credential, Doing::Read, "parent=jack"));
        assert_eq!(to("HEAD", "secrets/vault/1"), resource(Kind::Secret, Doing::Read, "id=1 parent=vault"));
        assert_eq!(to("GET", "secrets"), resource(Kind::Secret, Doing::Read, ""));
        assert_eq!(to("GET", "plugins/list"), Some((To::PluginNames, String::new())));
        assert_eq!(to("GET", "schema/plugins/cors"), Some((To::Plugin, "name=cors".to_owned())));
        for (method, path) in [("GET", "credentials"), ("GET", "nothing"), ("TRACE", "routes"), ("GET", "plugins/a/b")]
        {
            assert_eq!(to(method, path), None, "{method} {path}");
        }
    }
}

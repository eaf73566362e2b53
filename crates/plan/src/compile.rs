//! Services and routes, from their resources to what the router holds.

use std::sync::Arc;

use model::resource::{HostPattern, Route, Service, Status};
use model::{Fault, ResourceId};
use plugin_api::{Condition, RouteInfo};
use serde_json::{Map, Value};

use crate::chain::{Chain, ChainBuilder};
use crate::router::{Closed, CompiledRoute, MethodSet, PathPattern, Place, Rare, UpstreamChoice};
use crate::upstream::{self, FindSsl, Timeouts};

/// What a route takes from its service.
pub(crate) struct CompiledService {
    pub(crate) service: Service,
    pub(crate) chain: Arc<Chain>,
    pub(crate) upstream: UpstreamChoice,
}

/// A route with all places where the router must hold it; none when it is disabled.
pub(crate) struct PlacedRoute {
    pub(crate) route: Arc<CompiledRoute>,
    pub(crate) places: Vec<Place>,
    pub(crate) service_id: Option<ResourceId>,
    pub(crate) plugin_config_id: Option<ResourceId>,
}

/// What a route is compiled with.
pub(crate) struct RouteContext<'a> {
    pub(crate) slot: u32,
    pub(crate) id: &'a ResourceId,
    pub(crate) service: Option<&'a CompiledService>,
    pub(crate) plugin_config: Option<&'a Chain>,
    /// Slot of the upstream that `upstream_id` names.
    pub(crate) upstream_slot: Option<u32>,
    /// For the certificate that its own upstream is shown.
    pub(crate) find_ssl: FindSsl<'a>,
}

/// Compiles a route. Pointers of faults are relative to it.
pub(crate) fn route(
    route: &Route,
    context: &RouteContext<'_>,
    builder: ChainBuilder<'_>,
) -> Result<PlacedRoute, Fault> {
    let service = context.service.map(|compiled| &compiled.service);
    let websocket = route.enable_websocket.or(service.and_then(|service| service.enable_websocket));
    let served = Served {
        vars: condition(route)?,
        chain: chain(route, context, builder)?,
        upstream: upstream_choice(route, context)?,
        websocket: websocket.unwrap_or(false),
        closed: None,
    };
    Ok(place(route, context.slot, context.id, service, served))
}

/// What becomes of a route's requests.
struct Served {
    vars: Option<Condition>,
    chain: Arc<Chain>,
    upstream: UpstreamChoice,
    websocket: bool,
    closed: Option<Closed>,
}

/// Puts a route where requests find it.
fn place(route: &Route, slot: u32, id: &ResourceId, service: Option<&Service>, served: Served) -> PlacedRoute {
    let prefix = service.and_then(|service| service.path_prefix.as_deref()).unwrap_or_default();
    let strip = service.is_some_and(|service| service.strip_path_prefix);
    let patterns: Vec<_> = route.all_paths().map(|path| pattern(prefix, path)).collect();
    let info = |(path, parsed): &(String, Arc<PathPattern>)| Arc::new(info(route, slot, id, service, path, parsed));
    let infos: Vec<_> = patterns.iter().map(info).collect();
    let rare = Rare {
        priority: route.priority,
        remote_addrs: route.all_remote_addrs().map(|address| address.net()).collect(),
        vars: served.vars,
        strip_prefix: (strip && !prefix.is_empty()).then(|| prefix.trim_end_matches('/').into()),
        timeouts: route.timeout.as_ref().map(Timeouts::new),
    };
    let compiled = Arc::new(CompiledRoute {
        info: infos.first().cloned().unwrap_or_default(),
        chain: served.chain,
        upstream: served.upstream,
        methods: (!route.methods.is_empty()).then(|| MethodSet::new(&route.methods)),
        websocket: served.websocket,
        closed: served.closed,
        rare: rare.boxed(),
    });
    let enabled = route.status == Status::Enabled && service.is_none_or(|service| service.status == Status::Enabled);
    let hosts = hosts(route, service);
    let places = patterns.into_iter().zip(infos).flat_map(|((_, path), info)| {
        hosts.iter().map(move |host| Place {
            host: host.clone(),
            path: path.clone(),
            info: of_host(&info, host.as_ref()),
        })
    });
    PlacedRoute {
        places: if enabled { places.collect() } else { Vec::new() },
        route: compiled,
        service_id: route.service_id.clone(),
        plugin_config_id: route.plugin_config_id.clone(),
    }
}

/// What is known of the route where it is found by this host.
fn of_host(info: &Arc<RouteInfo>, host: Option<&HostPattern>) -> Arc<RouteInfo> {
    let host = host.map(HostPattern::as_str);
    if info.host.as_deref() == host {
        return info.clone();
    }
    Arc::new(RouteInfo { host: host.map(Into::into), ..RouteInfo::clone(info) })
}

/// What of a route's body says which requests it matches, as far as it can be read. What cannot be is left out: the
/// route then matches more, and refuses it.
pub(crate) fn matching_part(body: &[u8]) -> Option<Route> {
    const MATCHING: [&str; 13] = [
        "uri",
        "uris",
        "paths",
        "host",
        "hosts",
        "service_id",
        "plugin_config_id",
        "priority",
        "status",
        "methods",
        "remote_addr",
        "remote_addrs",
        "vars",
    ];
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let mut part = Map::new();
    for name in MATCHING {
        let Some(value) = body.get(name) else { continue };
        part.insert(name.to_owned(), value.clone());
        if serde_json::from_value::<Route>(Value::Object(part.clone())).is_err() {
            part.remove(name);
        }
    }
    serde_json::from_value(Value::Object(part)).ok()
}

/// A route that refuses its requests. `service` is there when it names one, and has one when that can be read.
pub(crate) fn closed(route: &Route, slot: u32, id: &ResourceId, service: Option<&Option<Service>>) -> PlacedRoute {
    let closed = if service == Some(&None) { Closed::ServiceGone } else { Closed::Faulty };
    let vars = condition(route).ok().flatten();
    let (chain, upstream) = (Arc::default(), UpstreamChoice::None);
    let served = Served { vars, chain, upstream, websocket: false, closed: Some(closed) };
    place(route, slot, id, service.and_then(Option::as_ref), served)
}

/// The route's hosts, else its service's, else any.
fn hosts(route: &Route, service: Option<&Service>) -> Vec<Option<HostPattern>> {
    let mut hosts: Vec<_> = route.all_hosts().cloned().map(Some).collect();
    if hosts.is_empty() {
        hosts.extend(service.into_iter().flat_map(|service| &service.hosts).cloned().map(Some));
    }
    if hosts.is_empty() {
        hosts.push(None);
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

/// A path below its service's prefix: `/api` and `/users` give `/api/users`.
fn pattern(prefix: &str, path: &str) -> (String, Arc<PathPattern>) {
    let prefix = prefix.trim_end_matches('/');
    let whole = match path.starts_with('/') {
        true => format!("{prefix}{path}"),
        false => format!("{prefix}/{path}"),
    };
    let parsed = Arc::new(PathPattern::parse(&whole));
    (whole, parsed)
}

fn info(
    route: &Route,
    slot: u32,
    id: &ResourceId,
    service: Option<&Service>,
    path: &str,
    pattern: &PathPattern,
) -> RouteInfo {
    RouteInfo {
        slot,
        id: id.as_str().into(),
        name: route.name.as_deref().map(Into::into),
        labels: route.labels.clone(),
        uri: path.into(),
        host: route.all_hosts().next().map(|host| host.as_str().into()),
        service_id: route.service_id.as_ref().map(|id| id.as_str().into()),
        service_name: service.and_then(|service| service.name.as_deref()).map(Into::into),
        param_names: pattern.names.clone(),
    }
}

fn condition(route: &Route) -> Result<Option<Condition>, Fault> {
    let compiled = route.vars.as_ref().map(Condition::compile).transpose();
    compiled.map_err(|fault| fault.under("/vars"))
}

/// Service, then plugin config, then the route itself. A route that adds nothing shares its service's chain.
fn chain(route: &Route, context: &RouteContext<'_>, mut builder: ChainBuilder<'_>) -> Result<Arc<Chain>, Fault> {
    if let (Some(service), None, true) = (context.service, context.plugin_config, route.plugins.is_empty()) {
        return Ok(service.chain.clone());
    }
    if let Some(service) = context.service {
        builder.add_entries(service.chain.entries());
    }
    if let Some(plugin_config) = context.plugin_config {
        builder.add_entries(plugin_config.entries());
    }
    builder.add(&format!("route/{}", context.id), &route.plugins)?;
    Ok(builder.finish().shared())
}

/// The one it names, then its own, then its service's. Source: APISIX, which asks in this order.
fn upstream_choice(route: &Route, context: &RouteContext<'_>) -> Result<UpstreamChoice, Fault> {
    if let Some(slot) = context.upstream_slot {
        return Ok(UpstreamChoice::Shared(slot));
    }
    if let Some(own) = &route.upstream {
        let owner = format!("route/{}", context.id);
        let compiled =
            upstream::compile(context.slot, &owner, own, context.find_ssl).map_err(|fault| fault.under("/upstream"))?;
        return Ok(UpstreamChoice::Own(Arc::new(compiled)));
    }
    let inherited = context.service.map(|service| service.upstream.clone());
    Ok(inherited.unwrap_or(UpstreamChoice::None))
}

//! What a schema cannot say: one function per rule, all of them run.
//!
//! Source: the checks in APISIX's `schema_def.lua` and `apisix/admin/*.lua`.

use super::{Fault, escaped};
use crate::label::Labels;
use crate::reference::is_reference;
use crate::resource::{
    Balancer, Credential, HashOn, Node, Nodes, PassHost, Resource, Route, Scheme, Service, ServiceType, Ssl, SslType,
    StreamRoute, Upstream, UpstreamTls,
};
use crate::vars;

/// The plugins that a credential may carry.
const AUTHENTICATION: [&str; 4] = ["key-auth", "basic-auth", "jwt-auth", "hmac-auth"];

/// All faults of a resource whose shape is right.
pub(super) fn check(resource: &Resource) -> Vec<Fault> {
    let mut faults = Vec::new();
    match resource {
        Resource::Service(service) => check_service(service, &mut faults),
        Resource::Route(route) => check_route(route, &mut faults),
        Resource::StreamRoute(route) => check_stream_route(route, &mut faults),
        Resource::Upstream(upstream) => check_upstream(upstream, "", &mut faults),
        Resource::Consumer(consumer) => check_labels(&consumer.labels, &mut faults),
        Resource::Credential(credential) => check_credential(credential, &mut faults),
        Resource::Ssl(ssl) => check_ssl(ssl, &mut faults),
        Resource::PluginConfig(config) => check_labels(&config.labels, &mut faults),
        Resource::ConsumerGroup(group) => check_labels(&group.labels, &mut faults),
        Resource::Proto(proto) => check_labels(&proto.labels, &mut faults),
        Resource::GlobalRule(_) | Resource::PluginMetadata(_) | Resource::Secret(_) => {}
    }
    faults
}

fn check_service(service: &Service, faults: &mut Vec<Fault>) {
    check_labels(&service.labels, faults);
    let Some(upstream) = &service.upstream else { return };
    check_upstream(upstream, "/upstream", faults);
    let is_stream = is_stream(upstream.scheme);
    if is_stream != (service.service_type == ServiceType::Stream) {
        let right = if is_stream { "http, https, grpc or grpcs" } else { "tcp, tls or udp" };
        faults.push(Fault::new("/upstream/scheme", format!("must be {right} for a service of this type")));
    }
}

fn check_route(route: &Route, faults: &mut Vec<Fault>) {
    check_labels(&route.labels, faults);
    let given = [route.uri.is_some(), !route.uris.is_empty(), !route.paths.is_empty()];
    match given.iter().filter(|given| **given).count() {
        0 => faults.push(Fault::new("/paths", "at least one path is needed (paths, uri or uris)")),
        1 => {}
        _ => faults.push(Fault::new("/paths", "only one of paths, uri and uris may be given")),
    }
    let uri = route.uri.iter().map(|path| ("/uri".to_owned(), path));
    let uris = route.uris.iter().enumerate().map(|(n, path)| (format!("/uris/{n}"), path));
    let paths = route.paths.iter().enumerate().map(|(n, path)| (format!("/paths/{n}"), path));
    for (pointer, path) in uri.chain(uris).chain(paths) {
        check_path(path, pointer, faults);
    }
    exclusive(route.host.is_some(), !route.hosts.is_empty(), "/hosts", "host", faults);
    exclusive(route.remote_addr.is_some(), !route.remote_addrs.is_empty(), "/remote_addrs", "remote_addr", faults);
    if let Some(Err(fault)) = route.vars.as_ref().map(vars::parse) {
        faults.push(fault.under("/vars"));
    }
    if let Some(upstream) = &route.upstream {
        check_upstream(upstream, "/upstream", faults);
        if is_stream(upstream.scheme) {
            faults.push(Fault::new("/upstream/scheme", "must be http, https, grpc or grpcs for a route"));
        }
    }
}

fn check_path(path: &str, pointer: String, faults: &mut Vec<Fault>) {
    if !path.starts_with('/') && path != "*" {
        faults.push(Fault::new(pointer, format!("a path must start with \"/\", {path:?} does not")));
    } else if path.len() > 4096 {
        faults.push(Fault::new(pointer, "maximum string length is 4096"));
    } else if path.chars().any(char::is_control) {
        faults.push(Fault::new(pointer, "a path must not have control characters"));
    }
}

fn check_stream_route(route: &StreamRoute, faults: &mut Vec<Fault>) {
    check_labels(&route.labels, faults);
    if let Some(upstream) = &route.upstream {
        check_upstream(upstream, "/upstream", faults);
        if !is_stream(upstream.scheme) {
            faults.push(Fault::new("/upstream/scheme", "must be tcp, tls or udp for a stream route"));
        }
    }
}

/// `at` is the pointer of the upstream within the document; each rule points below the upstream.
fn check_upstream(upstream: &Upstream, at: &str, faults: &mut Vec<Fault>) {
    let mut own = Vec::new();
    check_targets(upstream, &mut own);
    if upstream.balancer == Balancer::Chash && upstream.hash_on != HashOn::Consumer && upstream.key.is_none() {
        own.push(Fault::new("/key", "is needed for chash by this hash_on"));
    }
    if upstream.pass_host == PassHost::Rewrite && upstream.upstream_host.is_none() {
        own.push(Fault::new("/upstream_host", "is needed when pass_host is \"rewrite\""));
    }
    if let Some(tls) = &upstream.tls {
        check_upstream_tls(tls, &mut own);
    }
    check_labels(&upstream.labels, &mut own);
    faults.extend(own.into_iter().map(|fault| fault.under(at)));
}

/// Where the requests go: fixed nodes, or a name in a registry.
fn check_targets(upstream: &Upstream, faults: &mut Vec<Fault>) {
    let (name, registry) = (upstream.service_name.is_some(), upstream.discovery_type.is_some());
    match (&upstream.nodes, name || registry) {
        (None, false) => faults.push(Fault::new("/nodes", "nodes are needed, or service_name with discovery_type")),
        (Some(_), true) => faults.push(Fault::new("/nodes", "nodes and service discovery exclude each other")),
        _ => {}
    }
    if registry && !name {
        faults.push(Fault::new("/service_name", "is needed with discovery_type"));
    }
    if name && !registry {
        faults.push(Fault::new("/discovery_type", "is needed with service_name"));
    }
    let Some(Nodes::Map(map)) = &upstream.nodes else { return };
    for address in map.keys() {
        if let Err(message) = Node::from_address(address, 0) {
            faults.push(Fault::new(format!("/nodes/{}", escaped(address)), message));
        }
    }
}

fn check_upstream_tls(tls: &UpstreamTls, faults: &mut Vec<Fault>) {
    if tls.client_cert.is_some() != tls.client_key.is_some() {
        faults.push(Fault::new("/tls", "client_cert and client_key go together"));
    }
    exclusive(tls.client_cert.is_some(), tls.client_cert_id.is_some(), "/tls/client_cert_id", "client_cert", faults);
    let cert = tls.client_cert.iter().map(|text| ("/tls/client_cert".to_owned(), text));
    let key = tls.client_key.iter().map(|text| ("/tls/client_key".to_owned(), text));
    check_pem(cert.chain(key), faults);
}

fn check_credential(credential: &Credential, faults: &mut Vec<Fault>) {
    check_labels(&credential.labels, faults);
    if credential.plugins.len() != 1 {
        faults.push(Fault::new("/plugins", "must have exactly one authentication plugin"));
    }
    for name in credential.plugins.keys().filter(|name| !AUTHENTICATION.contains(&name.as_str())) {
        let message = format!("must be one of {}", AUTHENTICATION.join(", "));
        faults.push(Fault::new(format!("/plugins/{}", escaped(name)), message));
    }
}

fn check_ssl(ssl: &Ssl, faults: &mut Vec<Fault>) {
    check_labels(&ssl.labels, faults);
    exclusive(ssl.sni.is_some(), !ssl.snis.is_empty(), "/snis", "sni", faults);
    if ssl.ssl_type == SslType::Server && ssl.all_snis().next().is_none() {
        faults.push(Fault::new("/snis", "at least one server name is needed"));
    }
    if ssl.certs.len() != ssl.keys.len() {
        faults.push(Fault::new("/keys", "must have as many entries as certs"));
    }
    let own = [("/cert".to_owned(), &ssl.cert), ("/key".to_owned(), &ssl.key)];
    let certs = ssl.certs.iter().enumerate().map(|(n, text)| (format!("/certs/{n}"), text));
    let keys = ssl.keys.iter().enumerate().map(|(n, text)| (format!("/keys/{n}"), text));
    let ca = ssl.client.iter().map(|client| ("/client/ca".to_owned(), &client.ca));
    check_pem(own.into_iter().chain(certs).chain(keys).chain(ca), faults);
    for (n, pattern) in ssl.client.iter().flat_map(|client| &client.skip_mtls_uri_regex).enumerate() {
        if let Err(message) = vars::compile_regex(pattern) {
            faults.push(Fault::new(format!("/client/skip_mtls_uri_regex/{n}"), message));
        }
    }
}

/// Only what is no PEM at all is refused here; `plan` reads it.
fn check_pem<'a>(texts: impl Iterator<Item = (String, &'a String)>, faults: &mut Vec<Fault>) {
    let wrong = texts.filter(|(_, text)| !text.contains("-----BEGIN ") && !is_reference(text));
    faults.extend(wrong.map(|(pointer, _)| Fault::new(pointer, "must be in PEM form")));
}

/// Labels are looked up by their keys, which therefore must fit into a database's index.
const LABEL_KEY_BYTES: usize = 1024;

/// Longer and freer than in APISIX, which refuses white space: API7's clients also send lists of values as JSON text.
fn check_labels(labels: &Labels, faults: &mut Vec<Fault>) {
    for (key, value) in labels {
        let pointer = || format!("/labels/{}", escaped(key));
        if key.is_empty() || value.is_empty() {
            faults.push(Fault::new(pointer(), "a label must have a key and a value, neither may be empty"));
        } else if key.len() > LABEL_KEY_BYTES {
            faults.push(Fault::new("/labels", format!("maximum length of a label's key is {LABEL_KEY_BYTES}")));
        } else if value.len() > 65_536 {
            faults.push(Fault::new(pointer(), "maximum string length is 65536"));
        }
    }
}

fn exclusive(one: bool, other: bool, pointer: &str, name: &str, faults: &mut Vec<Fault>) {
    if one && other {
        faults.push(Fault::new(pointer, format!("excludes {name}: give one of them")));
    }
}

fn is_stream(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::Tcp | Scheme::Tls | Scheme::Udp)
}

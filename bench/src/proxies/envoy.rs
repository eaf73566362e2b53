//! Envoy, one worker.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Site, Subject, free_address};
use crate::case::{Case, Peer};

/// Starts the program at `envoy`.
pub(crate) fn start(envoy: &Path, case: Case, site: &Site) -> Result<Subject> {
    let address = free_address()?;
    let file = site.dir.join(format!("envoy-{case}.json"));
    fs::write(&file, serde_json::to_vec_pretty(&config(case, address, site))?)?;
    let mut command = Command::new(envoy);
    command.arg("-c").arg(&file).args(["--concurrency", "1", "-l", "error", "--disable-hot-restart"]);
    Subject::start(Peer::Envoy, case, command, address, site)
}

fn config(case: Case, address: SocketAddr, site: &Site) -> Value {
    let mut chain = json!({ "filters": [connection_manager(address)] });
    if case == Case::Tls {
        chain["transport_socket"] = tls(site);
    }
    json!({ "static_resources": {
        "listeners": [{ "name": "bench", "address": socket(address), "filter_chains": [chain] }],
        "clusters": [cluster(site.upstream)],
    }})
}

fn connection_manager(address: SocketAddr) -> Value {
    let set = |key: &str, value: String| json!({ "header": { "key": key, "value": value }, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" });
    json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "use_remote_address": true,
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "route_config": { "virtual_hosts": [{
            "name": "bench", "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "upstream", "timeout": "60s" } }],
            "request_headers_to_add": [
                set("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%".to_owned()),
                set("x-forwarded-host", "%REQ(:authority)%".to_owned()),
                set("x-forwarded-port", address.port().to_string()),
            ],
        }]},
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        }}],
    }})
}

fn cluster(upstream: SocketAddr) -> Value {
    let limits = json!({ "max_connections": 16384, "max_pending_requests": 16384, "max_requests": 16384 });
    json!({
        "name": "upstream", "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": { "thresholds": [limits] },
        "load_assignment": { "cluster_name": "upstream", "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": socket(upstream) } }
        ]}]},
    })
}

fn tls(site: &Site) -> Value {
    let certificate = json!({
        "certificate_chain": { "filename": site.certificate.chain_file },
        "private_key": { "filename": site.certificate.key_file },
    });
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["http/1.1"],
            "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3" },
            "tls_certificates": [certificate],
        },
    }})
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

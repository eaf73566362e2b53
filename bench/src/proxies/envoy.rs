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
    let mut chain = json!({ "filters": [connection_manager(case, address)] });
    if case.is_tls() {
        chain["transport_socket"] = tls(case, site);
    }
    json!({ "static_resources": {
        "listeners": [{ "name": "bench", "address": socket(address), "filter_chains": [chain] }],
        "clusters": [cluster(case, site)],
    }})
}

fn is_http2(case: Case) -> bool {
    matches!(case, Case::Http2 | Case::Grpc)
}

fn connection_manager(case: Case, address: SocketAddr) -> Value {
    let upgrades = if case == Case::WebSocket { json!([{ "upgrade_type": "websocket" }]) } else { json!([]) };
    let set = |key: &str, value: String| json!({ "header": { "key": key, "value": value }, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" });
    json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": if is_http2(case) { "HTTP2" } else { "HTTP1" },
        "upgrade_configs": upgrades,
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

fn cluster(case: Case, site: &Site) -> Value {
    let limits = json!({ "max_connections": 16384, "max_pending_requests": 16384, "max_requests": 16384 });
    let mut cluster = json!({
        "name": "upstream", "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": { "thresholds": [limits] },
        "load_assignment": { "cluster_name": "upstream", "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": socket(site.upstream(case)) } }
        ]}]},
    });
    if case == Case::Grpc {
        cluster["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        }});
    }
    cluster
}

fn tls(case: Case, site: &Site) -> Value {
    let certificate = json!({
        "certificate_chain": { "filename": site.certificate.chain_file },
        "private_key": { "filename": site.certificate.key_file },
    });
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": [if is_http2(case) { "h2" } else { "http/1.1" }],
            "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3" },
            "tls_certificates": [certificate],
        },
    }})
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

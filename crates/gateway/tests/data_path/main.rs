//! A request's way through a gateway, over real sockets. One binary, for linking it takes longer than running it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod balancing;
mod bodies;
mod cases;
mod client_faults;
mod connections;
mod drain;
mod floods;
mod framing;
mod grpc;
mod headers;
mod health;
mod health_fields;
mod http2;
mod http2_abuse;
mod limits;
mod logging;
mod merging;
mod names;
mod paths;
mod phases;
mod plan_swap;
mod plugin_answers;
mod proxying;
mod retries;
mod sinks;
mod support;
mod timeouts;
mod tls;
mod tls_nodes;
mod tls_versions;
mod upgrades;
mod upstream_faults;

//! What a client of an instance can take, as arguments.

use std::time::Duration;

use clap::{Args, value_parser};
use gateway::Limits;

use crate::duration;

/// The settings of nginx's `worker_connections`, `client_header_timeout`, `client_body_timeout`, `large_client_header_buffers`
/// and `http2_max_concurrent_streams`, and what goes beyond them.
#[derive(Debug, Args)]
pub(crate) struct LimitArguments {
    /// Most connections of clients per worker; further ones are closed at once.
    #[arg(long, env = "FLOTILLA_MAX_CONNECTIONS", value_parser = value_parser!(u32).range(1..), default_value = "100000")]
    max_connections: u32,
    /// How long a client's connection may be idle, or slow with a request's head.
    #[arg(long, env = "FLOTILLA_CLIENT_IDLE", default_value = "60s", value_parser = duration::parse, value_name = "TIME")]
    client_idle: Duration,
    /// How long a client may take between two pieces of a request's body, and to take the next piece of an answer.
    #[arg(long, env = "FLOTILLA_CLIENT_BODY", default_value = "60s", value_parser = duration::parse, value_name = "TIME")]
    client_body: Duration,
    /// Most bytes of a request's head; more are answered with 431.
    #[arg(long, env = "FLOTILLA_MAX_HEAD_BYTES", value_parser = value_parser!(u32).range(1024..), default_value = "65536")]
    max_head_bytes: u32,
    /// Most headers of a request; more are answered with 431.
    #[arg(long, env = "FLOTILLA_MAX_HEADERS", value_parser = value_parser!(u32).range(1..), default_value = "100")]
    max_headers: u32,
    /// Most requests at once on a connection of HTTP/2.
    #[arg(long, env = "FLOTILLA_HTTP2_MAX_STREAMS", value_parser = value_parser!(u32).range(1..), default_value = "128")]
    http2_max_streams: u32,
    /// Most frames that ask for nothing (PING, SETTINGS, RST_STREAM, PRIORITY, unknown ones) on a connection of HTTP/2; every 16
    /// bytes of answers taken, and each second, give one back.
    #[arg(long, env = "FLOTILLA_HTTP2_MAX_IDLE_FRAMES", default_value = "1000")]
    http2_max_idle_frames: u32,
    /// Most requests on a connection of HTTP/2 that are reset before they were taken up, at once.
    #[arg(long, env = "FLOTILLA_HTTP2_MAX_PENDING_RESETS", default_value = "20")]
    http2_max_pending_resets: u32,
    /// Most requests on a connection of HTTP/2 that are refused because they break its rules, in all.
    #[arg(long, env = "FLOTILLA_HTTP2_MAX_FAULTY_REQUESTS", default_value = "1024")]
    http2_max_faulty_requests: u32,
    /// Connections of HTTP/2 from one address that may end because they broke its rules or one of these bounds, per worker, one
    /// being forgiven each second; from then on its new connections are closed at once. Trusted addresses are not counted. 0 for
    /// no bound.
    #[arg(long, env = "FLOTILLA_HTTP2_MAX_BREACHES", default_value = "10")]
    http2_max_breaches: u32,
}

impl LimitArguments {
    pub(crate) fn settings(&self) -> Limits {
        Limits {
            connections: self.max_connections as usize,
            client_idle: self.client_idle,
            head_bytes: self.max_head_bytes as usize,
            headers: self.max_headers as usize,
            streams: self.http2_max_streams,
            idle_frames: self.http2_max_idle_frames,
            pending_resets: self.http2_max_pending_resets,
            faulty_requests: self.http2_max_faulty_requests,
            breaches: self.http2_max_breaches,
            client_body: self.client_body,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        limits: LimitArguments,
    }

    #[test]
    fn without_arguments_the_limits_are_the_gateways_own() {
        let command = Command::try_parse_from(["gateway"]).expect("nothing is asked for");
        assert_eq!(command.limits.settings(), Limits::default());
    }

    #[test]
    fn every_limit_can_be_set() {
        let given = [
            "gateway",
            "--max-connections=1",
            "--client-idle=2s",
            "--client-body=3s",
            "--max-head-bytes=4096",
            "--max-headers=5",
            "--http2-max-streams=6",
            "--http2-max-idle-frames=7",
            "--http2-max-pending-resets=8",
            "--http2-max-faulty-requests=9",
            "--http2-max-breaches=0",
        ];
        let limits = Limits {
            connections: 1,
            client_idle: Duration::from_secs(2),
            client_body: Duration::from_secs(3),
            head_bytes: 4096,
            headers: 5,
            streams: 6,
            idle_frames: 7,
            pending_resets: 8,
            faulty_requests: 9,
            breaches: 0,
        };
        assert_eq!(Command::try_parse_from(given).expect("all of them").limits.settings(), limits);
    }

    #[test]
    fn a_limit_that_would_let_nobody_in_is_refused() {
        for wrong in [
            "--max-connections=0",
            "--max-head-bytes=100",
            "--max-headers=0",
            "--http2-max-streams=0",
            "--client-body=x",
        ] {
            assert!(Command::try_parse_from(["gateway", wrong]).is_err(), "{wrong}");
        }
    }
}

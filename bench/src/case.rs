//! The cases and the peers, by their names on the command line and in reports.

use std::fmt;
use std::str::FromStr;

use crate::load::route_path;

/// A kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Case {
    /// One route for everything; ours counts metrics.
    Plain,
    /// Key-auth, limit-count and metrics.
    Auth,
    /// Plain, over TLS.
    Tls,
    /// HTTP/2 over TLS from the client, HTTP/1.1 to the upstream.
    Http2,
    /// Unary gRPC calls, HTTP/2 without TLS on both sides.
    Grpc,
    /// Messages that come back on kept WebSockets.
    WebSocket,
    /// A TLS connection for each request.
    Handshakes,
    /// That many exact routes, hit at random.
    Routes(u32),
}

/// All but those with a number.
const NAMED: [(Case, &str); 7] = [
    (Case::Plain, "plain"),
    (Case::Auth, "auth"),
    (Case::Tls, "tls"),
    (Case::Http2, "h2"),
    (Case::Grpc, "grpc"),
    (Case::WebSocket, "websocket"),
    (Case::Handshakes, "handshakes"),
];

/// Header lines of every request of [`Case::Auth`].
const KEY: &[&str] = &["apikey: bench-key"];

impl Case {
    /// The header lines its requests need.
    pub(crate) fn headers(self) -> &'static [&'static str] {
        match self {
            Case::Auth => KEY,
            Case::Handshakes => &["Connection: close"],
            _ => &[],
        }
    }

    /// A path that must be answered rightly.
    pub(crate) fn first_path(self) -> String {
        match self {
            Case::Routes(_) => route_path(0),
            Case::Grpc => "/bench.Echo/Say".to_owned(),
            _ => "/hello".to_owned(),
        }
    }

    /// Whether clients speak TLS.
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Case::Tls | Case::Http2 | Case::Handshakes)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NAMED.iter().find(|(case, _)| case == self)) {
            (_, Some((_, name))) => f.write_str(name),
            (Case::Routes(routes), _) => write!(f, "routes-{routes}"),
            (other, None) => write!(f, "{other:?}"),
        }
    }
}

impl FromStr for Case {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((case, _)) = NAMED.iter().find(|(_, name)| *name == text) {
            return Ok(*case);
        }
        let routes = text.strip_prefix("routes-").and_then(|count| count.parse().ok());
        routes.filter(|count| (1..=1_000_000).contains(count)).map(Case::Routes).ok_or_else(|| {
            let names: Vec<_> = NAMED.iter().map(|(_, name)| *name).collect();
            format!("{text:?} is none of {}, routes-1 to routes-1000000", names.join(", "))
        })
    }
}

/// A proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Peer {
    /// Our gateway.
    Flotilla,
    /// nginx of the distribution.
    Nginx,
    /// HAProxy of the distribution.
    Haproxy,
    /// Envoy.
    Envoy,
    /// The floor: HAProxy relaying bytes.
    Relay,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peer::Flotilla => "flotilla",
            Peer::Nginx => "nginx",
            Peer::Haproxy => "haproxy",
            Peer::Envoy => "envoy",
            Peer::Relay => "relay",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_reads_what_it_writes() {
        for case in NAMED.iter().map(|(case, _)| *case).chain([Case::Routes(10_000)]) {
            assert_eq!(case.to_string().parse(), Ok(case));
        }
        for text in ["", "routes-", "routes-0", "routes-1000001", "Plain"] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }
}

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
    /// That many exact routes, hit at random.
    Routes(u32),
}

/// Header lines of every request of [`Case::Auth`].
const KEY: &[&str] = &["apikey: bench-key"];

impl Case {
    /// The header lines its requests need.
    pub(crate) fn headers(self) -> &'static [&'static str] {
        if self == Case::Auth { KEY } else { &[] }
    }

    /// A path that must be answered rightly.
    pub(crate) fn first_path(self) -> String {
        match self {
            Case::Routes(_) => route_path(0),
            Case::Plain | Case::Auth | Case::Tls => "/hello".to_owned(),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Case::Plain => f.write_str("plain"),
            Case::Auth => f.write_str("auth"),
            Case::Tls => f.write_str("tls"),
            Case::Routes(routes) => write!(f, "routes-{routes}"),
        }
    }
}

impl FromStr for Case {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is none of plain, auth, tls, routes-1 to routes-1000000");
        match text {
            "plain" => Ok(Case::Plain),
            "auth" => Ok(Case::Auth),
            "tls" => Ok(Case::Tls),
            _ => {
                let routes = text.strip_prefix("routes-").and_then(|count| count.parse().ok());
                routes.filter(|count| (1..=1_000_000).contains(count)).map(Case::Routes).ok_or_else(unknown)
            }
        }
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
        for case in [Case::Plain, Case::Auth, Case::Tls, Case::Routes(10_000)] {
            assert_eq!(case.to_string().parse(), Ok(case));
        }
        for text in ["", "routes-", "routes-0", "routes-1000001", "Plain"] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }
}

//! What an instance is told when it starts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::access_log::ACCESS_LOG_FORMAT;

/// Settings of a gateway instance's data plane. Every field has a default that serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses for HTTP traffic.
    pub http: Vec<SocketAddr>,
    /// Addresses for HTTPS traffic.
    pub https: Vec<SocketAddr>,
    /// Address of `/status` and `/status/ready`; `None` for none.
    pub status: Option<SocketAddr>,
    /// Address of the metrics; `None` for none.
    pub metrics: Option<SocketAddr>,
    /// Worker threads; each has its own listeners, connections and pools.
    pub workers: usize,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// Its lines: text with variables, which are a dash where they have no value.
    pub access_log_format: String,
    /// Limits on what a client can take.
    pub limits: Limits,
    /// Clients whose `X-Forwarded-Proto`, `-Host`, `-Port` and `Forwarded` are believed. Where there are any, another client's
    /// `X-Forwarded-For` goes, too.
    pub trusted: Networks,
    /// How long open requests may take after a stop was asked for.
    pub drain: Duration,
    /// How the names of nodes are looked up.
    pub dns: Dns,
    /// Gives memory that the calling thread does not need back to the system: what the allocator knows to do for its own thread
    /// only. Each thread calls it now and then while it has nothing better to do.
    pub give_back: fn(),
}

/// Networks of addresses.
#[derive(Debug, Clone, Default)]
pub struct Networks(Arc<[IpNet]>);

impl Networks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the address is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = String;

    /// Addresses and networks, parted by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let networks = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        networks.map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    text.parse().or_else(|_| address()).map_err(|_| format!("{text} is no IP address and no network (10.0.0.0/8)"))
}

/// How the names of nodes are looked up. The times to live are those of the records, within bounds.
#[derive(Debug, Clone)]
pub struct Dns {
    /// The name servers; none for those in `resolv_conf`.
    pub servers: Vec<SocketAddr>,
    /// Name servers, search domains and options, as resolv.conf(5) has them.
    pub resolv_conf: PathBuf,
    /// Addresses that need no name server, as hosts(5) has them.
    pub hosts_file: PathBuf,
    /// Whether the search domains are tried.
    pub search: bool,
    /// Which addresses are asked for.
    pub families: AddressFamilies,
    /// How long a lookup may take, with all its tries.
    pub timeout: Duration,
    /// Addresses are kept at least this long.
    pub ttl_min: Duration,
    /// Addresses are kept at most this long.
    pub ttl_max: Duration,
    /// How long after their time addresses serve on while no name server answers.
    pub stale: Duration,
}

/// Which addresses of a name are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamilies {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// IPv6 where there is no IPv4.
    Ipv4First,
    /// IPv4 where there is no IPv6.
    Ipv6First,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// Limits on what a client can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most connections per worker; above it new ones are closed at once.
    pub connections: usize,
    /// From opening a connection, or from the last answer on it, to the end of the next request's head.
    pub client_idle: Duration,
    /// Most bytes of a request's head.
    pub head_bytes: usize,
    /// Most headers of a request.
    pub headers: usize,
    /// Most requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Most frames on one HTTP/2 connection that ask for nothing (PING, SETTINGS, PRIORITY, RST_STREAM, unknown ones): one is
    /// given back for every 16 bytes of answers that the client takes, and each second.
    pub idle_frames: u32,
    /// Most requests on one HTTP/2 connection that lie reset before they were taken up. A flood resets its requests in the packet
    /// that opens them, whoever changes his mind is slower.
    pub pending_resets: u32,
    /// Most requests on one HTTP/2 connection that were reset because they broke the rules, in all.
    pub faulty_requests: u32,
    /// HTTP/2 connections of one address, an IPv6 network of 64 bits being one, that may end because they broke the rules: from
    /// so many on its new connections are closed at once. One is forgiven each second. Each worker counts for itself, and trusted
    /// addresses are not counted; 0 for no bound.
    pub breaches: u32,
    /// Between two pieces of a request's body, and between two writes the client takes.
    pub client_body: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http: vec![SocketAddr::from(([0, 0, 0, 0], 9080))],
            https: vec![SocketAddr::from(([0, 0, 0, 0], 9443))],
            status: Some(SocketAddr::from(([127, 0, 0, 1], 7085))),
            metrics: Some(SocketAddr::from(([127, 0, 0, 1], 9091))),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            access_log: AccessLog::Off,
            access_log_format: ACCESS_LOG_FORMAT.to_owned(),
            limits: Limits::default(),
            trusted: Networks::default(),
            drain: Duration::from_secs(30),
            dns: Dns::default(),
            give_back: || (),
        }
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            resolv_conf: "/etc/resolv.conf".into(),
            hosts_file: "/etc/hosts".into(),
            search: true,
            families: AddressFamilies::Ipv4First,
            timeout: Duration::from_secs(5),
            ttl_min: Duration::from_secs(1),
            ttl_max: Duration::from_secs(24 * 3600),
            stale: Duration::from_secs(24 * 3600),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            client_idle: Duration::from_secs(60),
            head_bytes: 64 * 1024,
            headers: 100,
            streams: 128,
            idle_frames: 1000,
            pending_resets: 20,
            faulty_requests: 1024,
            breaches: 10,
            client_body: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_from_a_list() {
        let networks: Networks = "10.0.0.0/8, 192.0.2.1,,2001:db8::/32".parse().expect("a list");
        for (address, is_in) in [
            ("10.1.2.3", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(networks.contains(address.parse().expect("an address")), is_in, "{address}");
        }
        assert!(!Networks::default().contains(IpAddr::from([127, 0, 0, 1])));
        let fault = "10.0.0.0/8,nowhere".parse::<Networks>().expect_err("a fault");
        assert!(fault.starts_with("nowhere is no IP address"), "{fault}");
    }
}

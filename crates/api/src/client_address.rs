//! Where a request comes from: its connection's peer or, when that is a proxy that the operator trusts, whom the proxy names.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies whose `X-Forwarded-For` is believed. Of anybody else it is what a client says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// The client of a connection that comes from `peer`. Each proxy puts at the end by whom it was asked, so the header is read
    /// from its end, as far as those who speak are trusted.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() {
            return client;
        }
        let lines = headers.get_all(FORWARDED_FOR).into_iter();
        let hops: Vec<&str> = lines.flat_map(|line| line.to_str().unwrap_or_default().split(',')).collect();
        for hop in hops.into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = parse(hop) else { break };
            client = address;
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address, as proxies write them: with a port or without, an IPv6 one in brackets or not.
fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let socket = || hop.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse::<IpAddr>().ok().or_else(socket).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&'static str]) -> String {
        let networks: Vec<IpNet> = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        TrustedProxies::new(&networks).client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(client(&proxies, "10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&proxies, "::ffff:10.0.0.1", &["192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(client(&proxies, "fd00::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client(&proxies, "fd00::1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(client(&proxies, "10.0.0.1", &["192.0.2.7", "10.0.0.2"]), "192.0.2.7", "two lines, two proxies");
        assert_eq!(client(&proxies, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_says_of_itself_is_not_believed() {
        assert_eq!(client(&[], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        // It wrote the first itself; the proxy added from where it came.
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9, unknown"]), "10.0.0.1");
    }
}

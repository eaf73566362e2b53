//! Sets of addresses and networks, asked once per request.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use model::Fault;
use serde_json::{Value, json};

/// Addresses and networks as sorted ranges that do not overlap: a look-up is one binary search.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct IpSet {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

/// The schema of an address or network. Source: `ip_def` of APISIX's `schema_def.lua`.
pub(crate) fn item_schema() -> Value {
    const BYTE: &str = "([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])";
    let v4 = [BYTE; 4].join("\\.");
    let v6 = "([a-fA-F0-9]{0,4}:){1,8}(:[a-fA-F0-9]{0,4}){0,8}([a-fA-F0-9]{0,4})?";
    json!({
        "anyOf": [
            { "title": "IPv4", "type": "string", "format": "ipv4" },
            { "title": "IPv4/CIDR", "type": "string", "pattern": format!("^{v4}/([12]?[0-9]|3[0-2])$") },
            { "title": "IPv6", "type": "string", "format": "ipv6" },
            { "title": "IPv6/CIDR", "type": "string", "pattern": format!("^{v6}/[0-9]{{1,3}}$") },
        ],
    })
}

impl IpSet {
    /// Reads a list that stands at `pointer`.
    ///
    /// # Errors
    /// APISIX's text for the first entry that is neither an address nor a network.
    pub(crate) fn parse(texts: &[String], pointer: &str) -> Result<Self, Fault> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (at, text) in texts.iter().enumerate() {
            let invalid = || Fault::new(format!("{pointer}/{at}"), format!("invalid ip address: {text}"));
            match network(text).ok_or_else(invalid)? {
                IpNet::V4(net) => v4.push((net.network().into(), net.broadcast().into())),
                IpNet::V6(net) => v6.push((net.network().into(), net.broadcast().into())),
            }
        }
        Ok(Self { v4: merged(v4), v6: merged(v6) })
    }

    /// Whether the address is in the set. An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`) is what it is.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.into()),
            IpAddr::V6(address) => holds(&self.v6, address.into()),
        }
    }
}

/// A network, or an address as a network of one. One of IPv4 that is written in IPv6 (RFC 4291, section 2.5.5.2) is what it is, as
/// the addresses asked for are.
fn network(text: &str) -> Option<IpNet> {
    const MAPPED: u8 = 96;
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let net = text.parse().ok().or_else(address)?;
    let mapped = match net {
        IpNet::V6(net) => net.addr().to_ipv4_mapped().zip(net.prefix_len().checked_sub(MAPPED)),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((address, length)) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        None => Some(net),
    }
}

fn merged<N: Ord + Copy>(mut ranges: Vec<(N, N)>) -> Box<[(N, N)]> {
    ranges.sort_unstable();
    let mut merged: Vec<(N, N)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(previous) if first <= previous.1 => previous.1 = previous.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged.into()
}

fn holds<N: Ord + Copy>(ranges: &[(N, N)], number: N) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= number);
    let candidate = after.checked_sub(1).and_then(|at| ranges.get(at));
    candidate.is_some_and(|(_, last)| number <= *last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(texts: &[&str]) -> IpSet {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        IpSet::parse(&texts, "/list").expect("addresses")
    }

    #[test]
    fn addresses_and_networks_of_both_kinds() {
        let set = set(&["127.0.0.1", "10.0.0.0/8", "10.1.0.0/16", "192.0.2.4/30", "::1", "2001:db8::/32"]);
        let inside = ["127.0.0.1", "10.0.0.0", "10.255.255.255", "192.0.2.7", "::1", "2001:db8:1::5"];
        let outside = ["127.0.0.2", "9.255.255.255", "11.0.0.0", "192.0.2.8", "::2", "2001:db9::", "0.0.0.0"];
        for text in inside {
            assert!(set.contains(text.parse().expect("address")), "{text}");
        }
        for text in outside {
            assert!(!set.contains(text.parse().expect("address")), "{text}");
        }
        assert!(set.contains("::ffff:127.0.0.1".parse().expect("address")), "mapped");
        assert!(self::set(&["0.0.0.0/0"]).contains("203.0.113.9".parse().expect("address")));
    }

    #[test]
    fn an_ipv4_network_written_in_ipv6_is_what_it_is() {
        let set = set(&["::ffff:198.51.100.0/120", "::ffff:203.0.113.9"]);
        for text in ["198.51.100.77", "::ffff:198.51.100.77", "203.0.113.9"] {
            assert!(set.contains(text.parse().expect("address")), "{text}");
        }
        for text in ["198.51.101.77", "203.0.113.8", "::198.51.100.77"] {
            assert!(!set.contains(text.parse().expect("address")), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        let fault = IpSet::parse(&["::1".into(), "1::2::3".into()], "/whitelist").expect_err("a fault");
        assert_eq!((fault.pointer.as_str(), fault.message.as_str()), ("/whitelist/1", "invalid ip address: 1::2::3"));
        assert!(IpSet::parse(&["::1/129".into()], "").is_err());
    }

    proptest! {
        #[test]
        fn as_asking_each_network(nets in prop::collection::vec((any::<u32>(), 0u8..=32), 0..12), address in any::<u32>()) {
            let nets: Vec<_> =
                nets.iter().filter_map(|(base, length)| ipnet::Ipv4Net::new((*base).into(), *length).ok()).collect();
            let texts: Vec<_> = nets.iter().map(ToString::to_string).collect();
            let set = IpSet::parse(&texts, "").expect("networks");
            // Near the edges too, where ranges go wrong.
            let edges = nets.iter().flat_map(|net| {
                let (first, last): (u32, u32) = (net.network().into(), net.broadcast().into());
                [first.wrapping_sub(1), first, last, last.wrapping_add(1)]
            });
            for address in edges.chain([address]).map(std::net::Ipv4Addr::from) {
                prop_assert_eq!(set.contains(address.into()), nets.iter().any(|net| net.contains(&address)));
            }
        }
    }
}

//! How an instance looks up the names of nodes, as arguments.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gateway::{AddressFamilies, Dns};

use crate::duration;

const PORT: u16 = 53;

/// The settings of APISIX's `dns_resolver`, `dns_resolver_valid`, `resolver_timeout`, `enable_resolv_search_opt` and
/// `enable_ipv6`, and what goes beyond them.
#[derive(Debug, Args)]
pub(crate) struct DnsArguments {
    /// Name servers for the names of nodes, as IP or IP:port; those of the machine when absent.
    #[arg(long, env = "FLOTILLA_DNS_SERVERS", value_delimiter = ',', value_parser = server, value_name = "IP[:PORT]")]
    dns_servers: Vec<SocketAddr>,
    /// Where the machine's name servers, search domains and options stand.
    #[arg(long, env = "FLOTILLA_DNS_RESOLV_CONF", default_value = "/etc/resolv.conf", value_name = "FILE")]
    dns_resolv_conf: PathBuf,
    /// Addresses that need no name server.
    #[arg(long, env = "FLOTILLA_DNS_HOSTS_FILE", default_value = "/etc/hosts", value_name = "FILE")]
    dns_hosts_file: PathBuf,
    /// Whether search domains are tried.
    #[arg(long, env = "FLOTILLA_DNS_SEARCH", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    dns_search: bool,
    /// Which addresses are asked for.
    #[arg(long, env = "FLOTILLA_DNS_FAMILIES", value_enum, default_value_t = Families::Ipv4First)]
    dns_families: Families,
    /// How long a lookup may take, with all its tries.
    #[arg(long, env = "FLOTILLA_DNS_TIMEOUT", default_value = "5s", value_parser = duration::parse, value_name = "TIME")]
    dns_timeout: Duration,
    /// Addresses are kept at least this long, whatever their records say.
    #[arg(long, env = "FLOTILLA_DNS_TTL_MIN", default_value = "1s", value_parser = duration::parse, value_name = "TIME")]
    dns_ttl_min: Duration,
    /// Addresses are kept at most this long, whatever their records say.
    #[arg(long, env = "FLOTILLA_DNS_TTL_MAX", default_value = "24h", value_parser = duration::parse, value_name = "TIME")]
    dns_ttl_max: Duration,
    /// How long addresses serve on after their time, while no name server answers.
    #[arg(long, env = "FLOTILLA_DNS_STALE", default_value = "24h", value_parser = duration::parse, value_name = "TIME")]
    dns_stale: Duration,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Families {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// IPv6 where there is no IPv4.
    Ipv4First,
    /// IPv4 where there is no IPv6.
    Ipv6First,
}

impl DnsArguments {
    pub(crate) fn settings(&self) -> Dns {
        Dns {
            servers: self.dns_servers.clone(),
            resolv_conf: self.dns_resolv_conf.clone(),
            hosts_file: self.dns_hosts_file.clone(),
            search: self.dns_search,
            families: match self.dns_families {
                Families::Ipv4 => AddressFamilies::Ipv4,
                Families::Ipv6 => AddressFamilies::Ipv6,
                Families::Ipv4First => AddressFamilies::Ipv4First,
                Families::Ipv6First => AddressFamilies::Ipv6First,
            },
            timeout: self.dns_timeout,
            ttl_min: self.dns_ttl_min,
            ttl_max: self.dns_ttl_max,
            stale: self.dns_stale,
        }
    }
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    let given = with_port.or_else(|_| text.parse());
    given.map_err(|_| format!("{text:?} is no address; write it as 10.0.0.2, 10.0.0.2:53, ::1 or [::1]:53"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_given_with_and_without_a_port() {
        let cases = [
            ("10.0.0.2", "10.0.0.2:53"),
            ("10.0.0.2:5353", "10.0.0.2:5353"),
            ("::1", "[::1]:53"),
            ("[::1]:54", "[::1]:54"),
        ];
        for (text, address) in cases {
            assert_eq!(server(text).map(|server| server.to_string()).as_deref(), Ok(address));
        }
        for wrong in ["", "ns.example", "10.0.0.2:", "10.0.0.256"] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }
}

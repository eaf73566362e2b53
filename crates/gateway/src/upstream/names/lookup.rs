//! Asking for a name's addresses.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};

use super::sources::{Known, Sources};
use crate::settings::{AddressFamilies, Dns};

/// What is in the hosts file has no time to live.
const FROM_FILE: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Addresses, and how long they are good.
    Found { addresses: Box<[IpAddr]>, ttl: Duration },
    /// There are none, says who must know, and how long that is good.
    None { ttl: Option<Duration> },
    /// Nobody told.
    Failed(Box<str>),
}

/// Looks names up as the settings say.
pub(super) struct Lookup {
    settings: Dns,
    sources: Sources,
}

impl Lookup {
    pub(super) fn new(settings: Dns) -> Self {
        Self { sources: Sources::new(settings.clone()), settings }
    }

    /// Looks a name up, in the hosts file first.
    pub(super) async fn look(&self, host: &str) -> Outcome {
        let known = match self.sources.get().await {
            Ok(known) => known,
            Err(error) => return Outcome::Failed(error.to_string().into()),
        };
        let Ok(name) = Name::from_str_relaxed(host) else {
            return Outcome::None { ttl: None };
        };
        if let Some(addresses) = self.in_hosts_file(&known, &name) {
            return Outcome::Found { addresses, ttl: FROM_FILE };
        }
        match tokio::time::timeout(self.settings.timeout, self.ask(&known, name)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Failed("no name server answered in time".into()),
        }
    }

    fn in_hosts_file(&self, known: &Known, name: &Name) -> Option<Box<[IpAddr]>> {
        let lookup = |record| known.hosts.lookup_static_host(&Query::query(name.clone(), record));
        let found = self.records().iter().find_map(|record| lookup(*record))?;
        Some(found.answers().iter().filter_map(|record| record.data.ip_addr()).collect())
    }

    /// Asks one name server after another until one knows, beginning with the last that did.
    async fn ask(&self, known: &Known, name: Name) -> Outcome {
        let mut outcome = Outcome::Failed("there is no name server".into());
        for turn in 0..known.servers.len() {
            let at = (known.first.get() + turn) % known.servers.len();
            let Some(server) = known.servers.get(at) else { continue };
            outcome = self.ask_server(server, known.candidates(name.clone())).await;
            if !matches!(outcome, Outcome::Failed(_)) {
                known.first.set(at);
                break;
            }
        }
        outcome
    }

    /// Asks for each name that the search domains make of it, until one has addresses. One that could not be asked
    /// for might have had some, so that there are none only when all have told so.
    async fn ask_server(&self, server: &TokioResolver, candidates: Vec<Name>) -> Outcome {
        let mut outcome = Outcome::None { ttl: None };
        for candidate in candidates {
            match self.ask_for(server, candidate).await {
                Ok(found @ Outcome::Found { .. }) => return found,
                Ok(none) if matches!(outcome, Outcome::None { .. }) => outcome = none,
                Ok(_) => {}
                Err(error) => {
                    outcome = Outcome::Failed(error.to_string().into());
                    // One that says nothing would say nothing of the next name either.
                    if matches!(error, NetError::Timeout | NetError::Io(_) | NetError::NoConnections) {
                        break;
                    }
                }
            }
        }
        outcome
    }

    /// Asks for addresses of one family, and of the other when there are none.
    async fn ask_for(&self, server: &TokioResolver, name: Name) -> Result<Outcome, NetError> {
        let mut negative = None;
        for record in self.records() {
            match server.lookup(name.clone(), *record).await {
                Ok(lookup) => {
                    let addresses: Box<[IpAddr]> =
                        lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
                    let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
                    if !addresses.is_empty() {
                        return Ok(Outcome::Found { addresses, ttl: Duration::from_secs(ttl.into()) });
                    }
                }
                Err(NetError::Dns(DnsError::NoRecordsFound(none))) if is_told(none.response_code) => {
                    negative = none.negative_ttl;
                    // It speaks for all families.
                    if none.response_code == ResponseCode::NXDomain {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Outcome::None { ttl: negative.map(|seconds| Duration::from_secs(seconds.into())) })
    }

    fn records(&self) -> &'static [RecordType] {
        match self.settings.families {
            AddressFamilies::Ipv4 => &[RecordType::A],
            AddressFamilies::Ipv6 => &[RecordType::AAAA],
            AddressFamilies::Ipv4First => &[RecordType::A, RecordType::AAAA],
            AddressFamilies::Ipv6First => &[RecordType::AAAA, RecordType::A],
        }
    }
}

/// Whether the answer speaks of the name, and not of a name server in trouble.
fn is_told(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}

//! Asking for a name's addresses.

use std::net::IpAddr;
use std::rc::Rc;
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

    /// Asks for each name that the search domains make of it, until one has addresses. One that could not be asked
    /// for might have had some, so that there are none only when all have told so.
    async fn ask(&self, known: &Rc<Known>, name: Name) -> Outcome {
        let mut outcome = Outcome::None { ttl: None };
        for candidate in known.candidates(name) {
            match self.ask_for(&known.resolver, candidate).await {
                found @ Outcome::Found { .. } => return found,
                failed @ Outcome::Failed(_) => outcome = failed,
                Outcome::None { ttl } if matches!(outcome, Outcome::None { .. }) => outcome = Outcome::None { ttl },
                Outcome::None { .. } => {}
            }
        }
        outcome
    }

    /// Asks for addresses of one family, and of the other when there are none.
    async fn ask_for(&self, resolver: &TokioResolver, name: Name) -> Outcome {
        let mut negative = None;
        for record in self.records() {
            match resolver.lookup(name.clone(), *record).await {
                Ok(lookup) => {
                    let addresses: Box<[IpAddr]> =
                        lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
                    let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
                    if !addresses.is_empty() {
                        return Outcome::Found { addresses, ttl: Duration::from_secs(ttl.into()) };
                    }
                }
                Err(NetError::Dns(DnsError::NoRecordsFound(none))) if is_told(none.response_code) => {
                    negative = none.negative_ttl;
                    // It speaks for all families.
                    if none.response_code == ResponseCode::NXDomain {
                        break;
                    }
                }
                Err(error) => return Outcome::Failed(error.to_string().into()),
            }
        }
        Outcome::None { ttl: negative.map(|seconds| Duration::from_secs(seconds.into())) }
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

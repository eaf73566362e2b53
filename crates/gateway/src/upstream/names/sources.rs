//! Whom to ask: the hosts file and the name servers. Both files are read again when they have changed.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};

use crate::settings::Dns;

/// How often the files are looked at, at most.
const LOOKED_AT: Duration = Duration::from_secs(5);

/// The sources of one thread.
pub(super) struct Sources {
    settings: Dns,
    known: RefCell<Option<Rc<Known>>>,
    looked_at: Cell<Option<Instant>>,
}

/// The files as they were read.
pub(super) struct Known {
    stamp: Stamp,
    pub(super) hosts: Hosts,
    /// One for each name server: the engine asks several at once and takes the first answer, a server's trouble too.
    pub(super) servers: Vec<TokioResolver>,
    /// The server to begin with.
    pub(super) first: Cell<usize>,
    search: Box<[Name]>,
    dots: usize,
}

/// When the files were changed, and how long they are; nothing of one that is not there.
type Stamp = [Option<(SystemTime, u64)>; 2];

struct Files {
    stamp: Stamp,
    hosts: Vec<u8>,
    servers: Vec<u8>,
}

impl Sources {
    pub(super) fn new(settings: Dns) -> Self {
        Self { settings, known: RefCell::default(), looked_at: Cell::default() }
    }

    /// The sources as they are now. Files are read where it blocks no worker.
    pub(super) async fn get(&self) -> Result<Rc<Known>, NetError> {
        let known = self.known.borrow().clone();
        let is_fresh = self.looked_at.get().is_some_and(|at| at.elapsed() < LOOKED_AT);
        if let Some(known) = known.as_ref().filter(|_| is_fresh) {
            return Ok(known.clone());
        }
        self.looked_at.set(Some(Instant::now()));
        let (hosts, servers) = (self.settings.hosts_file.clone(), self.settings.resolv_conf.clone());
        let before = known.as_ref().map(|known| known.stamp);
        let read = tokio::task::spawn_blocking(move || Files::read(&hosts, &servers, before)).await;
        match (known, read.ok().flatten()) {
            (Some(known), None) => Ok(known),
            (_, files) => {
                let known = Rc::new(Known::of(files, &self.settings)?);
                *self.known.borrow_mut() = Some(known.clone());
                Ok(known)
            }
        }
    }
}

impl Files {
    /// `None` when they are as `before`. A file that is not there is as good as empty.
    fn read(hosts: &Path, servers: &Path, before: Option<Stamp>) -> Option<Self> {
        let stamp = [hosts, servers].map(|path| {
            let facts = fs::metadata(path).ok()?;
            Some((facts.modified().ok()?, facts.len()))
        });
        let read = |path| fs::read(path).unwrap_or_default();
        (before != Some(stamp)).then(|| Self { stamp, hosts: read(hosts), servers: read(servers) })
    }
}

impl Known {
    fn of(files: Option<Files>, settings: &Dns) -> Result<Self, NetError> {
        let files = files.unwrap_or(Files { stamp: [None; 2], hosts: Vec::new(), servers: Vec::new() });
        let mut hosts = Hosts::default();
        if let Err(error) = hosts.read_hosts_conf(&*files.hosts) {
            tracing::warn!(%error, "the hosts file cannot be read");
        }
        let (config, mut options) = parse(&files.servers);
        // What is kept and for how long is decided in `standing`.
        options.cache_size = 0;
        let (domain, search, servers) = config.into_parts();
        let search = match settings.search {
            true if search.is_empty() => domain.into_iter().collect(),
            true => search.into(),
            false => [].into(),
        };
        let servers = match settings.servers.is_empty() {
            true => servers,
            false => settings.servers.iter().map(|server| name_server(*server)).collect(),
        };
        let dots = options.ndots;
        // Two tries, or one at each of several servers, must fit into the time that a lookup has.
        options.attempts = usize::from(servers.len() < 2);
        options.timeout = options.timeout.min(settings.timeout / servers.len().max(2) as u32);
        let servers = servers.into_iter().map(|server| {
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            builder.with_options(options.clone()).build()
        });
        let servers = servers.collect::<Result<_, _>>()?;
        Ok(Self { stamp: files.stamp, hosts, servers, first: Cell::new(0), search, dots })
    }

    /// The names to ask for, in order: as resolv.conf(5) says of `ndots` and `search`.
    pub(super) fn candidates(&self, mut name: Name) -> Vec<Name> {
        let is_whole = name.is_fqdn();
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        let searched = self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok());
        let mut names: Vec<_> = searched.collect();
        name.set_fqdn(true);
        match (is_whole || name.is_localhost(), dots >= self.dots) {
            (true, _) => vec![name],
            (false, true) => [vec![name], names].concat(),
            (false, false) => {
                names.push(name);
                names
            }
        }
    }
}

/// Without a name server in the file there is one on this machine, as resolv.conf(5) has it.
fn parse(text: &[u8]) -> (ResolverConfig, ResolverOpts) {
    let with_default = || parse_resolv_conf([text, b"\nnameserver 127.0.0.1\n"].concat());
    parse_resolv_conf(text).or_else(|_| with_default()).unwrap_or_default()
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let connection = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    NameServerConfig::new(
        server.ip(),
        true,
        vec![connection(ConnectionConfig::udp()), connection(ConnectionConfig::tcp())],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(servers: &str, search: bool, name: &str) -> Vec<String> {
        let files = Files { stamp: [None; 2], hosts: Vec::new(), servers: servers.into() };
        let known = Known::of(Some(files), &Dns { search, ..Dns::default() }).unwrap();
        known.candidates(Name::from_str_relaxed(name).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn search_domains_are_tried_as_resolv_conf_says() {
        let kubernetes = "search team.svc.cluster.local svc.cluster.local\noptions ndots:5\nnameserver 10.0.0.10";
        let all = ["api.team.svc.cluster.local.", "api.svc.cluster.local.", "api."];
        let whole_first = ["a.b.c.d.e.f.", "a.b.c.d.e.f.team.svc.cluster.local.", "a.b.c.d.e.f.svc.cluster.local."];
        let cases: [(&str, bool, &str, &[&str]); 8] = [
            (kubernetes, true, "api", &all),
            (kubernetes, true, "a.b.c.d.e.f", &whole_first),
            (kubernetes, true, "api.", &["api."]),
            (kubernetes, false, "api", &["api."]),
            ("search corp.example", true, "api", &["api.corp.example.", "api."]),
            ("search corp.example", true, "api.example", &["api.example.", "api.example.corp.example."]),
            ("", true, "api.example", &["api.example."]),
            (kubernetes, true, "localhost", &["localhost."]),
        ];
        for (servers, search, name, expected) in cases {
            assert_eq!(candidates(servers, search, name), expected, "{name} with {servers:?}");
        }
    }

    #[test]
    fn files_are_read_again_only_when_they_have_changed() {
        let directory = tempfile::tempdir().unwrap();
        let (hosts, servers) = (directory.path().join("hosts"), directory.path().join("resolv.conf"));
        let first = Files::read(&hosts, &servers, None).unwrap();
        assert!(first.hosts.is_empty() && Files::read(&hosts, &servers, Some(first.stamp)).is_none());
        fs::write(&hosts, "10.0.0.1 api").unwrap();
        let second = Files::read(&hosts, &servers, Some(first.stamp)).unwrap();
        assert_eq!(second.hosts, b"10.0.0.1 api");
        assert!(Files::read(&hosts, &servers, Some(second.stamp)).is_none());
    }
}

//! Starting and stopping an instance's data plane.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use socket2::Socket;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::health;
use crate::plan_slot::Plans;
use crate::settings::Settings;
use crate::worker::counters::Counters;
use crate::worker::{self, Start};

/// An instance whose addresses are taken, but which does not listen yet: until there is a plan, a client
/// is refused and goes elsewhere.
pub struct Bound {
    settings: Arc<Settings>,
    /// One socket per address and worker.
    http: Vec<Vec<Socket>>,
    https: Vec<Vec<Socket>>,
    counters: Counters,
}

/// An instance that serves.
pub struct Running {
    /// Where it listens for HTTP, with the ports it was given for port 0.
    pub http: Vec<SocketAddr>,
    /// Where it listens for HTTPS.
    pub https: Vec<SocketAddr>,
    /// What the workers count.
    pub counters: Counters,
    stop: CancellationToken,
    workers: Vec<JoinHandle<io::Result<()>>>,
}

impl Bound {
    /// Takes the addresses.
    ///
    /// # Errors
    /// When one is in use or may not be taken; the error names it.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let bind = |addresses: &[SocketAddr]| {
            let each = addresses.iter().map(|address| {
                let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot bind {address}: {error}"));
                worker::bind(*address, settings.workers).map_err(named)
            });
            each.collect::<io::Result<Vec<_>>>()
        };
        let (http, https) = (bind(&settings.http)?, bind(&settings.https)?);
        let counters = Counters::new(settings.workers);
        Ok(Self { settings: Arc::new(settings), http, https, counters })
    }

    /// What the workers will count.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Listens and serves, one thread per worker.
    ///
    /// # Errors
    /// When a socket cannot listen or a thread cannot start.
    pub fn serve(self, plans: &Plans) -> io::Result<Running> {
        let (http, https) = (listen(self.http)?, listen(self.https)?);
        let addresses = |listeners: &[Vec<TcpListener>]| -> Vec<SocketAddr> {
            listeners.iter().filter_map(|of_workers| of_workers.first()?.local_addr().ok()).collect()
        };
        let (http_addresses, https_addresses) = (addresses(&http), addresses(&https));
        if let Some(address) = https_addresses.first() {
            plugin_api::instance::set_https_port(address.port());
        }
        let stop = CancellationToken::new();
        health::probe(plans.health.clone(), self.settings.dns.clone(), stop.clone())?;
        let mut per_worker = of_each_worker(http, https, self.settings.workers);
        let counters = self.counters;
        let spawn = |(number, ((http, https), counters))| {
            let start = Start {
                http,
                https,
                plans: plans.clone(),
                counters,
                settings: self.settings.clone(),
                stop: stop.clone(),
            };
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || worker::run(start))
        };
        let workers = per_worker
            .drain(..)
            .zip(counters.of_each_worker())
            .enumerate()
            .map(spawn)
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Running { http: http_addresses, https: https_addresses, counters, stop, workers })
    }
}

impl Running {
    /// Stops accepting, lets the requests under way end (at most the drain time), and waits for the workers.
    ///
    /// # Errors
    /// When a worker ended by an error.
    pub async fn stop(self) -> io::Result<()> {
        self.stop.cancel();
        let (done, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let outcomes = self
                .workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| Err(io::Error::other("a worker panicked"))));
            let _ = done.send(outcomes.collect::<io::Result<()>>());
        });
        ended.await.map_err(io::Error::other)?
    }
}

fn listen(sockets: Vec<Vec<Socket>>) -> io::Result<Vec<Vec<TcpListener>>> {
    let each = |socket: Socket| worker::listen(&socket).map(|()| TcpListener::from(socket));
    sockets.into_iter().map(|of_workers| of_workers.into_iter().map(each).collect()).collect()
}

type Listeners = (Vec<TcpListener>, Vec<TcpListener>);

/// From sockets by address to sockets by worker.
fn of_each_worker(http: Vec<Vec<TcpListener>>, https: Vec<Vec<TcpListener>>, workers: usize) -> Vec<Listeners> {
    let mut per_worker: Vec<Listeners> = (0..workers.max(1)).map(|_| Listeners::default()).collect();
    for of_workers in http {
        per_worker.iter_mut().zip(of_workers).for_each(|(worker, listener)| worker.0.push(listener));
    }
    for of_workers in https {
        per_worker.iter_mut().zip(of_workers).for_each(|(worker, listener)| worker.1.push(listener));
    }
    per_worker
}

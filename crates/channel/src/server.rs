//! Runs the channel on one listener until told to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use wire::limits::{HEARTBEAT_INTERVAL, MAX_FROM_INSTANCE_BYTES, MAX_TO_INSTANCE_BYTES};
use wire::v1::config_channel_server::ConfigChannelServer;

use crate::groups::Groups;
use crate::line::Line;
use crate::listener::Listener;
use crate::plane::ControlPlane;
use crate::reports::{Reports, expel_revoked};
use crate::service::Service;
use crate::sessions::Sessions;
use crate::tls::server_config;

pub use crate::tls::TlsMaterial;

/// Connections that wait to be served after their handshake.
const LINES: usize = 64;
/// Instances say little: small windows keep a connection's memory small.
const WINDOW_BYTES: u32 = 64 << 10;
/// Join, Renew and Sync of one instance, and the stream that a newer one replaces.
const STREAMS_PER_CONNECTION: u32 = 8;
/// How long streams may take to end once the replica stops.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How the channel presents itself.
pub struct ChannelSettings {
    /// Own certificate and the CA of the instances'.
    pub tls: TlsMaterial,
    /// The trust domain in the instances' certificates.
    pub trust_domain: String,
    /// How often instances report.
    pub heartbeat: Duration,
}

impl ChannelSettings {
    /// With the usual heartbeat.
    pub fn new(tls: TlsMaterial, trust_domain: impl Into<String>) -> Self {
        Self { tls, trust_domain: trust_domain.into(), heartbeat: HEARTBEAT_INTERVAL }
    }
}

/// Why the channel cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The certificate, its key or the CA cannot be used.
    #[error("the config channel's certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP/2 server ended on its own.
    #[error("the config channel's server failed: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// Serves instances until `stop`; then every stream gets a `Goodbye`.
///
/// # Errors
/// [`ChannelError`] when the certificates cannot be used or the server fails.
pub async fn serve<C: ControlPlane>(
    tcp: TcpListener,
    settings: ChannelSettings,
    plane: Arc<C>,
    stop: CancellationToken,
) -> Result<(), ChannelError> {
    let tls = TlsAcceptor::from(server_config(settings.tls)?);
    let trust_domain = settings.trust_domain.into();
    let (lines, incoming) = mpsc::channel::<io::Result<Line>>(LINES);
    let sessions = Arc::new(Sessions::default());
    let reports = Arc::new(Reports::default());
    let tasks = TaskTracker::new();
    let (written, cut) = (CancellationToken::new(), CancellationToken::new());

    tasks.spawn(Listener { tcp, tls, trust_domain, cut: cut.clone() }.run(lines, stop.clone()));
    let expelling = tokio::spawn(expel_revoked(plane.clone(), sessions.clone()));
    let writing = tokio::spawn({
        let (reports, plane, sessions, written) = (reports.clone(), plane.clone(), sessions.clone(), written.clone());
        async move { reports.run(&*plane, &sessions, written).await }
    });

    let service = Service {
        groups: Groups::new(plane.clone()),
        plane,
        sessions: sessions.clone(),
        reports,
        heartbeat: settings.heartbeat,
        tasks: tasks.clone(),
        stop: stop.clone(),
    };
    let result = run_server(service, incoming, &sessions, stop).await;

    // Streams first, then what they said last.
    cut.cancel();
    tasks.close();
    let _ = tokio::time::timeout(STOP_DEADLINE, tasks.wait()).await;
    written.cancel();
    let _ = writing.await;
    expelling.abort();
    Ok(result?)
}

async fn run_server<C: ControlPlane>(
    service: Service<C>,
    incoming: mpsc::Receiver<io::Result<Line>>,
    sessions: &Sessions,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service = ConfigChannelServer::new(service)
        .max_decoding_message_size(MAX_FROM_INSTANCE_BYTES)
        .max_encoding_message_size(MAX_TO_INSTANCE_BYTES);
    let server = Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_max_header_list_size(16 << 10)
        .add_service(service)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.clone().cancelled_owned());
    let stopping = async {
        stop.cancelled().await;
        sessions.close_all();
        tracing::info!(instances = sessions.len(), "config channel: said goodbye");
        tokio::time::sleep(STOP_DEADLINE).await;
    };
    tokio::select! {
        result = server => result,
        () = stopping => Ok(()),
    }
}

//! The three calls of the channel. Each asks anew who is on the line and whether it may be.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};
use wire::limits::PROTOCOL;
use wire::v1::config_channel_server::ConfigChannel;
use wire::v1::{self, from_instance::Frame};
use wire::{InstanceIdentity, frame};

use crate::groups::Groups;
use crate::inbound::Inbound;
use crate::line::LineInfo;
use crate::outbound::Outbound;
use crate::plane::{Certificate, ControlPlane, FeedError, FleetError, JoinRequest};
use crate::reports::Reports;
use crate::session::Session;
use crate::sessions::Sessions;

/// An instance says Hello at once.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Service<C> {
    pub(crate) plane: Arc<C>,
    pub(crate) groups: Groups<C>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) heartbeat: Duration,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

type Frames = Pin<Box<dyn Stream<Item = Result<v1::ToInstance, Status>> + Send>>;

#[tonic::async_trait]
impl<C: ControlPlane> ConfigChannel for Service<C> {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        let line = request.extensions().get::<LineInfo>();
        let address = line.map_or_else(String::new, |line| line.address.to_string());
        let v1::JoinRequest { secret, csr, facts } = request.into_inner();
        let request = JoinRequest { secret, csr: csr.to_vec(), facts: facts.unwrap_or_default(), address };
        let joined = self.plane.join(request).await?;
        tracing::info!(instance = %joined.instance, group = %joined.group, "an instance joined");
        Ok(Response::new(v1::JoinResponse {
            instance_id: joined.instance.to_string(),
            group_id: joined.group.to_string(),
            certificate: Some(joined.certificate.into()),
        }))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::RenewResponse>, Status> {
        let (who, _) = self.admitted(&request).await?;
        let certificate = self.plane.renew(&who, &request.get_ref().csr).await?;
        Ok(Response::new(v1::RenewResponse { certificate: Some(certificate.into()) }))
    }

    type SyncStream = Frames;

    async fn sync(&self, request: Request<Streaming<v1::FromInstance>>) -> Result<Response<Frames>, Status> {
        let (who, cut) = self.admitted(&request).await?;
        let mut stream = request.into_inner();
        let hello = first_frame(&mut stream).await?;
        if hello.protocol != PROTOCOL {
            return Ok(Response::new(incompatible(hello.protocol)));
        }
        let group = self.groups.get(&who.group).await?;
        let session = Arc::new(Session::new(who, hello, cut));
        self.begin(session.clone(), stream).await?;
        let outbound = Outbound::new(self.plane.clone(), session, group, self.heartbeat);
        Ok(Response::new(Box::pin(outbound.frames())))
    }
}

impl<C: ControlPlane> Service<C> {
    /// The instance on the line, when its certificate is ours and it still belongs to the fleet.
    async fn admitted<T: Sync>(&self, request: &Request<T>) -> Result<(InstanceIdentity, CancellationToken), Status> {
        let Some(line) = request.extensions().get::<LineInfo>() else {
            return Err(Status::internal("the connection is unknown"));
        };
        let Some(who) = line.identity.clone() else {
            return Err(Status::unauthenticated("a client certificate of this control plane's CA is needed"));
        };
        let cut = line.cut.clone();
        self.plane.admit(&who).await?;
        Ok((who, cut))
    }

    async fn begin(&self, session: Arc<Session>, stream: Streaming<v1::FromInstance>) -> Result<(), Status> {
        self.sessions.enter(session.clone());
        let inbound = Inbound {
            session: session.clone(),
            sessions: self.sessions.clone(),
            reports: self.reports.clone(),
            heartbeat: self.heartbeat,
        };
        self.tasks.spawn(inbound.run(stream));
        // Again, now that a revocation finds the session: one that came in between would be missed.
        let admitted = self.plane.admit(session.identity()).await;
        if self.stop.is_cancelled() {
            session.close(v1::GoodbyeReason::Shutdown, "this control-plane replica stops");
        }
        if admitted.is_err() {
            session.left();
        }
        Ok(admitted?)
    }
}

async fn first_frame(stream: &mut Streaming<v1::FromInstance>) -> Result<v1::Hello, Status> {
    let Ok(message) = tokio::time::timeout(HELLO_DEADLINE, stream.message()).await else {
        return Err(Status::deadline_exceeded("no Hello came"));
    };
    match message?.and_then(|message| message.frame) {
        Some(Frame::Hello(hello)) => Ok(hello),
        _ => Err(Status::invalid_argument("a stream begins with Hello")),
    }
}

fn incompatible(theirs: u32) -> Frames {
    let message = format!("protocol {theirs} is not spoken here, only {PROTOCOL}");
    let goodbye = frame::goodbye(v1::GoodbyeReason::Incompatible, message);
    Box::pin(futures_util::stream::iter([Ok(goodbye)]))
}

impl From<Certificate> for v1::Certificate {
    fn from(certificate: Certificate) -> Self {
        Self {
            chain: certificate.chain.into_iter().map(Into::into).collect(),
            signing_keys: certificate.signing_keys.iter().map(|key| key.to_vec().into()).collect(),
        }
    }
}

impl From<FleetError> for Status {
    fn from(error: FleetError) -> Self {
        let text = error.to_string();
        match error {
            FleetError::TokenUnknown | FleetError::TokenExpired | FleetError::TokenUsedUp => {
                Status::unauthenticated(text)
            }
            FleetError::BadRequest(_) => Status::invalid_argument(text),
            FleetError::NotAdmitted => Status::permission_denied(text),
            FleetError::Unavailable(_) => Status::unavailable(text),
        }
    }
}

impl From<FeedError> for Status {
    fn from(error: FeedError) -> Self {
        let text = error.to_string();
        match error {
            FeedError::NoGroup(_) => Status::permission_denied(text),
            FeedError::Unavailable(_) => Status::unavailable(text),
        }
    }
}

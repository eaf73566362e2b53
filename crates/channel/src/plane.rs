//! What the channel needs of the control plane. `control::Control` is one; tests bring their own, so
//! that the channel's faults can be shown without a database.

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::{Stream, StreamExt};
use model::change::Body;
use model::{Change, GroupId, InstanceId, ResourceKey, Revision};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use wire::{Applied, InstanceIdentity, Signed, v1};

/// The use cases behind the channel. Every call may be made from many tasks at once.
pub trait ControlPlane: Send + Sync + 'static {
    /// Trades a join token for an identity; the token decides the group.
    fn join(&self, request: JoinRequest) -> impl Future<Output = Result<Joined, FleetError>> + Send;

    /// A fresh certificate for an instance that still belongs to the fleet.
    fn renew(&self, who: &InstanceIdentity, csr: &[u8])
    -> impl Future<Output = Result<Certificate, FleetError>> + Send;

    /// Whether the instance still belongs to the fleet: known, of this group, not revoked.
    fn admit(&self, who: &InstanceIdentity) -> impl Future<Output = Result<(), FleetError>> + Send;

    /// Writes down what instances said, all in one go. Returns those that no longer belong to the
    /// fleet; their streams are closed.
    fn report(&self, batch: Vec<Report>) -> impl Future<Output = Result<Vec<InstanceId>, FleetError>> + Send;

    /// Instances that are revoked or deleted from now on.
    fn revocations(&self) -> Notices<InstanceId>;

    /// Groups that have a new revision from now on. May miss some: the log is polled as well.
    fn commits(&self) -> Notices<GroupId>;

    /// A group's newest revision.
    fn head(&self, group: &GroupId) -> impl Future<Output = Result<Signed, FeedError>> + Send;

    /// A group's whole configuration at its newest revision.
    fn snapshot(&self, group: &GroupId) -> impl Future<Output = Result<Snapshot, FeedError>> + Send;

    /// At most `limit` revisions behind `revision`, oldest first, without gaps.
    fn revisions_after(
        &self,
        group: &GroupId,
        revision: Revision,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<LoggedRevision>, FeedError>> + Send;
}

/// What happens from now on.
pub type Notices<T> = Pin<Box<dyn Stream<Item = Notice<T>> + Send>>;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<T> {
    /// To this one.
    Of(T),
    /// Too much happened at once to name it all.
    Missed,
}

/// The notices of a broadcast channel.
pub fn notices<T: Clone + Send + 'static>(receiver: broadcast::Receiver<T>) -> Notices<T> {
    Box::pin(BroadcastStream::new(receiver).map(|received| received.map_or(Notice::Missed, Notice::Of)))
}

/// What a joining instance brings.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The join token's secret.
    pub secret: String,
    /// PKCS#10, DER. Only its public key counts.
    pub csr: Vec<u8>,
    /// For people; never trusted.
    pub facts: v1::InstanceFacts,
    /// Where the connection came from.
    pub address: String,
}

/// A new instance of a group.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Its id.
    pub instance: InstanceId,
    /// The token's group.
    pub group: GroupId,
    /// Its first certificate.
    pub certificate: Certificate,
}

/// A certificate with what is needed to verify configurations.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// DER, leaf first, the CA's own certificate last.
    pub chain: Vec<Vec<u8>>,
    /// Ed25519 public keys whose signatures are valid now.
    pub signing_keys: Vec<[u8; 32]>,
}

/// A group's whole configuration, to be sent to instances that cannot follow by deltas.
#[derive(Clone)]
pub struct Snapshot {
    /// Which revision it is.
    pub signed: Signed,
    /// Every resource.
    pub resources: Arc<[(ResourceKey, Body)]>,
}

/// One revision of the change log.
#[derive(Debug, Clone)]
pub struct LoggedRevision {
    /// The state after it.
    pub signed: Signed,
    /// What changed, in order.
    pub changes: Vec<Change>,
}

/// All that is known of a connected instance now. The newest report replaces earlier ones, but for `nodes` it may lack.
#[derive(Debug, Clone)]
pub struct Report {
    /// Who.
    pub identity: InstanceIdentity,
    /// Hostname, version, run id as it says.
    pub facts: Arc<v1::InstanceFacts>,
    /// What it serves.
    pub applied: Option<Applied>,
    /// Counters of the last heartbeat.
    pub counters: Option<v1::Counters>,
    /// How its nodes are, when it told since its last report; as it came, so unread.
    pub nodes: Option<Arc<v1::NodeHealth>>,
    /// The revision it refused, until it has applied a newer one.
    pub refused: Option<Refused>,
    /// False in the last report of a stream.
    pub connected: bool,
    /// When it was heard last.
    pub heard_at: SystemTime,
}

/// A refused revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The revision.
    pub revision: Revision,
    /// Why, as a class.
    pub reason: v1::NackReason,
    /// The object at fault.
    pub key: Option<ResourceKey>,
    /// JSON pointer into it.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// Why an instance cannot join, renew or stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// No such token, or one that was revoked.
    #[error("the join token is not known or was revoked")]
    TokenUnknown,
    /// The token's time is over.
    #[error("the join token has expired")]
    TokenExpired,
    /// The token was used as often as it may be.
    #[error("the join token is used up")]
    TokenUsedUp,
    /// The CSR is no PKCS#10, its signature is wrong, or its key is of a kind that is not taken.
    #[error("the certificate signing request is not acceptable: {0}")]
    BadRequest(String),
    /// The instance was revoked or deleted, or never existed.
    #[error("the instance was revoked or is not known")]
    NotAdmitted,
    /// The database cannot be reached; later it will.
    #[error("the control plane cannot answer now: {0}")]
    Unavailable(String),
}

/// Why configuration cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// No such group.
    #[error("gateway group {0} does not exist")]
    NoGroup(GroupId),
    /// The database cannot be reached; later it will.
    #[error("configuration cannot be read now: {0}")]
    Unavailable(String),
}

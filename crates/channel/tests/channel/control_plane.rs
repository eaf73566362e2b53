//! A control plane in memory: its CA, its signing key, groups with change logs, tokens, instances.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use channel::{
    Certificate, ChannelSettings, ControlPlane, FeedError, FleetError, JoinRequest, Joined, LoggedRevision, Notices,
    Report, Snapshot, TlsMaterial, notices, serve,
};
use model::{Change, Digest, GroupId, GroupState, InstanceId, Kind, ResourceId, ResourceKey, Revision, signing};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, SanType,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use wire::{InstanceIdentity, Signed, v1};

pub(crate) const TRUST_DOMAIN: &str = "flotilla.test";
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(300);

pub(crate) struct FakePlane {
    pub(crate) ca: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
    signing: Ed25519KeyPair,
    state: Mutex<State>,
    commits: broadcast::Sender<GroupId>,
    revocations: broadcast::Sender<InstanceId>,
}

#[derive(Default)]
struct State {
    groups: HashMap<GroupId, Log>,
    tokens: HashMap<String, Token>,
    instances: HashSet<InstanceIdentity>,
    reports: HashMap<InstanceId, Report>,
    nodes_told: Vec<(InstanceIdentity, Arc<v1::NodeHealth>)>,
    certificate_life: Option<Duration>,
    issued: Vec<Issued>,
    snapshots_read: usize,
}

#[derive(Default)]
struct Log {
    state: GroupState,
    revisions: Vec<LoggedRevision>,
}

/// A certificate as it was given out.
#[derive(Clone, Copy)]
pub(crate) struct Issued {
    pub(crate) at: SystemTime,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Issued {
    /// Certificates count in whole seconds.
    fn now(life: Duration) -> Self {
        let at = SystemTime::now();
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let not_before = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
        Self { at, not_before, not_after: not_before + life }
    }
}

struct Token {
    group: GroupId,
    uses_left: u32,
    expires_at: SystemTime,
}

pub(crate) fn group(id: &str) -> GroupId {
    GroupId::new(id).unwrap()
}

pub(crate) fn route(id: &str) -> ResourceKey {
    ResourceKey::new(Kind::Route, ResourceId::new(id).unwrap())
}

pub(crate) fn put(id: &str, body: &str) -> Change {
    Change::Put(route(id), Arc::from(body.as_bytes()))
}

impl FakePlane {
    pub(crate) fn new() -> Arc<Self> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap().der().clone();
        Arc::new(Self {
            ca,
            issuer: Issuer::new(params, key),
            signing: Ed25519KeyPair::generate().unwrap(),
            state: Mutex::default(),
            commits: broadcast::channel(64).0,
            revocations: broadcast::channel(64).0,
        })
    }

    /// A token of the group that may be used `uses` times within `life`.
    pub(crate) fn token(&self, group_id: &str, uses: u32, life: Duration) -> String {
        let mut state = self.state();
        state.groups.entry(group(group_id)).or_default();
        let secret = format!("secret-{}", state.tokens.len());
        let expires_at = SystemTime::now() + life;
        state.tokens.insert(secret.clone(), Token { group: group(group_id), uses_left: uses, expires_at });
        format!("{secret}.{}", hex::encode(digest(&SHA256, &self.ca)))
    }

    /// Commits changes as the group's next revision.
    pub(crate) fn commit(&self, group_id: &str, changes: Vec<Change>) -> Revision {
        let id = group(group_id);
        let revision = {
            let mut state = self.state();
            let log = state.groups.entry(id.clone()).or_default();
            log.state.apply_all(&changes);
            let revision = log.revisions.len() as Revision + 1;
            let signed = self.sign(&id, revision, log.state.digest());
            log.revisions.push(LoggedRevision { signed, changes });
            revision
        };
        let _ = self.commits.send(id);
        revision
    }

    /// Commits a revision and spoils what instances will be sent of it.
    pub(crate) fn commit_spoiled(&self, group_id: &str, changes: Vec<Change>, spoil: impl FnOnce(&mut LoggedRevision)) {
        let id = group(group_id);
        {
            let mut state = self.state();
            let log = state.groups.get_mut(&id).unwrap();
            log.state.apply_all(&changes);
            let revision = log.revisions.len() as Revision + 1;
            let signed = self.sign(&id, revision, log.state.digest());
            let mut logged = LoggedRevision { signed, changes };
            spoil(&mut logged);
            log.revisions.push(logged);
        }
        let _ = self.commits.send(id);
    }

    /// Forgets revisions, as a restored backup does.
    pub(crate) fn restore_backup(&self, group_id: &str, revision: usize) {
        let mut state = self.state();
        let log = state.groups.get_mut(&group(group_id)).unwrap();
        log.revisions.truncate(revision);
        log.state = GroupState::default();
        for logged in &log.revisions {
            log.state.apply_all(&logged.changes);
        }
    }

    pub(crate) fn revoke(&self, instance: &InstanceId) {
        self.state().instances.retain(|known| known.instance != *instance);
        let _ = self.revocations.send(instance.clone());
    }

    /// Revokes without telling, as another replica without notices would.
    pub(crate) fn revoke_silently(&self, instance: &InstanceId) {
        self.state().instances.retain(|known| known.instance != *instance);
    }

    pub(crate) fn set_certificate_life(&self, life: Duration) {
        self.state().certificate_life = Some(life);
    }

    /// How many certificates were issued.
    pub(crate) fn issued(&self) -> usize {
        self.state().issued.len()
    }

    /// Every certificate that was issued, in order.
    pub(crate) fn certificates(&self) -> Vec<Issued> {
        self.state().issued.clone()
    }

    /// How often a whole configuration was read.
    pub(crate) fn snapshots_read(&self) -> usize {
        self.state().snapshots_read
    }

    /// What was reported last of an instance.
    pub(crate) fn report_of(&self, instance: &InstanceId) -> Option<Report> {
        self.state().reports.get(instance).cloned()
    }

    /// What was told of nodes, by whom.
    pub(crate) fn nodes_told(&self) -> Vec<(InstanceIdentity, Arc<v1::NodeHealth>)> {
        self.state().nodes_told.clone()
    }

    pub(crate) fn group_state(&self, group_id: &str) -> GroupState {
        self.state().groups.get(&group(group_id)).unwrap().state.clone()
    }

    pub(crate) fn signing_key(&self) -> [u8; 32] {
        self.signing.public_key().as_ref().try_into().unwrap()
    }

    fn sign(&self, group: &GroupId, revision: Revision, digest: Digest) -> Signed {
        let signature = self.signing.sign(&signing::payload(group, revision, &digest));
        Signed { revision, digest, signature: signature.as_ref().to_vec().into() }
    }

    fn issue(&self, who: &InstanceIdentity, csr: &[u8]) -> Result<Certificate, FleetError> {
        let bad = |error: rcgen::Error| FleetError::BadRequest(error.to_string());
        let mut request = CertificateSigningRequestParams::from_der(&csr.into()).map_err(bad)?;
        let issued = Issued::now(self.state().certificate_life.unwrap_or(Duration::from_secs(3600)));
        request.params = CertificateParams::default();
        request.params.subject_alt_names = vec![SanType::URI(who.to_string().try_into().unwrap())];
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        request.params.not_before = issued.not_before.into();
        request.params.not_after = issued.not_after.into();
        let leaf = request.signed_by(&self.issuer).map_err(bad)?;
        self.state().issued.push(issued);
        Ok(Certificate { chain: vec![leaf.der().to_vec(), self.ca.to_vec()], signing_keys: vec![self.signing_key()] })
    }

    fn head_of(&self, id: &GroupId, log: &Log) -> Signed {
        let empty = || self.sign(id, 0, Digest::default());
        log.revisions.last().map_or_else(empty, |last| last.signed.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn server_certificate(&self) -> TlsMaterial {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["control.flotilla.test".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        TlsMaterial {
            ca: self.ca.clone(),
            chain: vec![leaf.der().clone(), self.ca.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }
}

impl ControlPlane for FakePlane {
    async fn join(&self, request: JoinRequest) -> Result<Joined, FleetError> {
        let (group, number) = {
            let mut state = self.state();
            let number = state.instances.len();
            let token = state.tokens.get_mut(&request.secret).ok_or(FleetError::TokenUnknown)?;
            if token.expires_at <= SystemTime::now() {
                return Err(FleetError::TokenExpired);
            }
            token.uses_left = token.uses_left.checked_sub(1).ok_or(FleetError::TokenUsedUp)?;
            (token.group.clone(), number)
        };
        let instance = InstanceId::new(format!("{group}-{number}")).unwrap();
        let who =
            InstanceIdentity { trust_domain: TRUST_DOMAIN.into(), group: group.clone(), instance: instance.clone() };
        let certificate = self.issue(&who, &request.csr)?;
        self.state().instances.insert(who);
        Ok(Joined { instance, group, certificate })
    }

    async fn renew(&self, who: &InstanceIdentity, csr: &[u8]) -> Result<Certificate, FleetError> {
        self.issue(who, csr)
    }

    async fn admit(&self, who: &InstanceIdentity) -> Result<(), FleetError> {
        self.state().instances.contains(who).then_some(()).ok_or(FleetError::NotAdmitted)
    }

    async fn report(&self, batch: Vec<Report>) -> Result<Vec<InstanceId>, FleetError> {
        let mut state = self.state();
        let mut strangers = Vec::new();
        for report in batch {
            if !state.instances.contains(&report.identity) {
                strangers.push(report.identity.instance.clone());
            }
            let told = report.nodes.clone().map(|nodes| (report.identity.clone(), nodes));
            state.nodes_told.extend(told);
            state.reports.insert(report.identity.instance.clone(), report);
        }
        Ok(strangers)
    }

    fn revocations(&self) -> Notices<InstanceId> {
        notices(self.revocations.subscribe())
    }

    fn commits(&self) -> Notices<GroupId> {
        notices(self.commits.subscribe())
    }

    async fn head(&self, id: &GroupId) -> Result<Signed, FeedError> {
        let state = self.state();
        let log = state.groups.get(id).ok_or_else(|| FeedError::NoGroup(id.clone()))?;
        Ok(self.head_of(id, log))
    }

    async fn snapshot(&self, id: &GroupId) -> Result<Snapshot, FeedError> {
        let mut state = self.state();
        state.snapshots_read += 1;
        let log = state.groups.get(id).ok_or_else(|| FeedError::NoGroup(id.clone()))?;
        let resources = log.state.iter().map(|(key, body)| (key.clone(), body.clone())).collect();
        Ok(Snapshot { signed: self.head_of(id, log), resources })
    }

    async fn revisions_after(
        &self,
        id: &GroupId,
        revision: Revision,
        limit: u32,
    ) -> Result<Vec<LoggedRevision>, FeedError> {
        let state = self.state();
        let log = state.groups.get(id).ok_or_else(|| FeedError::NoGroup(id.clone()))?;
        let behind = log.revisions.iter().filter(|logged| logged.signed.revision > revision);
        Ok(behind.take(limit as usize).cloned().collect())
    }
}

/// A replica on a port of its own; dropped, it stops.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    runtime: Option<Runtime>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl Replica {
    pub(crate) fn start(plane: &Arc<FakePlane>) -> Self {
        Self::start_beating(plane, HEARTBEAT)
    }

    /// Its instances report as often as this.
    pub(crate) fn start_beating(plane: &Arc<FakePlane>, heartbeat: Duration) -> Self {
        Self::begin(plane, SocketAddr::from(([127, 0, 0, 1], 0)), heartbeat)
    }

    pub(crate) fn start_at(plane: &Arc<FakePlane>, address: SocketAddr) -> Self {
        Self::begin(plane, address, HEARTBEAT)
    }

    fn begin(plane: &Arc<FakePlane>, address: SocketAddr, heartbeat: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tcp = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = tcp.local_addr().unwrap();
        let settings = ChannelSettings { heartbeat, ..ChannelSettings::new(plane.server_certificate(), TRUST_DOMAIN) };
        let stop = CancellationToken::new();
        let serving = runtime.spawn({
            let (plane, stop) = (plane.clone(), stop.clone());
            async move { serve(tcp, settings, plane, stop).await.unwrap() }
        });
        Self { address, stop, runtime: Some(runtime), serving: Some(serving) }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Stops in good order and gives the address back for the next.
    pub(crate) fn stop(mut self) -> SocketAddr {
        self.stop.cancel();
        let (runtime, serving) = (self.runtime.take().unwrap(), self.serving.take().unwrap());
        runtime.block_on(serving).unwrap();
        self.address
    }

    /// Goes without a word, as by kill -9.
    pub(crate) fn kill(mut self) -> SocketAddr {
        self.runtime.take().unwrap().shutdown_background();
        self.address
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

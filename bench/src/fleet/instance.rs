//! One simulated instance: joins, follows its group's configuration and acknowledges it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use model::GroupId;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::sync::Semaphore;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use wire::limits::HEARTBEAT_INTERVAL;
use wire::v1::{self, from_instance, to_instance};
use wire::{Receiver, Step, VerifyingKeys, frame};

use super::connect::{Fingerprint, connect, tls};

/// Instances that join at a time, so that none runs into a deadline of the control plane.
const JOINING: usize = 32;
/// Answers on their way.
const ANSWERS: usize = 16;

/// What all instances share.
#[derive(Clone)]
pub(super) struct Setup {
    channel: SocketAddr,
    secret: String,
    ca: Fingerprint,
    joining: Arc<Semaphore>,
}

impl Setup {
    pub(super) fn new(channel: SocketAddr, token: &str, instances: usize) -> Result<Self> {
        let (secret, fingerprint) = token.rsplit_once('.').context("the join token has no fingerprint")?;
        let mut ca = [0; 32];
        hex::decode_to_slice(fingerprint, &mut ca)?;
        let joining = Arc::new(Semaphore::new(JOINING.min(instances.max(1))));
        Ok(Self { channel, secret: secret.to_owned(), ca, joining })
    }
}

/// A configuration is in force on an instance since `at`.
pub(super) struct Ack {
    pub(super) at: Instant,
}

/// Lives until its stream ends or it is aborted.
pub(super) async fn run(setup: Setup, number: usize, acks: mpsc::Sender<Ack>) -> Result<()> {
    let place = setup.joining.clone().acquire_owned().await?;
    let facts = v1::InstanceFacts {
        hostname: format!("simulated-{number}"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: format!("run-{number}"),
        cores: 1,
        ..v1::InstanceFacts::default()
    };
    let joined = join(&setup, facts.clone()).await.context("joining")?;
    let mut client = connect(setup.channel, joined.tls).await?;
    let (answers, outgoing) = tokio::sync::mpsc::channel(ANSWERS);
    answers.send(frame::hello(facts, None)).await?;
    let mut frames = client.sync(ReceiverStream::new(outgoing)).await?.into_inner();
    drop(place);
    let (mut receiver, mut heartbeat) = (joined.receiver, timer());
    loop {
        tokio::select! {
            message = frames.message() => match message?.and_then(|message| message.frame) {
                None => return Ok(()),
                Some(to_instance::Frame::Goodbye(goodbye)) => bail!("goodbye: {}", goodbye.message),
                Some(frame) => if let Some(ack) = apply(&mut receiver, frame)? {
                    answers.send(from_instance::Frame::Ack(ack).into()).await?;
                    acks.send(Ack { at: Instant::now() })?;
                },
            },
            _ = heartbeat.tick() => {
                answers.send(frame::heartbeat(receiver.applied(), v1::Counters::default())).await?;
            }
        }
    }
}

struct Joined {
    tls: tokio_rustls::TlsConnector,
    receiver: Receiver,
}

async fn join(setup: &Setup, facts: v1::InstanceFacts) -> Result<Joined> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let csr = CertificateParams::default().serialize_request(&key)?.der().to_vec();
    let mut client = connect(setup.channel, tls(setup.ca, None)?).await?;
    let request = v1::JoinRequest { secret: setup.secret.clone(), csr: csr.into(), facts: Some(facts) };
    let answer = client.join(request).await?.into_inner();
    let certificate = answer.certificate.context("the answer has no certificate")?;
    let chain = certificate.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    let identity = (chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into());
    let keys = VerifyingKeys::new(certificate.signing_keys)?;
    Ok(Joined { tls: tls(setup.ca, Some(identity))?, receiver: Receiver::new(GroupId::new(answer.group_id)?, keys) })
}

/// Verified and applied by the channel's own rules; only the compiler is left out.
fn apply(receiver: &mut Receiver, frame: to_instance::Frame) -> Result<Option<v1::Ack>> {
    match receiver.receive(frame) {
        Step::Nothing => Ok(None),
        Step::Apply(candidate) => Ok(Some(candidate.commit())),
        Step::Refuse(nack) => bail!("refused revision {}: {}", nack.revision, nack.message),
        Step::Resync(resync) => bail!("resync: {}", resync.message),
    }
}

fn timer() -> Interval {
    let mut timer = interval(HEARTBEAT_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

//! The config thread's work from start to stop: identity, last good, then stream after stream.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use model::GroupId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use wire::v1::{self, GoodbyeReason};

use super::apply::Applier;
use super::backoff::Backoff;
use super::connect::connect;
use super::disk;
use super::identity::Identity;
use super::join::{JoinError, join};
use super::status::Status;
use super::sync::{End, Link, follow};
use super::token::{JoinToken, TokenError};
use super::verify::Trust;
use super::{Observed, PlanSink};

/// What the config channel needs to know.
#[derive(Debug, Clone)]
pub struct ConfigSettings {
    /// URLs of control-plane replicas, as in `https://control.example:7943`; tried in turn.
    pub control_planes: Vec<String>,
    /// `<secret>.<CA fingerprint>`; needed until the instance has joined.
    pub token: Option<String>,
    /// Where identity and last good configuration lie; made when missing, for the owner alone.
    pub data_dir: PathBuf,
    /// What the instance says of itself.
    pub facts: v1::InstanceFacts,
    /// Shortest and longest wait between two attempts to connect.
    pub backoff: (Duration, Duration),
}

impl ConfigSettings {
    /// With the usual waits.
    pub fn new(control_planes: Vec<String>, data_dir: PathBuf) -> Self {
        let backoff = (Duration::from_millis(200), Duration::from_secs(5));
        Self { control_planes, token: None, data_dir, facts: v1::InstanceFacts::default(), backoff }
    }
}

/// Why the instance will get no further configuration. What it serves, it may go on serving.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No URL was given.
    #[error("no control plane was named")]
    NoControlPlane,
    /// The instance has not joined yet and has no token to do it with.
    #[error("this instance has not joined a gateway group yet: a join token is needed")]
    NoToken,
    /// The token's form is wrong.
    #[error(transparent)]
    BadToken(#[from] TokenError),
    /// The control plane refused the token, the request or the URL is wrong.
    #[error("joining was refused: {0}")]
    JoinRefused(String),
    /// The data directory cannot be used.
    #[error("data directory {path}: {source}", path = .path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The identity file cannot be read or written.
    #[error("{0}")]
    Identity(String),
    /// The certificate's life ended while no control plane was reached.
    #[error("this instance's certificate has expired: a join token is needed to join again")]
    Expired,
    /// What is served is of one group, the token of another.
    #[error(
        "this instance's certificate has expired, and its join token is of gateway group {other}, not of {group}: an instance of \
         another group needs a data directory of its own"
    )]
    OtherGroup {
        /// The instance's.
        group: GroupId,
        /// The token's.
        other: GroupId,
    },
    /// The instance was revoked; it cannot come back with this identity.
    #[error("the control plane dismissed this instance: {0}")]
    Revoked(String),
}

/// Keeps the instance configured until `stop`. To be run on a thread of its own: compiling blocks it.
///
/// # Errors
/// [`ConfigError`] when no further configuration can come; until then everything is retried.
pub async fn run<S: PlanSink>(
    settings: ConfigSettings,
    sink: S,
    observed: impl Observed,
    status: watch::Sender<Status>,
    stop: CancellationToken,
) -> Result<(), ConfigError> {
    let _lock = lock_data_dir(&settings)?;
    if settings.control_planes.is_empty() {
        return Err(ConfigError::NoControlPlane);
    }
    let (least, most) = settings.backoff;
    let mut runner = Runner { backoff: Backoff::new(least, most), next_url: 0, settings, observed, stop };
    let Some(identity) = runner.identity(&status).await? else { return Ok(()) };
    let applier = Applier::start(&identity, &runner.settings.data_dir, sink, status);
    runner.follow(identity, applier).await
}

/// Two instances in one directory would take each other's identity and files.
fn lock_data_dir(settings: &ConfigSettings) -> Result<std::fs::File, ConfigError> {
    let path = &settings.data_dir;
    let lock = || {
        disk::create_private_dir(path)?;
        let file = disk::open_private(OpenOptions::new().create(true).write(true), &path.join("lock"))?;
        file.try_lock().map_err(|_| io::Error::other("another instance uses it"))?;
        Ok(file)
    };
    lock().map_err(|source| ConfigError::DataDir { path: path.clone(), source })
}

struct Runner<O> {
    settings: ConfigSettings,
    observed: O,
    stop: CancellationToken,
    backoff: Backoff,
    next_url: usize,
}

impl<O: Observed> Runner<O> {
    /// The identity on disk, or one to join for; none when stopped before.
    async fn identity(&mut self, status: &watch::Sender<Status>) -> Result<Option<Identity>, ConfigError> {
        let stored = Identity::load(&self.settings.data_dir).map_err(|error| ConfigError::Identity(error.to_string()));
        let Some(token) = self.settings.token.as_deref() else {
            return stored?.map(Some).ok_or(ConfigError::NoToken);
        };
        let token: JoinToken = token.parse()?;
        match stored {
            // A token of the same control plane was used up by the first start, or is not needed yet: what an expired identity
            // has on disk is served before it joins again.
            Ok(Some(identity)) if identity.is_of(&token.ca) => return Ok(Some(identity)),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "joining anew"),
        }
        let Some(joined) = self.join(&token, status).await? else { return Ok(None) };
        self.store(&joined)?;
        Ok(Some(joined))
    }

    /// A new identity in the place of one that has expired; none when stopped before.
    async fn join_again(
        &mut self,
        expired: &Identity,
        status: &watch::Sender<Status>,
    ) -> Result<Option<Identity>, ConfigError> {
        let token: JoinToken = self.settings.token.as_deref().ok_or(ConfigError::Expired)?.parse()?;
        tracing::warn!("this instance's certificate has expired; joining again");
        let Some(joined) = self.join(&token, status).await? else { return Ok(None) };
        if joined.name.group != expired.name.group {
            return Err(ConfigError::OtherGroup { group: expired.name.group.clone(), other: joined.name.group });
        }
        self.store(&joined)?;
        Ok(Some(joined))
    }

    async fn join(
        &mut self,
        token: &JoinToken,
        status: &watch::Sender<Status>,
    ) -> Result<Option<Identity>, ConfigError> {
        loop {
            let url = self.url();
            match self.stop.run_until_cancelled(join(&url, token, self.settings.facts.clone())).await {
                None => return Ok(None),
                Some(Ok(identity)) => {
                    self.backoff.reset();
                    tracing::info!(group = %identity.name.group, instance = %identity.name.instance, "joined");
                    return Ok(Some(identity));
                }
                Some(Err(error)) if error.is_final() => return Err(ConfigError::JoinRefused(error.to_string())),
                Some(Err(error)) => self.failed(status, &join_reason(&error)),
            }
            if !self.pause().await {
                return Ok(None);
            }
        }
    }

    /// Stream after stream.
    async fn follow<S: PlanSink>(
        &mut self,
        mut identity: Identity,
        mut applier: Applier<S>,
    ) -> Result<(), ConfigError> {
        loop {
            if identity.is_expired(SystemTime::now()) {
                let Some(joined) = self.join_again(&identity, applier.status()).await? else { return Ok(()) };
                applier.is_now(&joined);
                identity = joined;
            }
            match self.stream(&identity, &mut applier).await {
                End::Stopped => {
                    applier.tidy();
                    return Ok(());
                }
                End::Renewed(renewed) => {
                    self.store(&renewed)?;
                    tracing::info!("certificate renewed");
                    identity = *renewed;
                }
                End::Goodbye(goodbye) if goodbye.reason() == GoodbyeReason::Revoked => {
                    return Err(dismissed(&applier, goodbye.message));
                }
                End::Refused(answer) if answer.code() == Code::PermissionDenied => {
                    return Err(dismissed(&applier, answer.message().to_owned()));
                }
                End::Goodbye(goodbye) => self.failed(applier.status(), &goodbye.message),
                End::Refused(answer) => self.failed(applier.status(), answer.message()),
                End::Lost(reason) => self.failed(applier.status(), &reason),
            }
            applier.tidy();
            if !self.pause().await {
                return Ok(());
            }
        }
    }

    async fn stream<S: PlanSink>(&mut self, identity: &Identity, applier: &mut Applier<S>) -> End {
        let url = self.url();
        let Some(ca) = identity.ca().cloned() else { return End::Lost("the identity has no CA".to_owned()) };
        let connected = self.stop.run_until_cancelled(connect(&url, Trust::Ca(ca), Some(identity))).await;
        let mut client = match connected {
            None => return End::Stopped,
            Some(Err(error)) => return End::Lost(error.to_string()),
            Some(Ok(client)) => client,
        };
        let facts = self.settings.facts.clone();
        let link = Link { identity, facts, observed: &self.observed, stop: &self.stop };
        let opened = Instant::now();
        let end = follow(&mut client, applier, &link, |applier| {
            applier.status().send_modify(|status| {
                status.control_plane = Some(url.clone());
                status.last_error = None;
            });
        })
        .await;
        // A stream that ends as soon as it stands (two instances with one identity, a replica that
        // cannot serve) must not be tried again at once for ever.
        if opened.elapsed() > self.settings.backoff.1 {
            self.backoff.reset();
        }
        end
    }

    fn url(&self) -> String {
        let count = self.settings.control_planes.len().max(1);
        self.settings.control_planes.get(self.next_url % count).cloned().unwrap_or_default()
    }

    fn failed(&mut self, status: &watch::Sender<Status>, reason: &str) {
        tracing::warn!(control_plane = self.url(), reason, "the config channel is interrupted");
        self.next_url = self.next_url.wrapping_add(1);
        status.send_modify(|status| {
            status.control_plane = None;
            status.last_error = Some(reason.to_owned());
        });
    }

    /// Waits before the next attempt; false when stopped meanwhile.
    async fn pause(&mut self) -> bool {
        let wait = self.backoff.next(rand::random());
        self.stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some()
    }

    fn store(&self, identity: &Identity) -> Result<(), ConfigError> {
        identity.store(&self.settings.data_dir).map_err(|error| ConfigError::Identity(error.to_string()))
    }
}

fn join_reason(error: &JoinError) -> String {
    format!("cannot join yet: {error}")
}

fn dismissed<S: PlanSink>(applier: &Applier<S>, reason: String) -> ConfigError {
    applier.status().send_modify(|status| {
        status.control_plane = None;
        status.last_error = Some(reason.clone());
    });
    ConfigError::Revoked(reason)
}

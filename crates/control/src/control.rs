//! The handle on the use cases, and who owns what runs beside them.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use model::{GroupId, InstanceId};
use plugin_api::Registry;
use store::{Store, StoreError};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::{self, Refusals};
use crate::authority::CertificateAuthority;
use crate::clock::Clock;
use crate::configuration::{self, Heads};
use crate::error::ControlError;
use crate::iam::{Actor, Attempts, Passwords, Rules};
use crate::settings::{ControlSettings, seconds};
use crate::signer::Signer;
use crate::{bootstrap, feed, fleet};

/// A slow receiver of revocations or commits that falls further behind reads what stands instead.
const CAPACITY: usize = 1024;

/// The control plane's use cases. Clones share everything.
#[derive(Clone)]
pub struct Control {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) settings: ControlSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: &'static Registry,
    pub(crate) authority: CertificateAuthority,
    pub(crate) signer: Signer,
    pub(crate) heads: Heads,
    pub(crate) passwords: Passwords,
    pub(crate) rules: Rules,
    /// Refused attempts of this minute.
    pub(crate) refusals: Refusals,
    /// When old audit rows are looked for next, in unix seconds.
    pub(crate) next_prune: AtomicI64,
    pub(crate) attempts: Attempts,
    pub(crate) revocations: broadcast::Sender<InstanceId>,
    pub(crate) commits: broadcast::Sender<GroupId>,
    pub(crate) tasks: TaskTracker,
    stop: CancellationToken,
}

impl Control {
    /// Takes up work on `store`: makes on the first start what is missing there, and begins to sweep.
    /// `registry` are the plugins that configurations may use.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`], [`ControlError::Internal`].
    pub async fn start(
        store: Store,
        registry: &'static Registry,
        settings: ControlSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<bootstrap::Started, ControlError> {
        let control = Self {
            inner: Arc::new(Inner {
                authority: CertificateAuthority::load(&store, clock.now()).await?,
                signer: Signer::load(&store).await?,
                heads: Heads::default(),
                passwords: Passwords::default(),
                rules: Rules::default(),
                refusals: Refusals::default(),
                next_prune: AtomicI64::new(0),
                attempts: Attempts::default(),
                revocations: broadcast::Sender::new(CAPACITY),
                commits: broadcast::Sender::new(CAPACITY),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                store,
                settings,
                clock,
                registry,
            }),
        };
        let first_admin = bootstrap::first_start(&control).await?;
        control.run(feed::forward_commits(control.inner.store.subscribe(), control.inner.commits.clone()));
        control.run(fleet::sweep(Arc::downgrade(&control.inner)));
        control.run(audit::flush_now_and_then(Arc::downgrade(&control.inner)));
        let entry = audit::entry(&Actor::system(), "StartControlPlane")
            .of("control_plane", "")
            .named(env!("CARGO_PKG_VERSION"));
        control.within(control.inner.store.audit().record(&entry.into())).await?;
        control.run(configuration::expire(Arc::downgrade(&control.inner)));
        Ok(bootstrap::Started { control, first_admin })
    }

    /// Ends the tasks that run beside, after the writes under way are through.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.flush_refusals(i64::MAX).await;
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn store_health(&self) -> Result<(), ControlError> {
        self.within(self.inner.store.settings().get("health")).await.map(drop)
    }

    /// The plugins that configurations may use.
    pub fn plugins(&self) -> &'static Registry {
        self.inner.registry
    }

    /// The settings in force.
    pub fn settings(&self) -> &ControlSettings {
        &self.inner.settings
    }

    /// Runs beside until shutdown.
    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.inner.stop.clone();
        self.inner.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    pub(crate) fn now(&self) -> i64 {
        self.inner.clock.now()
    }

    /// A call of the store with its deadline.
    pub(crate) async fn within<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, ControlError> {
        Ok(self.within_store(call).await?)
    }

    pub(crate) async fn within_store<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let deadline = self.inner.settings.store_deadline;
        let late = || StoreError::Unavailable(format!("no answer within {} s", seconds(deadline)));
        tokio::time::timeout(deadline, call).await.unwrap_or_else(|_| Err(late()))
    }
}

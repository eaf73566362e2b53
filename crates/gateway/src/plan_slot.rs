//! Where the workers find the plan, and the compiler that fills it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use model::{Change, Revision};
use plan::{Compiler, Plan, Rejection};
use plugin_api::Registry;
use tokio::sync::watch;

/// Compiles configurations and swaps plans in. Belongs to the thread of the configuration, never to a worker.
pub struct PlanSlot {
    compiler: Compiler,
    plans: Arc<ArcSwapOption<Plan>>,
    /// The revision served; `None` before the first.
    revision: watch::Sender<Option<Revision>>,
}

impl PlanSlot {
    /// A slot without a plan.
    pub fn new(registry: &'static Registry) -> Self {
        Self { compiler: Compiler::new(registry), plans: Arc::default(), revision: watch::Sender::new(None) }
    }

    /// Where workers look.
    pub(crate) fn plans(&self) -> Arc<ArcSwapOption<Plan>> {
        self.plans.clone()
    }

    /// Follows the revision that is served.
    pub fn subscribe(&self) -> watch::Receiver<Option<Revision>> {
        self.revision.subscribe()
    }

    /// Applies changes, and from then on serves the result as `revision`.
    ///
    /// # Errors
    /// The object that cannot be served; the plan before goes on serving.
    pub fn apply(&mut self, changes: &[Change], revision: Revision) -> Result<(), Rejection> {
        self.compiler.apply(changes)?;
        self.plans.store(Some(Arc::new(self.compiler.plan(revision))));
        self.revision.send_replace(Some(revision));
        Ok(())
    }
}

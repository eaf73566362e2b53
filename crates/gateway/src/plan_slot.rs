//! Where the workers find the plan, and the compiler that fills it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use model::Change;
use plan::{Compiler, Plan, References, Rejection};
use plugin_api::Registry;
use tokio::sync::watch;
use wire::Refusal;

use crate::config::PlanSink;
use crate::health::HealthBook;

/// Compiles configurations and swaps plans in. Belongs to the thread of the configuration, never to a worker.
pub struct PlanSlot {
    compiler: Compiler,
    plans: Plans,
}

/// The workers' end of the slot.
#[derive(Clone)]
pub struct Plans {
    pub(crate) current: Arc<ArcSwapOption<Plan>>,
    /// How many routes are served; `None` before the first plan.
    routes: watch::Sender<Option<usize>>,
    /// The health of nodes, which outlives plans.
    pub(crate) health: Arc<HealthBook>,
}

impl Plans {
    /// Waits for the first plan.
    pub async fn ready(&self) {
        // The sender lives in `self`, so the channel cannot close.
        let _ = self.routes.subscribe().wait_for(Option::is_some).await;
    }

    /// How many routes are served; `None` before the first plan.
    pub fn routes(&self) -> Option<usize> {
        *self.routes.borrow()
    }
}

impl PlanSlot {
    /// A slot without a plan.
    pub fn new(registry: &'static Registry) -> Self {
        let plans = Plans { current: Arc::default(), routes: watch::Sender::new(None), health: Arc::default() };
        let references = References::to(|name| std::env::var(name).ok());
        Self { compiler: Compiler::new(registry).resolving(references), plans }
    }

    /// Where workers look.
    pub fn plans(&self) -> Plans {
        self.plans.clone()
    }

    /// Applies changes, and from then on serves the result.
    ///
    /// # Errors
    /// The object that cannot be served; the plan before goes on serving. Where there is no plan before, what cannot be
    /// served fails closed and the rest is served: nothing at all would help nobody.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), Rejection> {
        if self.plans.current.load().is_some() {
            self.compiler.apply(changes)?;
        } else {
            self.compiler.load(changes);
            self.compiler.faulty().for_each(|fault| tracing::error!(%fault, "cannot be served and is closed"));
        }
        let plan = self.compiler.plan();
        let routes = plan.route_count();
        self.plans.current.store(Some(Arc::new(plan)));
        self.plans.routes.send_replace(Some(routes));
        Ok(())
    }
}

impl PlanSink for PlanSlot {
    fn apply(&mut self, changes: &[Change]) -> Result<(), Refusal> {
        PlanSlot::apply(self, changes).map_err(|rejection| Refusal {
            key: Some(rejection.key),
            pointer: rejection.pointer,
            reason: rejection.message,
        })
    }
}

//! Every connected instance, so that one can be found and expelled.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::InstanceId;
use wire::v1::GoodbyeReason;

use crate::session::Session;

#[derive(Default)]
pub(crate) struct Sessions {
    by_instance: Mutex<HashMap<InstanceId, Arc<Session>>>,
}

impl Sessions {
    /// A stream begins; an earlier one of the same instance ends.
    pub(crate) fn enter(&self, session: Arc<Session>) {
        let earlier = self.all().insert(session.identity().instance.clone(), session);
        if let Some(earlier) = earlier {
            earlier.close(GoodbyeReason::Replaced, "a newer stream of this instance took over");
        }
    }

    /// A stream has ended. Leaves a newer stream of the same instance alone; true when there is none.
    pub(crate) fn leave(&self, session: &Arc<Session>) -> bool {
        match self.all().entry(session.identity().instance.clone()) {
            Entry::Occupied(entry) if Arc::ptr_eq(entry.get(), session) => {
                entry.remove();
                true
            }
            Entry::Occupied(_) => false,
            Entry::Vacant(_) => true,
        }
    }

    /// The instance was revoked or deleted.
    pub(crate) fn expel(&self, instance: &InstanceId) {
        let session = self.all().get(instance).cloned();
        if let Some(session) = session {
            session.expel(GoodbyeReason::Revoked, "the instance was revoked or deleted");
        }
    }

    /// This replica stops.
    pub(crate) fn close_all(&self) {
        for session in self.snapshot() {
            session.close(GoodbyeReason::Shutdown, "this control-plane replica stops");
        }
    }

    /// How many are connected.
    pub(crate) fn len(&self) -> usize {
        self.all().len()
    }

    /// Every session as it stands.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Session>> {
        self.all().values().cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<Session>>> {
        self.by_instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

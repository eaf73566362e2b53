//! Resources that go by themselves: the `ttl` of the Apache APISIX Admin API.

use std::sync::Weak;
use std::time::Duration;

use model::GroupId;
use store::access::{GroupAccess, SystemReason};
use store::config::Expiry;

use super::{Operation, Written};
use crate::control::{Control, Inner};
use crate::error::ControlError;
use crate::iam::Actor;

/// How often it is asked what has run out: clients count in seconds.
const EVERY: Duration = Duration::from_secs(1);

/// Removes what has run out, as long as the control plane is there.
pub(crate) async fn expire(inner: Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        let control = Control { inner };
        if let Err(error) = control.expire_once().await {
            tracing::warn!(%error, "what has run out could not be removed; trying again");
        }
        // The pause must not keep the control plane alive.
        drop(control);
        tokio::time::sleep(EVERY).await;
    }
}

impl Control {
    /// Lets a resource go after a while, unless it is put anew before. It is part of the write that gave `written`, and
    /// takes no permission beyond that of the write.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn expire_written(
        &self,
        group: &GroupId,
        written: &Written,
        after: Duration,
    ) -> Result<(), ControlError> {
        let after = i64::try_from(after.as_secs_f64().ceil() as u64).unwrap_or(i64::MAX);
        let expiry = Expiry {
            key: written.resource.key.clone(),
            revision: written.resource.revision,
            expires_at: self.now().saturating_add(after),
        };
        let group = GroupAccess::system(group.clone(), SystemReason::Expiry);
        self.within(self.inner.store.config().set_expiry(&group, &expiry)).await
    }

    /// One round of removing what has run out; it also runs by itself.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn expire_once(&self) -> Result<(), ControlError> {
        for (group, expiry) in self.within(self.inner.store.config().due(self.now())).await? {
            let group = GroupAccess::system(group, SystemReason::Expiry);
            let stored = self.within(self.inner.store.config().get(&group, &expiry.key)).await?;
            if stored.is_some_and(|stored| stored.revision == expiry.revision) {
                self.remove_expired(&group, &expiry).await?;
            }
            self.within(self.inner.store.config().forget_expiry(&group, &expiry)).await?;
        }
        Ok(())
    }

    /// Whoever refers to it is no reason to keep it.
    async fn remove_expired(&self, group: &GroupId, expiry: &Expiry) -> Result<(), ControlError> {
        let removal = vec![Operation::ForceDelete { key: expiry.key.clone() }];
        match self.batch(&Actor::system(), group, removal, None).await {
            Ok(_) => Ok(()),
            Err(error @ ControlError::Unavailable(_)) => Err(error),
            Err(error) => {
                tracing::error!(%error, resource = %expiry.key, "what has run out stays");
                Ok(())
            }
        }
    }
}

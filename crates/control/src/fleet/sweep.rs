//! Removes what has ended: silent instances, sessions, idle groups' memory, old audit rows.

use std::sync::Weak;

use store::instances::Gone;

use crate::audit;
use crate::control::{Control, Inner};
use crate::error::ControlError;
use crate::iam::Actor;
use crate::settings::seconds;

/// Sweeps now and then, as long as the control plane is there.
pub(crate) async fn sweep(inner: Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        let control = Control { inner };
        if let Err(error) = control.sweep_once().await {
            tracing::warn!(%error, "sweeping did not end well; trying again later");
        }
        let pause = control.inner.settings.sweep_every;
        // The pause must not keep the control plane alive.
        drop(control);
        tokio::time::sleep(pause).await;
    }
}

impl Control {
    /// One round of sweeping; it also runs by itself, every [`crate::ControlSettings::sweep_every`].
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn sweep_once(&self) -> Result<(), ControlError> {
        let now = self.now();
        self.inner.heads.forget_idle(now.saturating_sub(seconds(self.inner.settings.idle_group_after)));
        self.within(self.inner.store.sessions().delete_expired(now)).await?;
        self.within(self.inner.store.sign_ins().delete_expired(now)).await?;
        let lock_life = seconds(self.inner.settings.login_lock_life);
        self.within(self.inner.store.login_failures().delete_older(now.saturating_sub(lock_life))).await?;
        let silent_since = now.saturating_sub(seconds(self.inner.settings.removed_after));
        let entry = |gone: &Gone| {
            let entry = audit::entry(&Actor::system(), "RemoveSilentInstance").of("gateway_instance", gone.id.as_str());
            entry.named(&gone.hostname).within(&gone.group).into()
        };
        let instances = self.inner.store.instances();
        for id in self.within(instances.delete_silent_since(silent_since, now, entry)).await? {
            // No receiver: no channel runs in this process.
            let _ = self.inner.revocations.send(id);
        }
        self.prune_audit_log().await
    }
}

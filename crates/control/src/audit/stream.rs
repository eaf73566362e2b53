//! What the sender of the stream works with. It opens the connections; here is the cursor, in the database, so that a
//! replica that takes over goes on where the one before it was.

use std::time::Duration;

use store::audit::Batch;

use super::StreamTarget;
use crate::control::Control;
use crate::error::ControlError;

impl Control {
    /// Where rows are to be sent; nowhere unless set.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn audit_stream_target(&self) -> Result<Option<StreamTarget>, ControlError> {
        Ok(self.standing_audit_config().await?.stream)
    }

    /// Takes or prolongs the right to send; of all replicas one has it. `holder` names this process.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn hold_audit_stream(&self, holder: &str, time: Duration) -> Result<bool, ControlError> {
        let milliseconds = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.within(self.inner.store.audit().hold_stream(holder, milliseconds)).await
    }

    /// Gives the right to send back.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn release_audit_stream(&self, holder: &str) -> Result<(), ControlError> {
        self.within(self.inner.store.audit().release_stream(holder)).await
    }

    /// What is to be sent next: at most `limit` rows of one chain, in its order; the same again until it arrived.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn next_audit_batch(&self, limit: u32) -> Result<Option<Batch>, ControlError> {
        self.within(self.inner.store.audit().next_batch(limit)).await
    }

    /// Writes down that a batch arrived; whether `holder` still had the right to send.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`]: it will be sent once more.
    pub async fn audit_batch_arrived(&self, holder: &str, batch: &Batch) -> Result<bool, ControlError> {
        self.within(self.inner.store.audit().batch_arrived(holder, batch)).await
    }

    /// Writes down why a batch did not arrive.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn audit_batch_failed(&self, holder: &str, error: &str) -> Result<(), ControlError> {
        self.within(self.inner.store.audit().batch_failed(holder, error)).await
    }
}

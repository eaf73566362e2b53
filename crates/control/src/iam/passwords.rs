//! Passwords: argon2id, off the runtime's threads and a few at a time.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{OnceCell, Semaphore};

use super::throttle::Throttle;
use crate::error::ControlError;

/// Each takes 19 MiB and tens of milliseconds, so callers without a login must not get many at once.
const AT_ONCE: usize = 4;

/// Hashes and verifies.
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
    /// Verified in place of an unknown user's, so that the time of an answer does not tell who exists.
    decoy: OnceCell<String>,
    pub(crate) throttle: Throttle,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(AT_ONCE)), decoy: OnceCell::new(), throttle: Throttle::default() }
    }
}

impl Passwords {
    /// The hash in PHC form, with a fresh salt.
    pub(crate) async fn hash(&self, password: String) -> Result<String, ControlError> {
        let hashed = move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string());
        self.apart(hashed).await?.map_err(ControlError::internal)
    }

    /// Whether it is the password of this hash; `None`: of nobody, in the same time.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, ControlError> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.decoy.get_or_try_init(|| self.hash(String::from("decoy"))).await?.clone(),
        };
        let matches = move || {
            let hash = PasswordHash::new(&hash)?;
            Ok::<_, argon2::password_hash::phc::Error>(
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok(),
            )
        };
        Ok(self.apart(matches).await?.map_err(ControlError::internal)? && known)
    }

    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ControlError> {
        let slot = self.slots.clone().acquire_owned().await.map_err(ControlError::internal)?;
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        done.await.map_err(ControlError::internal)
    }
}

//! How many requests a client may send: one bucket for each address, and one for each key or session that is shown.
//!
//! Both are counted before anything is looked up, so that a flood costs neither the database nor a password hash. The
//! buckets are bounded: with more clients than there is room for, the longest idle ones are forgotten.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use limit::{LeakyTable, Rate};

use crate::error::{ApiError, ApiResult};

/// Addresses and keys that are remembered.
const ROOM: usize = 50_000;
/// How far a client may get ahead of its rate.
const BURST_SECONDS: f64 = 2.0;

/// Clones share the buckets.
#[derive(Clone)]
pub(crate) struct Pace {
    inner: Option<Arc<Buckets>>,
}

struct Buckets {
    table: LeakyTable,
    rate: Rate,
    /// Its keys are random: nobody can choose an address that shares another's bucket.
    hasher: std::hash::RandomState,
    began: Instant,
}

impl Pace {
    /// So many requests a second for each address and key; 0: any number.
    pub(crate) fn of(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        let buckets = || Buckets {
            table: LeakyTable::with_room_for(ROOM),
            rate: Rate { per_second, burst: per_second * BURST_SECONDS },
            hasher: std::hash::RandomState::new(),
            began: Instant::now(),
        };
        Self { inner: (per_second > 0.0).then(|| Arc::new(buckets())) }
    }

    /// Counts a request of `client`, which is one of a `kind`: an address, a key.
    ///
    /// # Errors
    /// 429 when there were too many.
    pub(crate) fn count(&self, kind: &str, client: &str) -> ApiResult<()> {
        let Some(buckets) = &self.inner else { return Ok(()) };
        let now_ms = u64::try_from(buckets.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match buckets.table.take(buckets.hasher.hash_one((kind, client)), buckets.rate, now_ms) {
            Some(_) => Ok(()),
            None => {
                let message =
                    format!("too many requests from this {kind}; at most {} a second", buckets.rate.per_second);
                Err(ApiError::too_many(message, Duration::from_secs(1)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_a_bucket_of_its_own() {
        let pace = Pace::of(5);
        let taken = (0..100).filter(|_| pace.count("address", "192.0.2.1").is_ok()).count();
        assert!((11..30).contains(&taken), "two seconds' worth and what leaked meanwhile, not {taken}");
        assert!(pace.count("address", "192.0.2.2").is_ok() && pace.count("key", "192.0.2.1").is_ok());
        let free = Pace::of(0);
        assert!((0..10_000).all(|_| free.count("key", "k").is_ok()));
    }
}

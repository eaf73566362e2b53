//! Leaky buckets: requests at an even rate, and a little more for a while.

use crate::shards::Shards;

/// How many requests a second, and how far a client may get ahead of that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second.
    pub per_second: f64,
    /// Requests above the rate that are delayed; beyond them they are refused.
    pub burst: f64,
}

/// Buckets by key, for all workers of an instance.
pub struct LeakyTable {
    buckets: Shards<Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Requests that are in it.
    excess: f64,
    last_ms: u64,
    per_second: f64,
}

impl LeakyTable {
    /// Room for about `keys` keys.
    pub fn with_room_for(keys: usize) -> Self {
        Self { buckets: Shards::with_room_for(keys) }
    }

    /// Takes a request of `key` in at `now_ms`: seconds to hold it back, so that the rate is kept; `None` refuses it,
    /// and it is not counted.
    ///
    /// Source: the algorithm of lua-resty-limit-traffic's `limit.req`, which follows nginx's.
    pub fn take(&self, key: u64, rate: Rate, now_ms: u64) -> Option<f64> {
        let new = || Bucket { excess: -1.0, last_ms: now_ms, per_second: rate.per_second };
        let is_over = |bucket: &Bucket| bucket.left(now_ms) <= 0.0;
        let work = |bucket: &mut Bucket| {
            let excess = (bucket.left(now_ms) + 1.0).max(0.0);
            if excess > rate.burst {
                return None;
            }
            *bucket = Bucket { excess, last_ms: bucket.last_ms.max(now_ms), per_second: rate.per_second };
            Some(excess / rate.per_second)
        };
        self.buckets.with(key, new, is_over, work).flatten()
    }
}

impl Bucket {
    fn left(&self, now_ms: u64) -> f64 {
        let elapsed = now_ms.saturating_sub(self.last_ms) as f64 / 1000.0;
        self.excess - elapsed * self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_held_back_and_more_is_refused() {
        let table = LeakyTable::with_room_for(100);
        let rate = Rate { per_second: 2.0, burst: 2.0 };
        let take = |now_ms| table.take(1, rate, now_ms);
        assert_eq!([take(0), take(0), take(0), take(0)], [Some(0.0), Some(0.5), Some(1.0), None]);
        assert_eq!(take(500), Some(1.0), "half a second let one out");
        assert_eq!(take(10_000), Some(0.0), "an empty bucket gives no credit");
        assert_eq!(take(10_000), Some(0.5));
        assert_eq!(table.take(2, rate, 0), Some(0.0), "others have their own");
    }

    #[test]
    fn the_table_is_bounded() {
        let table = LeakyTable::with_room_for(64);
        let rate = Rate { per_second: 1.0, burst: 0.0 };
        for key in 0..10_000 {
            assert_eq!(table.take(key, rate, 0), Some(0.0));
        }
    }
}

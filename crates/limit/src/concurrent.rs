//! How many requests of a key are under way at once.

use crate::shards::Shards;

/// Requests under way by key, for all workers of an instance.
pub struct ConcurrencyTable {
    counts: Shards<Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    now: u64,
    /// Seconds that a request took of late, by which further ones are held back.
    delay: f64,
}

/// How many requests at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Concurrency {
    /// That go on at once.
    pub most: u64,
    /// Further ones that are held back; beyond them they are refused.
    pub burst: u64,
    /// Seconds to hold one back, as long as nothing better is known.
    pub default_delay: f64,
    /// Whether the default stays, whatever requests take.
    pub only_default_delay: bool,
}

impl ConcurrencyTable {
    /// Room for about `keys` keys.
    pub fn with_room_for(keys: usize) -> Self {
        Self { counts: Shards::with_room_for(keys) }
    }

    /// A request of `key` begins: seconds to hold it back; `None` refuses it, and it does not count.
    ///
    /// Source: the algorithm of lua-resty-limit-traffic's `limit.conn`.
    pub fn enter(&self, key: u64, limit: Concurrency) -> Option<f64> {
        let new = || Count { now: 0, delay: limit.default_delay };
        let work = |count: &mut Count| {
            let now = count.now + 1;
            if now > limit.most.saturating_add(limit.burst) {
                return None;
            }
            count.now = now;
            let rounds = (now - 1) / limit.most.max(1);
            let delay = if limit.only_default_delay { limit.default_delay } else { count.delay };
            Some(if now > limit.most { rounds as f64 * delay } else { 0.0 })
        };
        self.counts.with(key, new, |count| count.now == 0, work).flatten()
    }

    /// It ended, `seconds` after it went on; `None` for one that never did.
    pub fn leave(&self, key: u64, seconds: Option<f64>) {
        self.counts.finish(key, |count| {
            count.now = count.now.saturating_sub(1);
            count.delay = seconds.map_or(count.delay, |seconds| (count.delay + seconds) / 2.0);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_ones_are_held_back_then_refused_until_one_leaves() {
        let table = ConcurrencyTable::with_room_for(100);
        let limit = Concurrency { most: 1, burst: 2, default_delay: 0.1, only_default_delay: true };
        let enter = || table.enter(1, limit);
        assert_eq!([enter(), enter(), enter(), enter()], [Some(0.0), Some(0.1), Some(0.2), None]);
        table.leave(1, Some(5.0));
        assert_eq!([enter(), enter()], [Some(0.2), None]);
        assert_eq!(table.enter(2, limit), Some(0.0), "others have their own");
        table.leave(3, Some(1.0));
    }

    #[test]
    fn the_delay_follows_what_requests_take() {
        let table = ConcurrencyTable::with_room_for(100);
        let limit = Concurrency { most: 1, burst: 1, default_delay: 0.1, only_default_delay: false };
        table.enter(1, limit);
        table.leave(1, Some(0.3));
        table.enter(1, limit);
        assert_eq!(table.enter(1, limit), Some(0.2));
        table.leave(1, None);
        assert_eq!(table.enter(1, limit), Some(0.2), "one that gave up says nothing");
    }
}

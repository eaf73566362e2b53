//! Counters in fixed windows, for all workers of an instance: bounded, and without a lock on the way of a request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Places that one key may take; a full set gives up the window that ends first.
const WAYS: usize = 8;
/// A window's end is kept in ticks of 125 ms: 32 bits last 17 years.
const TICK_MS: u64 = 125;
/// No key: the place is free.
const FREE: u64 = 0;

/// Counters by key. A window begins with its first request and lasts its time.
pub struct FixedWindows {
    sets: Box<[Set]>,
    evicted: AtomicU64,
}

struct Set {
    places: [Place; WAYS],
    /// Held while a key moves in, never while one is counted.
    moving: AtomicBool,
}

#[derive(Default)]
struct Place {
    key: AtomicU64,
    /// End of the window in ticks, above; count, below.
    window: AtomicU64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is within the limit.
    pub allowed: bool,
    /// How many more are.
    pub remaining: u32,
    /// Milliseconds until the window ends.
    pub reset_ms: u64,
}

impl FixedWindows {
    /// Room for at least `keys` keys; 16 bytes each.
    pub fn with_capacity(keys: usize) -> Self {
        let sets = (keys / WAYS).next_power_of_two();
        Self { sets: (0..sets).map(|_| Set::default()).collect(), evicted: AtomicU64::new(0) }
    }

    /// Counts a request of `key` at `now_ms`, against `limit` requests in `window_ms`. A refused request is
    /// not counted. The clock may start anywhere, but must not go back.
    pub fn hit(&self, key: u64, limit: u32, window_ms: u64, now_ms: u64) -> Decision {
        let key = key.max(1);
        let now = now_ms / TICK_MS;
        let Some(set) = self.sets.get(key as usize & (self.sets.len() - 1)) else {
            return Decision { allowed: true, remaining: limit, reset_ms: window_ms };
        };
        let place = set.find(key).unwrap_or_else(|| set.move_in(key, now, &self.evicted));
        let mut window = place.window.load(Ordering::Relaxed);
        loop {
            let (end, count) = (window >> 32, window as u32);
            let (end, count) = if end <= now { (now + window_ms.div_ceil(TICK_MS).max(1), 0) } else { (end, count) };
            let reset_ms = (end * TICK_MS).saturating_sub(now_ms).min(window_ms);
            if count >= limit {
                return Decision { allowed: false, remaining: 0, reset_ms };
            }
            let next = end << 32 | u64::from(count + 1);
            match place.window.compare_exchange_weak(window, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Decision { allowed: true, remaining: limit - count - 1, reset_ms },
                Err(seen) => window = seen,
            }
        }
    }

    /// How many windows were given up before their end because their set was full.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }
}

impl Default for Set {
    fn default() -> Self {
        Self { places: Default::default(), moving: AtomicBool::new(false) }
    }
}

impl Set {
    fn find(&self, key: u64) -> Option<&Place> {
        self.places.iter().find(|place| place.key.load(Ordering::Acquire) == key)
    }

    /// Gives `key` a place: a free one, else the one whose window ended or ends first.
    fn move_in(&self, key: u64, now: u64, evicted: &AtomicU64) -> &Place {
        while self.moving.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            std::hint::spin_loop();
        }
        let place = self.find(key).unwrap_or_else(|| {
            let end = |place: &&Place| match place.key.load(Ordering::Relaxed) {
                FREE => 0,
                _ => place.window.load(Ordering::Relaxed) >> 32,
            };
            let [first, ..] = &self.places;
            let place = self.places.iter().min_by_key(end).unwrap_or(first);
            if end(&place) > now {
                evicted.fetch_add(1, Ordering::Relaxed);
            }
            // Emptied before the new key shows, so that nobody counts on from the old window.
            place.key.store(FREE, Ordering::Release);
            place.window.store(0, Ordering::Release);
            place.key.store(key, Ordering::Release);
            place
        });
        self.moving.store(false, Ordering::Release);
        place
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn a_window_begins_with_its_first_request() {
        let table = FixedWindows::with_capacity(64);
        let allowed = |now| table.hit(7, 2, 1000, now).allowed;
        assert!(allowed(0) && allowed(500));
        assert!(!allowed(999));
        assert!(allowed(1125), "the window is over");
        assert_eq!(table.hit(7, 2, 1000, 1125), Decision { allowed: true, remaining: 0, reset_ms: 1000 });
        assert_eq!(table.hit(7, 2, 1000, 1625), Decision { allowed: false, remaining: 0, reset_ms: 500 });
    }

    #[test]
    fn keys_do_not_count_for_each_other_and_a_full_set_is_told() {
        let table = FixedWindows::with_capacity(8);
        for key in 1..=8 {
            assert!(table.hit(key, 1, 1000, 0).allowed);
            assert!(!table.hit(key, 1, 1000, 0).allowed);
        }
        assert_eq!(table.evicted(), 0);
        assert!(table.hit(9, 1, 1000, 0).allowed);
        assert_eq!(table.evicted(), 1);
        assert!(table.hit(10, 1, 1000, 2000).allowed, "ended windows are given up silently");
        assert_eq!(table.evicted(), 1);
    }

    #[test]
    fn many_threads_never_pass_more_than_the_limit() {
        for round in 0..50 {
            let table = FixedWindows::with_capacity(64);
            let passed = AtomicU32::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            if table.hit(3 + round, 100, 60_000, 5).allowed {
                                passed.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                }
            });
            assert_eq!(passed.load(Ordering::Relaxed), 100);
        }
    }
}

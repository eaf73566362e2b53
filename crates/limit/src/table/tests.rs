use proptest::prelude::*;

use super::*;
use crate::WindowType;

fn fixed(limit: u64, window_ms: u64) -> Rule {
    Rule { limit, window_ms, window_type: WindowType::Fixed }
}

fn sliding(limit: u64, window_ms: u64) -> Rule {
    Rule { limit, window_ms, window_type: WindowType::Sliding }
}

#[test]
fn a_fixed_window_begins_with_its_first_request() {
    let table = Table::with_room_for(64);
    let hit = |now| table.hit(7, &fixed(2, 1000), now);
    assert_eq!(hit(100), Decision { allowed: true, remaining: 1, reset_ms: 1000 });
    assert_eq!(hit(600), Decision { allowed: true, remaining: 0, reset_ms: 500 });
    assert_eq!(hit(1099), Decision { allowed: false, remaining: 0, reset_ms: 1 });
    assert_eq!(hit(1100), Decision { allowed: true, remaining: 1, reset_ms: 1000 });
}

#[test]
fn a_sliding_window_carries_the_one_before() {
    let table = Table::with_room_for(64);
    let hit = |now| table.hit(7, &sliding(10, 1000), now);
    for _ in 0..10 {
        assert!(hit(900).allowed);
    }
    assert_eq!(hit(999), Decision { allowed: false, remaining: 0, reset_ms: 1 });
    assert!(!hit(1000).allowed, "all ten still weigh");
    assert_eq!(hit(1500), Decision { allowed: true, remaining: 4, reset_ms: 500 }, "five of ten weigh");
    let refused = (0..5).map(|_| hit(1500)).find(|decision| !decision.allowed).expect("the limit");
    assert_eq!(refused.reset_ms, 1, "at 1501 a little less weighs");
    assert!(hit(3000).allowed, "the window before was empty");
    assert_eq!(hit(3000).remaining, 8);
}

#[test]
fn keys_do_not_count_for_each_other_and_a_full_set_is_told() {
    let table = Table::with_room_for(1);
    let rule = fixed(1, 1000);
    let key = |n: u64| n * SETS_OF_SHARD as u64;
    for n in 1..=8 {
        assert!(table.hit(key(n), &rule, n).allowed);
        assert!(!table.hit(key(n), &rule, n).allowed);
    }
    assert_eq!(table.evicted(), 0);
    assert!(table.hit(key(9), &rule, 10).allowed);
    assert_eq!(table.evicted(), 1);
    assert!(!table.hit(key(2), &rule, 10).allowed, "the window that ended first was given up");
    assert!(table.hit(key(10), &rule, 2000).allowed);
    assert_eq!(table.evicted(), 1, "ended windows are given up silently");
}

#[test]
fn a_place_that_was_given_away_does_not_keep_the_count() {
    let table = Table::with_room_for(1);
    let key = |n: u64| n * SETS_OF_SHARD as u64;
    for n in 1..=9 {
        assert!(table.hit(key(n), &fixed(1, 1000), 0).allowed);
    }
    assert!(table.hit(key(1), &fixed(1, 1000), 0).allowed);
}

/// How many of the requests of four threads pass, when each thread moves the clock on after `pace` requests.
fn pass_concurrently(rule: Rule, pace: u64) -> (u64, u64) {
    const REQUESTS: u64 = 100_000;
    let table = Table::with_room_for(64);
    let clock = AtomicU64::new(0);
    let passed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 1..=REQUESTS {
                    let decision = table.hit(3, &rule, clock.load(Ordering::SeqCst));
                    passed.fetch_add(u64::from(decision.allowed), Ordering::Relaxed);
                    if n % pace == 0 {
                        clock.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    (passed.into_inner(), clock.into_inner())
}

#[test]
fn many_threads_pass_exactly_the_limit() {
    let (passed, _) = pass_concurrently(fixed(90_000, 1000), u64::MAX);
    assert_eq!(passed, 90_000);
    let (passed, _) = pass_concurrently(sliding(90_000, 1000), u64::MAX);
    assert_eq!(passed, 90_000);
}

#[test]
fn no_request_slips_through_while_windows_begin() {
    for window_ms in [1, 3] {
        for rule in [fixed(50, window_ms), sliding(50, window_ms)] {
            let (passed, end) = pass_concurrently(rule, 100);
            let windows = end / window_ms + 1;
            assert!(passed <= 50 * windows, "{passed} in {windows} windows of {rule:?}");
        }
    }
}

#[test]
fn keys_that_push_each_other_out_never_pass_more_in_their_own_window() {
    let table = Table::with_room_for(1);
    let rule = fixed(3, 1000);
    let passed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (table, passed) = (&table, &passed);
            scope.spawn(move || {
                for n in 0..20_000 {
                    let key = (1 + (n * 7 + thread) % 12) * SETS_OF_SHARD as u64;
                    passed.fetch_add(u64::from(table.hit(key, &rule, 5).allowed), Ordering::Relaxed);
                }
            });
        }
    });
    // Each key has one window, and one more each time a place was taken from a key.
    let windows = 12 + table.evicted();
    assert!(passed.into_inner() <= 3 * windows, "{} windows", windows);
}

proptest! {
    #[test]
    fn a_fixed_window_does_as_a_simple_model(limit in 1u64..6, window in 1u64..50, steps in prop::collection::vec(0u64..30, 1..100)) {
        let table = Table::with_room_for(8);
        let (mut now, mut end, mut count) = (0, 0, 0);
        for step in steps {
            now += step;
            if now >= end {
                (end, count) = (now + window, 0);
            }
            let allowed = count < limit;
            count += u64::from(allowed);
            let decision = table.hit(1, &fixed(limit, window), now);
            prop_assert_eq!(decision, Decision { allowed, remaining: limit - count, reset_ms: end - now });
        }
    }

    #[test]
    fn a_sliding_window_never_passes_more_than_its_limit(
        limit in 1u64..20, window in 2u64..40, steps in prop::collection::vec(0u64..4, 1..300),
    ) {
        let table = Table::with_room_for(8);
        let mut now = 0;
        let mut passed = Vec::new();
        for step in steps {
            now += step;
            let decision = table.hit(1, &sliding(limit, window), now);
            if decision.allowed {
                passed.push(now);
            } else {
                prop_assert!(decision.reset_ms >= 1);
            }
            let in_aligned = passed.iter().filter(|at| **at / window == now / window).count() as u64;
            prop_assert!(in_aligned <= limit);
        }
    }
}

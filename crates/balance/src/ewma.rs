//! Fastest by moving average.

use std::time::Duration;

use crate::Share;
use crate::balancer::top_tier;

/// How fast the past loses weight. Source: APISIX's `balancer/ewma.lua`.
const DECAY: Duration = Duration::from_secs(10);

/// Of two random nodes, the one with the lower moving average of its response times. As in APISIX, weights only
/// decide who takes part, and an average that nothing renews falls, so that a slow node is tried again.
#[derive(Debug, Clone)]
pub struct Ewma {
    tiers: Box<[(u32, i32)]>,
    averages: Box<[Average]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Average {
    seconds: f64,
    touched: Duration,
}

impl Average {
    fn with(self, now: Duration, seconds: f64) -> f64 {
        let weight = (-now.saturating_sub(self.touched).as_secs_f64() / DECAY.as_secs_f64()).exp();
        self.seconds * weight + seconds * (1.0 - weight)
    }
}

impl Ewma {
    /// Nothing learnt yet.
    pub fn new(nodes: &[Share<'_>]) -> Self {
        let tiers: Box<[_]> = nodes.iter().map(|node| (node.weight, node.priority)).collect();
        Self { averages: vec![Average::default(); tiers.len()].into(), tiers }
    }

    /// Takes over what `before` has learnt of the nodes that stay.
    pub(crate) fn follow(&mut self, before: &Self, same: impl Fn(usize) -> Option<usize>) {
        for (at, average) in self.averages.iter_mut().enumerate() {
            if let Some(known) = same(at).and_then(|at| before.averages.get(at)) {
                *average = *known;
            }
        }
    }

    /// The faster of two random nodes among those that `may_serve`.
    pub fn next(&self, now: Duration, random: u64, may_serve: impl Fn(usize) -> bool) -> Option<usize> {
        let tier = top_tier(&self.tiers, &may_serve)?;
        let serving = || {
            let nodes = self.tiers.iter().enumerate();
            nodes
                .filter(|(at, (weight, priority))| *weight > 0 && *priority == tier && may_serve(*at))
                .map(|(at, _)| at)
        };
        let count = serving().count() as u64;
        let first = (random & 0xffff_ffff) % count.max(1);
        let one = serving().nth(first as usize)?;
        if count == 1 {
            return Some(one);
        }
        let step = 1 + (random >> 32) % (count - 1);
        let other = serving().nth(((first + step) % count) as usize)?;
        Some(if self.score(other, now) < self.score(one, now) { other } else { one })
    }

    /// The node took so long. A failure never makes it look faster.
    pub fn learn(&mut self, node: usize, now: Duration, took: Duration, answered: bool) {
        if let Some(average) = self.averages.get_mut(node) {
            let took = took.as_secs_f64();
            let took = if answered { took } else { took.max(average.seconds) };
            *average = Average { seconds: average.with(now, took), touched: now };
        }
    }

    fn score(&self, node: usize, now: Duration) -> f64 {
        self.averages.get(node).map_or(0.0, |average| average.with(now, 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn learnt() -> Ewma {
        let mut ewma = Ewma::new(&[Share { address: "", weight: 1, priority: 0 }; 2]);
        ewma.learn(0, seconds(100), seconds(2), true);
        ewma.learn(1, seconds(100), Duration::from_millis(10), true);
        ewma
    }

    #[test]
    fn of_two_the_faster_serves_whatever_the_dice_say() {
        let ewma = learnt();
        for random in (0..1000).map(|seed: u64| crate::hash(&seed.to_le_bytes())) {
            assert_eq!(ewma.next(seconds(101), random, |_| true), Some(1));
        }
    }

    #[test]
    fn a_slow_node_comes_back_when_others_slow_down_or_time_passes() {
        let mut ewma = learnt();
        assert!(ewma.score(0, seconds(160)) < 0.01, "forgotten");
        ewma.learn(1, seconds(130), seconds(3), true);
        assert_eq!(ewma.next(seconds(130), 0, |_| true), Some(0));
    }

    #[test]
    fn what_was_learnt_of_a_node_outlives_a_change_of_the_others() {
        let mut ewma = Ewma::new(&[Share { address: "", weight: 1, priority: 0 }; 2]);
        ewma.follow(&learnt(), |at| (at == 1).then_some(0));
        assert_eq!(ewma.next(seconds(101), 0, |_| true), Some(0), "the slow one stands second");
    }

    #[test]
    fn a_quick_failure_does_not_attract() {
        let mut ewma = learnt();
        let before = ewma.averages[0].seconds;
        ewma.learn(0, seconds(105), Duration::ZERO, false);
        assert!(ewma.averages[0].seconds >= before);
    }
}

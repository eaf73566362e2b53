//! Fewest requests under way.

use std::cell::Cell;
use std::rc::Rc;

use crate::Share;
use crate::balancer::top_tier;

/// The node with the fewest requests under way for its weight; equals take turns.
#[derive(Debug)]
pub struct LeastConn {
    tiers: Box<[(u32, i32)]>,
    /// Shared with the state that comes after this one.
    active: Box<[Rc<Cell<u32>>]>,
    last: usize,
}

impl LeastConn {
    /// No request under way.
    pub fn new(nodes: &[Share<'_>]) -> Self {
        let tiers: Box<[_]> = nodes.iter().map(|node| (node.weight, node.priority)).collect();
        Self { active: tiers.iter().map(|_| Rc::default()).collect(), tiers, last: 0 }
    }

    /// Counts on where `before` counts, node by node: its requests go on, and end there.
    pub(crate) fn follow(&mut self, before: &Self, same: impl Fn(usize) -> Option<usize>) {
        for (at, active) in self.active.iter_mut().enumerate() {
            if let Some(known) = same(at).and_then(|at| before.active.get(at)) {
                *active = known.clone();
            }
        }
    }

    /// The least busy among the nodes that `may_serve`.
    pub fn next(&mut self, may_serve: impl Fn(usize) -> bool) -> Option<usize> {
        let tier = top_tier(&self.tiers, &may_serve)?;
        let count = self.tiers.len();
        let mut best: Option<(usize, u64, u64)> = None;
        for at in (1..=count).map(|step| (self.last + step) % count) {
            let (Some((weight, priority)), Some(active)) = (self.tiers.get(at), self.active.get(at)) else { continue };
            if *priority != tier || *weight == 0 || !may_serve(at) {
                continue;
            }
            let (load, weight) = (u64::from(active.get()) + 1, u64::from(*weight));
            // load / weight compared without a division
            if best.is_none_or(|(_, best_load, best_weight)| load * best_weight < best_load * weight) {
                best = Some((at, load, weight));
            }
        }
        let (at, ..) = best?;
        self.last = at;
        Some(at)
    }

    /// A request goes to the node.
    pub fn begin(&mut self, node: usize) {
        if let Some(active) = self.active.get(node) {
            active.set(active.get().saturating_add(1));
        }
    }

    /// It has ended.
    pub fn end(&mut self, node: usize) {
        if let Some(active) = self.active.get(node) {
            active.set(active.get().saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(weights: &[u32]) -> LeastConn {
        let nodes: Vec<_> = weights.iter().map(|weight| Share { address: "", weight: *weight, priority: 0 }).collect();
        LeastConn::new(&nodes)
    }

    #[test]
    fn open_requests_spread_by_weight_and_ended_ones_count_no_more() {
        let mut balancer = nodes(&[3, 1]);
        let mut counts = [0; 2];
        for _ in 0..40 {
            let at = balancer.next(|_| true).expect("a node");
            balancer.begin(at);
            counts[at] += 1;
        }
        assert_eq!(counts, [30, 10]);
        (0..30).for_each(|_| balancer.end(0));
        for _ in 0..20 {
            let at = balancer.next(|_| true).expect("a node");
            assert_eq!(at, 0, "the idle node");
            balancer.begin(at);
        }
    }

    #[test]
    fn a_new_state_counts_on_where_the_one_before_does() {
        let mut before = nodes(&[1, 1]);
        for node in [0, 0, 1, 1, 1] {
            before.begin(node);
        }
        // The second stays, now as the first; the other two are new.
        let mut after = nodes(&[1, 1, 1]);
        after.follow(&before, |at| (at == 0).then_some(1));
        for _ in 0..6 {
            let at = after.next(|_| true).expect("a node");
            assert_ne!(at, 0, "it has three");
            after.begin(at);
        }
        (0..3).for_each(|_| before.end(1));
        assert_eq!(after.next(|_| true), Some(0), "they have ended");
    }

    #[test]
    fn idle_nodes_take_turns() {
        let mut balancer = nodes(&[1, 1, 1]);
        let turns: Vec<_> = (0..6).filter_map(|_| balancer.next(|_| true)).collect();
        assert_eq!(turns, [1, 2, 0, 1, 2, 0]);
    }
}

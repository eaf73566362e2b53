//! One front for all algorithms.

use std::time::Duration;

use crate::{Ewma, LeastConn, Ring, SmoothWeighted};

/// How to choose among nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Smooth weighted round robin.
    RoundRobin,
    /// A consistent hash of the request's key.
    Hash,
    /// Fewest requests under way for its weight.
    LeastConn,
    /// The faster of two random nodes.
    Ewma,
}

/// A node as algorithms see it; it is named by its position.
#[derive(Debug, Clone, Copy)]
pub struct Share<'a> {
    /// `host:port`, which places it on the ring of a consistent hash.
    pub address: &'a str,
    /// Its share; 0 takes none.
    pub weight: u32,
    /// A lower tier serves only when no node of a higher one may.
    pub priority: i32,
}

/// What an algorithm may ask of the request at hand; each asks only for what it needs.
pub trait Turn {
    /// Hash of the request's key.
    fn key(&self) -> u64;
    /// Any number.
    fn random(&self) -> u64;
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
}

/// The state of one upstream's algorithm.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Balancer {
    RoundRobin(SmoothWeighted),
    Hash(Ring),
    LeastConn(LeastConn),
    Ewma(Ewma),
}

impl Balancer {
    /// The state of an algorithm over these nodes.
    pub fn new(algorithm: Algorithm, nodes: &[Share<'_>]) -> Self {
        match algorithm {
            Algorithm::RoundRobin => {
                Self::RoundRobin(SmoothWeighted::new(nodes.iter().map(|node| (node.weight, node.priority))))
            }
            Algorithm::Hash => Self::Hash(Ring::new(nodes)),
            Algorithm::LeastConn => Self::LeastConn(LeastConn::new(nodes)),
            Algorithm::Ewma => Self::Ewma(Ewma::new(nodes)),
        }
    }

    /// Takes over what the state before a change of the nodes had learnt; `same` tells which place a node had there.
    pub fn follow(&mut self, before: &Self, same: impl Fn(usize) -> Option<usize>) {
        match (self, before) {
            (Self::LeastConn(state), Self::LeastConn(before)) => state.follow(before, same),
            (Self::Ewma(state), Self::Ewma(before)) => state.follow(before, same),
            _ => {}
        }
    }

    /// The next node among those that `may_serve`; `None` when none may.
    pub fn next(&mut self, turn: &impl Turn, may_serve: impl Fn(usize) -> bool) -> Option<usize> {
        match self {
            Self::RoundRobin(state) => state.next(may_serve),
            Self::Hash(state) => state.next(turn.key(), may_serve),
            Self::LeastConn(state) => state.next(may_serve),
            Self::Ewma(state) => state.next(turn.now(), turn.random(), may_serve),
        }
    }

    /// Whether [`Balancer::begin`] and [`Balancer::end`] matter to it.
    pub fn watches_requests(&self) -> bool {
        matches!(self, Self::LeastConn(_) | Self::Ewma(_))
    }

    /// A request goes to the node.
    pub fn begin(&mut self, node: usize) {
        if let Self::LeastConn(state) = self {
            state.begin(node);
        }
    }

    /// The request has ended, whichever way; `answered` says whether the node answered it.
    pub fn end(&mut self, node: usize, now: Duration, took: Duration, answered: bool) {
        match self {
            Self::LeastConn(state) => state.end(node),
            Self::Ewma(state) => state.learn(node, now, took, answered),
            Self::RoundRobin(_) | Self::Hash(_) => {}
        }
    }
}

/// The highest priority among the nodes that may serve.
pub(crate) fn top_tier(tiers: &[(u32, i32)], may_serve: &impl Fn(usize) -> bool) -> Option<i32> {
    let serving = |(at, (weight, priority)): (usize, &(u32, i32))| (*weight > 0 && may_serve(at)).then_some(*priority);
    tiers.iter().enumerate().filter_map(serving).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Turn for Fixed {
        fn key(&self) -> u64 {
            7
        }
        fn random(&self) -> u64 {
            3
        }
        fn now(&self) -> Duration {
            Duration::from_secs(1)
        }
    }

    #[test]
    fn every_algorithm_keeps_to_tiers_weights_and_who_may_serve() {
        let share = |address, weight, priority| Share { address, weight, priority };
        let nodes = [share("a", 1, 0), share("b", 1, 5), share("c", 0, 9), share("d", 2, 5)];
        for algorithm in [Algorithm::RoundRobin, Algorithm::Hash, Algorithm::LeastConn, Algorithm::Ewma] {
            let mut balancer = Balancer::new(algorithm, &nodes);
            for _ in 0..50 {
                let top = balancer.next(&Fixed, |_| true);
                assert!(matches!(top, Some(1 | 3)), "{algorithm:?} {top:?}");
                assert_eq!(balancer.next(&Fixed, |at| at != 1), Some(3), "{algorithm:?}");
                assert_eq!(balancer.next(&Fixed, |at| at == 0), Some(0), "{algorithm:?}");
                assert_eq!(balancer.next(&Fixed, |at| at == 2), None, "{algorithm:?}: weight 0 takes none");
            }
            assert_eq!(Balancer::new(algorithm, &[]).next(&Fixed, |_| true), None);
        }
    }
}

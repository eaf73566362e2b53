//! Smooth weighted round robin.

/// Nodes take turns by weight, spread evenly: weights 5, 1, 1 give a a b a c a a.
///
/// Source: nginx's `ngx_http_upstream_round_robin`: each round every node gains its weight, the richest is
/// chosen and pays the sum. Nodes stand in tiers by priority; a lower tier serves only when no node of a
/// higher one may.
#[derive(Debug, Clone)]
pub struct SmoothWeighted {
    nodes: Box<[Node]>,
}

#[derive(Debug, Clone)]
struct Node {
    weight: i64,
    priority: i32,
    current: i64,
}

impl SmoothWeighted {
    /// State for nodes of these weights and priorities; a node is named by its position.
    pub fn new(nodes: impl IntoIterator<Item = (u32, i32)>) -> Self {
        let node = |(weight, priority)| Node { weight: i64::from(weight), priority, current: 0 };
        Self { nodes: nodes.into_iter().map(node).collect() }
    }

    /// Starts at a random place of the cycle, so that many workers do not all begin with the first node.
    pub fn skip(&mut self, turns: usize) {
        for _ in 0..turns {
            self.next(|_| true);
        }
    }

    /// The next node among those that `may_serve`; `None` when none may.
    pub fn next(&mut self, may_serve: impl Fn(usize) -> bool) -> Option<usize> {
        if let [_] = *self.nodes {
            return may_serve(0).then_some(0);
        }
        let serving = |(at, node): (usize, &Node)| (node.weight > 0 && may_serve(at)).then_some(node.priority);
        let tier = self.nodes.iter().enumerate().filter_map(serving).max()?;
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (at, node) in self.nodes.iter_mut().enumerate() {
            if node.priority != tier || node.weight == 0 || !may_serve(at) {
                continue;
            }
            node.current += node.weight;
            total += node.weight;
            if best.is_none_or(|(_, current)| node.current > current) {
                best = Some((at, node.current));
            }
        }
        let (best, _) = best?;
        if let Some(node) = self.nodes.get_mut(best) {
            node.current -= total;
        }
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(balancer: &mut SmoothWeighted, count: usize, may_serve: impl Fn(usize) -> bool + Copy) -> String {
        (0..count).filter_map(|_| balancer.next(may_serve)).map(|at| char::from(b'a' + at as u8)).collect()
    }

    #[test]
    fn heavy_nodes_do_not_bunch() {
        let mut balancer = SmoothWeighted::new([(5, 0), (1, 0), (1, 0)]);
        assert_eq!(turns(&mut balancer, 14, |_| true), "aabacaaaabacaa");
    }

    #[test]
    fn nodes_that_may_not_serve_are_passed_over() {
        let mut balancer = SmoothWeighted::new([(1, 0), (1, 0), (0, 0)]);
        assert_eq!(turns(&mut balancer, 4, |at| at != 0), "bbbb");
        assert_eq!(turns(&mut balancer, 4, |_| false), "");
        assert_eq!(turns(&mut balancer, 4, |at| at == 2), "", "weight 0 takes none");
    }

    #[test]
    fn a_lower_tier_serves_when_the_higher_is_gone() {
        let mut balancer = SmoothWeighted::new([(1, 10), (1, 10), (1, 0)]);
        assert_eq!(turns(&mut balancer, 4, |_| true), "abab");
        assert_eq!(turns(&mut balancer, 2, |at| at == 2), "cc");
    }

    #[test]
    fn shares_follow_weights_exactly() {
        for weights in [[3u32, 2, 1], [10, 1, 7], [1, 1, 1]] {
            let mut balancer = SmoothWeighted::new(weights.map(|weight| (weight, 0)));
            let total: u32 = weights.iter().sum();
            let mut counts = [0; 3];
            for _ in 0..total {
                counts[balancer.next(|_| true).expect("a node")] += 1;
            }
            assert_eq!(counts, weights);
        }
    }
}

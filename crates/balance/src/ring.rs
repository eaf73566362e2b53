//! Consistent hashing.

use crate::Share;
use crate::balancer::top_tier;

/// Points on the ring for each unit of weight. Source: APISIX's `resty.chash`.
const POINTS: u64 = 160;
/// Points on a ring at most; heavy weights share them in proportion.
const MOST_POINTS: u64 = 65_536;

/// Nodes on a ring of hashes, each at many points by its weight: a key belongs to the next point.
///
/// A node that comes or goes moves only the keys that it gains or had. Where a key's node may not serve, the
/// next node of the ring does.
#[derive(Debug, Clone)]
pub struct Ring {
    points: Box<[(u64, u32)]>,
    tiers: Box<[(u32, i32)]>,
}

impl Ring {
    /// A ring of these nodes.
    pub fn new(nodes: &[Share<'_>]) -> Self {
        let total: u64 = nodes.iter().map(|node| u64::from(node.weight) * POINTS).sum();
        let mut points = Vec::new();
        for (at, node) in nodes.iter().enumerate().filter(|(_, node)| node.weight > 0) {
            let wanted = u64::from(node.weight) * POINTS;
            let count = if total <= MOST_POINTS {
                wanted
            } else {
                (wanted as u128 * u128::from(MOST_POINTS) / u128::from(total)) as u64
            };
            let seed = hash(node.address.as_bytes());
            points.extend((0..count.max(1)).map(|number| (mix(seed ^ mix(number + 1)), at as u32)));
        }
        points.sort_unstable();
        Self { points: points.into(), tiers: nodes.iter().map(|node| (node.weight, node.priority)).collect() }
    }

    /// The node of a key, else the next of the ring that `may_serve`.
    pub fn next(&self, key: u64, may_serve: impl Fn(usize) -> bool) -> Option<usize> {
        let tier = top_tier(&self.tiers, &may_serve)?;
        let start = self.points.partition_point(|(point, _)| *point < key);
        let (before, after) = self.points.split_at_checked(start)?;
        let serves = |at: usize| self.tiers.get(at).is_some_and(|(_, priority)| *priority == tier) && may_serve(at);
        after.iter().chain(before).map(|(_, at)| *at as usize).find(|at| serves(*at))
    }
}

/// The place of a key on any ring: the same on every worker and instance.
///
/// FNV-1a with the finish of splitmix64, which spreads keys that differ in their last bytes only.
pub fn hash(key: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(key.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u32 = 20_000;

    fn ring(nodes: &[(&str, u32)]) -> Ring {
        let nodes: Vec<_> =
            nodes.iter().map(|(address, weight)| Share { address, weight: *weight, priority: 0 }).collect();
        Ring::new(&nodes)
    }

    fn owners(ring: &Ring) -> Vec<usize> {
        (0..KEYS).map(|key| ring.next(hash(&key.to_le_bytes()), |_| true).expect("a node")).collect()
    }

    #[test]
    fn shares_follow_weights_roughly() {
        for weights in [[1, 1, 2], [100, 300, 400], [1_000_000, 1_000_000, 2_000_000]] {
            let owners = owners(&ring(&[("a:1", weights[0]), ("b:1", weights[1]), ("c:1", weights[2])]));
            let total: u32 = weights.iter().sum();
            for (at, weight) in weights.iter().enumerate() {
                let got = owners.iter().filter(|owner| **owner == at).count() as f64 / f64::from(KEYS);
                let due = f64::from(*weight) / f64::from(total);
                assert!((got - due).abs() < 0.06, "{weights:?}: node {at} got {got}, due {due}");
            }
        }
    }

    #[test]
    fn a_node_that_leaves_moves_only_its_own_keys() {
        let (all, less) = (ring(&[("a:1", 1), ("b:1", 1), ("c:1", 1)]), ring(&[("a:1", 1), ("b:1", 1)]));
        for (before, after) in owners(&all).into_iter().zip(owners(&less)) {
            assert!(before == after || before == 2, "{before} {after}");
        }
        // One that may not serve is passed over as if it had left.
        for key in 0..KEYS {
            let key = hash(&key.to_le_bytes());
            assert_eq!(all.next(key, |at| at != 2), less.next(key, |_| true));
        }
    }
}

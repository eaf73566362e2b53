//! Latencies in bounded memory: logarithmic buckets, each split into 64, so a value is off by less than 1.6 %.

use std::time::Duration;

const SPLIT_BITS: u32 = 6;
const SPLIT: u64 = 1 << SPLIT_BITS;

/// How often each latency occurred, in nanoseconds.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = usize::try_from((u64::from(u64::BITS - SPLIT_BITS) + 1) * SPLIT).unwrap_or_default();
        Self { counts: vec![0; buckets], total: 0 }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(nanoseconds)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// The latency that the share `quantile` (0 to 1) of all does not exceed, in microseconds.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        let wanted = ((self.total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest(index) as f64 / 1000.0;
            }
        }
        0.0
    }
}

fn bucket(value: u64) -> usize {
    if value < SPLIT {
        return value as usize;
    }
    let exponent = value.ilog2() - SPLIT_BITS;
    let within = (value >> exponent) - SPLIT;
    ((u64::from(exponent) + 1) * SPLIT + within) as usize
}

/// The highest value that falls into a bucket.
fn highest(index: usize) -> u64 {
    let (row, within) = (index as u64 / SPLIT, index as u64 % SPLIT);
    match row.checked_sub(1) {
        None => within,
        Some(exponent) => (((SPLIT + within + 1) as u128) << exponent).saturating_sub(1).min(u64::MAX.into()) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_a_bucket_that_bounds_it_closely() {
        for value in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) + 1, (1 << bit) - 1]).chain([u64::MAX, 12_345]) {
            let top = highest(bucket(value));
            assert!(top >= value, "{value} above its bucket's top {top}");
            assert!(top - value <= value / 60, "{value} is far from {top}");
        }
    }

    #[test]
    fn quantiles_are_read_from_the_counts() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.record(Duration::from_micros(us)));
        assert!((histogram.quantile_us(0.5) - 500.0).abs() < 10.0);
        assert!((histogram.quantile_us(0.99) - 990.0).abs() < 20.0);
        assert_eq!(Histogram::default().quantile_us(0.5), 0.0);
    }
}

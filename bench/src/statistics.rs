//! Median and spread of a few rounds.

use serde::Serialize;

/// What rounds have in common and how far they differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// None for no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Some(Self { median: quantile(&values, 0.5)?, min: *values.first()?, max: *values.last()? })
    }
}

/// The quantile (0 to 1) of sorted values; between two values, by interpolation.
pub(crate) fn quantile(sorted: &[f64], quantile: f64) -> Option<f64> {
    let at = quantile * (sorted.len().checked_sub(1)? as f64);
    let (low, high) = (*sorted.get(at.floor() as usize)?, *sorted.get(at.ceil() as usize)?);
    Some(low + (high - low) * at.fract())
}

/// p50, p99 and the largest of durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Tail {
    pub(crate) samples: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Tail {
    /// None for no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (p50, p99) = (quantile(&values, 0.5)?, quantile(&values, 0.99)?);
        Some(Self { samples: values.len(), p50, p99, max: *values.last()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_middle_and_both_ends() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_tail_is_read_from_the_far_end() {
        let tail = Tail::of((0..=100).map(f64::from)).unwrap();
        assert_eq!((tail.samples, tail.p50, tail.p99, tail.max), (101, 50.0, 99.0, 100.0));
        assert_eq!(Tail::of([]), None);
    }
}

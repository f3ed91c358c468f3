//! A log-linear histogram of lengths of time, with one writer.
//!
//! Owns the buckets: eight for each power of two, so a quantile is at most one part in eight wide,
//! and is reported by its middle. The layout of the buckets is that of HdrHistogram.

use framewise_sync::statics::{AtomicU64, Ordering};

use super::clock::AccountTicks;
use super::tally::Writers;

/// The binary digits by which a power of two is divided.
const DIGITS: u32 = 3;
const PER_POWER: usize = 1 << DIGITS;

/// Longer times are counted as this one: 2^42 ticks, twenty minutes at 4 GHz.
const LONGEST: AccountTicks = (1 << 42) - 1;

/// The number of buckets.
const BUCKETS: usize = bucket_of(LONGEST) + 1;

impl Writers {
    /// Like [`add`](Self::add), for a counter that belongs to no protocol.
    #[inline(always)]
    pub(crate) fn add_plainly(self, counter: &AtomicU64, n: u64) {
        match self {
            // Ordering: Relaxed, both. See `add`.
            Self::Sole => counter.store(
                counter.load(Ordering::Relaxed).wrapping_add(n),
                Ordering::Relaxed,
            ),
            Self::Many => {
                // Ordering: Relaxed. See `add`.
                counter.fetch_add(n, Ordering::Relaxed);
            }
        }
    }
}

/// Counts of lengths of time. One thread writes; any thread reads.
pub(crate) struct DelayHistogram([AtomicU64; BUCKETS]);

/// A copy of the counts of one histogram, or of several.
#[derive(Clone)]
pub(crate) struct DelayCounts(Box<[u64]>);

const fn bucket_of(ticks: AccountTicks) -> usize {
    let ticks = if ticks > LONGEST { LONGEST } else { ticks };
    let power = 63 - (ticks | 1).leading_zeros();
    let shift = power.saturating_sub(DIGITS);
    shift as usize * PER_POWER + (ticks >> shift) as usize
}

/// Returns the least length of time of a bucket.
const fn least_of(bucket: usize) -> AccountTicks {
    if bucket < 2 * PER_POWER {
        return bucket as u64;
    }
    let shift = bucket / PER_POWER - 1;
    ((PER_POWER + bucket % PER_POWER) as u64) << shift
}

impl DelayHistogram {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Counts one length of time.
    #[inline]
    pub(crate) fn record(&self, writers: Writers, ticks: AccountTicks) {
        writers.add_plainly(&self.0[bucket_of(ticks)], 1);
    }
}

impl DelayCounts {
    pub(crate) fn new() -> Self {
        Self(vec![0; BUCKETS].into_boxed_slice())
    }

    /// Adds the counts of a histogram.
    pub(crate) fn add(&mut self, histogram: &DelayHistogram) {
        for (sum, count) in self.0.iter_mut().zip(&histogram.0) {
            // Ordering: Relaxed. A count publishes nothing.
            *sum += count.load(Ordering::Relaxed);
        }
    }

    /// Adds another copy.
    pub(crate) fn add_counts(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }

    /// Returns the number of lengths that were counted.
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns the length below which that part of all lengths is, from 0 to 1: the middle of its
    /// bucket. `None` if there are none.
    pub(crate) fn quantile(&self, part: f64) -> Option<AccountTicks> {
        let all = self.len();
        if all == 0 {
            return None;
        }
        let rank = ((part.clamp(0.0, 1.0) * all as f64).ceil() as u64).clamp(1, all);
        let mut below = 0;
        let bucket = self.0.iter().position(|count| {
            below += count;
            below >= rank
        })?;
        Some((least_of(bucket) + least_of(bucket + 1)) / 2)
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_an_eighth_wide() {
        for bucket in 0..BUCKETS {
            let (least, next) = (least_of(bucket), least_of(bucket + 1));
            assert_eq!(bucket_of(least), bucket);
            assert_eq!(bucket_of(next - 1), bucket);
            let width = next - least;
            assert!(width == 1 || width * 8 <= least, "{least} to {next}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_the_lengths() {
        let histogram = DelayHistogram::new();
        let mut counts = DelayCounts::new();
        counts.add(&histogram);
        assert_eq!(counts.quantile(0.5), None);
        for ticks in 1..=10_000 {
            histogram.record(Writers::Sole, ticks);
        }
        let mut counts = DelayCounts::new();
        counts.add(&histogram);
        assert_eq!(counts.len(), 10_000);
        for part in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let exact = part * 10_000.0;
            let found = counts.quantile(part).expect("there are some") as f64;
            assert!((found - exact).abs() <= exact / 8.0, "{part}: {found}");
        }
        let twice = counts.clone();
        counts.add_counts(&twice);
        assert_eq!(counts.len(), 20_000);
    }
}

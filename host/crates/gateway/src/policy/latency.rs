//! Latencies by size, fine enough to read quantiles from: one atomic addition a call, and bounded whatever comes.
//!
//! Sixteen buckets for each doubling of a microsecond, so that a quantile is at most a sixteenth too large.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets for each doubling.
const FINE: u32 = 16;
const FINE_BITS: u32 = FINE.ilog2();
/// Doublings told apart above the first sixteen microseconds: up to nine minutes. What is longer is in the last.
const DOUBLINGS: u32 = 25;
const BUCKETS: usize = (FINE * (DOUBLINGS + 1)) as usize;

/// The latencies of one generation of one rule.
#[derive(Debug)]
pub struct Latencies([AtomicU64; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Latencies {
    pub(super) fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.0.get(bucket(micros).min(BUCKETS - 1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The nearest-rank quantiles in microseconds, in the order asked for; `None` before the first call.
    pub fn quantiles<const N: usize>(&self, asked: [f64; N]) -> Option<[u64; N]> {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return None;
        }
        Some(asked.map(|q| {
            let rank = ((q * all as f64).ceil() as u64).clamp(1, all);
            let mut below = 0;
            let at = counts.iter().position(|count| {
                below += count;
                below >= rank
            });
            largest(at.unwrap_or(BUCKETS - 1))
        }))
    }
}

/// The bucket of a latency: below [`FINE`] its own, above that by its leading bits.
fn bucket(micros: u64) -> usize {
    let Some(doubling) = micros.checked_ilog2().and_then(|log| log.checked_sub(FINE_BITS)) else {
        return micros as usize;
    };
    let leading = (micros >> doubling) as usize;
    leading + (FINE * doubling) as usize
}

/// The largest latency of a bucket.
fn largest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let fine = u64::from(FINE);
    match (bucket / fine).checked_sub(1) {
        None => bucket,
        Some(doubling) => ((bucket - fine * doubling + 1) << doubling) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_in_a_bucket_that_is_a_sixteenth_wide_at_most() {
        let mut before = 0;
        for micros in (0..5_000).chain((5_000..500_000_000).step_by(99_991)) {
            let at = bucket(micros);
            assert!(at >= before && at < BUCKETS, "{micros} is in {at}");
            before = at;
            let up_to = largest(at);
            assert!(micros <= up_to && up_to - micros <= micros / 16, "{micros} reads as {up_to}");
        }
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        let latencies = Latencies::default();
        assert_eq!(latencies.quantiles([0.5]), None);
        for micros in 1..=100 {
            latencies.observe(Duration::from_micros(micros));
        }
        assert_eq!(latencies.quantiles([0.0, 0.1, 0.5, 0.95, 1.0]), Some([1, 10, 51, 95, 103]));
        latencies.observe(Duration::MAX);
        assert!(latencies.quantiles([1.0]).unwrap()[0] > 500_000_000);
    }
}

//! How each model does at the moment: calls under way, and the last calls' latencies and failures.
//!
//! Bounded: at most `MAX_MODELS` models (a client can name any `gpt-…`), `WINDOW` calls of each,
//! none older than `MAX_AGE`.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jackfield_core::contract::{FaultKind, LiveState};
use jackfield_core::telemetry::metrics::UpstreamSeries;

/// Models remembered.
const MAX_MODELS: usize = 1_024;
/// Calls remembered of each.
const WINDOW: usize = 256;
/// How long a call is remembered.
const MAX_AGE: Duration = Duration::from_secs(60);
/// A model is unhealthy when this many calls or more are remembered and every one of them failed.
const UNHEALTHY_AFTER: usize = 3;

/// Every model's state. Outlives worlds, so that a reload forgets nothing.
#[derive(Debug, Default)]
pub struct LiveTable {
    models: Mutex<HashMap<String, Arc<Live>>>,
}

/// One model's state.
#[derive(Debug, Default)]
pub(crate) struct Live {
    in_flight: AtomicU32,
    last: Mutex<VecDeque<Sample>>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    failed: bool,
    total: Duration,
    first_token: Option<Duration>,
}

/// One call under way. Says how it ended, or is forgotten when dropped without a word: a client that
/// left says nothing about the model.
#[derive(Debug)]
pub struct LiveCall {
    live: Arc<Live>,
    series: Arc<UpstreamSeries>,
    began: Instant,
    first_token: Option<Duration>,
    /// Its end is told; otherwise it was given up.
    ended: bool,
}

impl LiveTable {
    /// One model's state. Beyond the bound, a state that nobody will look at.
    pub(crate) fn of(&self, model: &str) -> Arc<Live> {
        let mut models = lock(&self.models);
        if let Some(live) = models.get(model) {
            return Arc::clone(live);
        }
        let live = Arc::new(Live::default());
        if models.len() < MAX_MODELS {
            models.insert(model.to_owned(), Arc::clone(&live));
        }
        live
    }
}

impl Live {
    /// Begins a call.
    pub(crate) fn call(self: &Arc<Self>, series: &Arc<UpstreamSeries>) -> LiveCall {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (live, series) = (Arc::clone(self), Arc::clone(series));
        LiveCall { live, series, began: Instant::now(), first_token: None, ended: false }
    }

    /// The state now.
    pub(crate) fn state(&self) -> LiveState {
        let mut last = lock(&self.last);
        forget_old(&mut last);
        let failed = last.iter().filter(|s| s.failed).count();
        let good = || last.iter().filter(|s| !s.failed);
        let mut totals: Vec<Duration> = good().map(|s| s.total).collect();
        let mut firsts: Vec<Duration> = good().filter_map(|s| s.first_token).collect();
        let count = last.len();
        drop(last);
        totals.sort_unstable();
        firsts.sort_unstable();
        LiveState {
            healthy: count < UNHEALTHY_AFTER || failed < count,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            p50_ms: quantile(&totals, 0.50),
            p95_ms: quantile(&totals, 0.95),
            first_token_p50_ms: quantile(&firsts, 0.50),
            error_rate: if count == 0 { 0.0 } else { failed as f64 / count as f64 },
            rate_limit_headroom: None,
        }
    }
}

impl LiveCall {
    /// The answer begins.
    pub fn first_token(&mut self) {
        self.first_token.get_or_insert_with(|| self.began.elapsed());
    }

    /// What is counted of the model.
    pub fn series(&self) -> &Arc<UpstreamSeries> {
        &self.series
    }

    /// The call went well.
    pub fn answered(mut self) {
        self.ended = true;
        self.series.answered();
        self.sample(false);
    }

    /// The call failed. Only what another model may do better says anything about this one's health: a request
    /// that the provider calls wrong does not.
    pub fn failed(mut self, kind: FaultKind) {
        self.ended = true;
        self.series.failed(kind);
        if kind.try_next() {
            self.sample(true);
        }
    }

    fn sample(&self, failed: bool) {
        let sample =
            Sample { at: Instant::now(), failed, total: self.began.elapsed(), first_token: self.first_token };
        let mut last = lock(&self.live.last);
        forget_old(&mut last);
        if last.len() == WINDOW {
            last.pop_front();
        }
        last.push_back(sample);
    }
}

impl Drop for LiveCall {
    fn drop(&mut self) {
        if !self.ended {
            self.series.left();
        }
        self.live.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn forget_old(last: &mut VecDeque<Sample>) {
    while last.front().is_some_and(|s| s.at.elapsed() > MAX_AGE) {
        last.pop_front();
    }
}

/// The nearest-rank quantile of sorted values, in milliseconds.
fn quantile(sorted: &[Duration], q: f64) -> Option<f64> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).map(|d| d.as_secs_f64() * 1_000.0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use jackfield_core::telemetry::metrics::Metrics;

    use super::*;

    #[test]
    fn quantiles_are_nearest_rank() {
        let ms = |n: u64| Duration::from_millis(n);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[ms(7)], 0.5), Some(7.0));
        let twenty: Vec<Duration> = (1..=20).map(ms).collect();
        assert_eq!((quantile(&twenty, 0.5), quantile(&twenty, 0.95)), (Some(10.0), Some(19.0)));
    }

    #[test]
    fn calls_are_counted_and_their_ends_remembered() {
        let table = LiveTable::default();
        let (live, series) = (table.of("m"), Metrics::default().upstream.of("p", "m"));
        let (mut one, two, three) = (live.call(&series), live.call(&series), live.call(&series));
        one.first_token();
        assert_eq!(table.of("m").state().in_flight, 3);
        one.answered();
        two.failed(FaultKind::UpstreamFailed);
        drop(three);
        let state = live.state();
        assert_eq!((state.in_flight, state.error_rate, state.healthy), (0, 0.5, true));
        assert!(state.first_token_p50_ms.is_some());
        for _ in 0..WINDOW {
            live.call(&series).failed(FaultKind::UpstreamTimeout);
        }
        live.call(&series).failed(FaultKind::UpstreamRefused);
        let state = live.state();
        assert_eq!((state.error_rate, state.healthy, state.p50_ms), (1.0, false, None));
    }

    #[test]
    fn names_beyond_the_bound_are_not_kept() {
        let (table, series) = (LiveTable::default(), Metrics::default().upstream.of("p", "m"));
        for i in 0..MAX_MODELS + 10 {
            table.of(&format!("gpt-{i}")).call(&series).answered();
        }
        assert_eq!(lock(&table.models).len(), MAX_MODELS);
    }
}

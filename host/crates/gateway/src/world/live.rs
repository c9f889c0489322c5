//! How each provider's model does at the moment: calls under way, the last calls' latencies and failures, and whether
//! it is left alone. With it, what else outlives worlds: the retry budget and the last requests.
//!
//! Bounded: at most `MAX_MODELS` models (a client can name any `gpt-…`), `WINDOW` calls of each,
//! none older than `MAX_AGE`.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jackfield_core::contract::{FaultKind, LiveState, RunScope};
use jackfield_core::telemetry::metrics::UpstreamSeries;

use jackfield_store::Store;

use super::batches::Batches;
use super::flights::Flights;
use super::ratings::Ratings;
use super::requests::Requests;
use super::retry_budget::RetryBudget;
use crate::breaker::Breaker;
use crate::workflow::Runs;

/// Models remembered.
const MAX_MODELS: usize = 1_024;
/// Calls remembered of each.
const WINDOW: usize = 256;
/// How long a call is remembered.
const MAX_AGE: Duration = Duration::from_secs(60);
/// A model is unhealthy when this many calls or more are remembered and every one of them failed.
const UNHEALTHY_AFTER: usize = 3;
/// Answers of one kind, whole or streamed, from which their slowest twentieth is told: fewer have none.
const ENOUGH: usize = 20;

/// Every model's state. Outlives worlds, so that a reload forgets nothing.
#[derive(Debug, Default)]
pub struct LiveTable {
    models: Mutex<HashMap<Key, Arc<Live>>>,
    retries: RetryBudget,
    ratings: Ratings,
    requests: Arc<Requests>,
    runs: Arc<Runs>,
    store: Arc<Store>,
    flights: Arc<Flights>,
    batches: Arc<Batches>,
}

/// A provider's name and a model's.
type Key = (Box<str>, Box<str>);

/// One model's state.
#[derive(Debug, Default)]
pub(crate) struct Live {
    in_flight: AtomicU32,
    last: Mutex<VecDeque<Sample>>,
    breaker: Breaker,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    failed: bool,
    streamed: bool,
    /// `None` for a call that was given up.
    total: Option<Duration>,
    first_token: Option<Duration>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// With an answer.
    Answered,
    /// The provider was down, slow or confused: this is what the breaker counts.
    Failed(FaultKind),
    /// The provider would not: a key, a rate. No answer, and no word about the model's health.
    Refused(FaultKind),
    /// The request did not fit, or the fault is none of the model's: nothing is remembered of it.
    Unfit(FaultKind),
}

/// One call under way. Says how it ended, or is forgotten when dropped without a word: a client that
/// left says nothing about the model.
#[derive(Debug)]
pub struct LiveCall {
    live: Arc<Live>,
    series: Arc<UpstreamSeries>,
    began: Instant,
    streamed: bool,
    /// Its time says how quick the model is.
    timed: bool,
    first_token: Option<Duration>,
    /// The run it is a call of.
    run: Option<Arc<RunScope>>,
    /// Its end is told; otherwise it was given up.
    ended: bool,
}

impl LiveTable {
    /// An empty table, and what is stored.
    pub fn with_store(store: Arc<Store>) -> Self {
        Self { store, ..Self::default() }
    }

    /// What is stored.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Calls that identical requests share.
    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }

    /// Calls that are put together.
    pub(crate) fn batches(&self) -> &Arc<Batches> {
        &self.batches
    }

    /// The state of one provider's model. Beyond the bound, a state that nobody will look at.
    pub(crate) fn of(&self, provider: &str, model: &str) -> Arc<Live> {
        let mut models = lock(&self.models);
        let key = (provider.into(), model.into());
        if let Some(live) = models.get(&key) {
            return Arc::clone(live);
        }
        let live = Arc::new(Live::default());
        if models.len() < MAX_MODELS {
            models.insert(key, Arc::clone(&live));
        }
        live
    }

    /// What repeated calls spend from.
    pub(crate) fn retries(&self) -> &RetryBudget {
        &self.retries
    }

    /// What is known about the complexity of prompts.
    pub(crate) fn ratings(&self) -> &Ratings {
        &self.ratings
    }

    /// The runs of workflows under way.
    pub fn runs(&self) -> &Arc<Runs> {
        &self.runs
    }

    /// The last requests.
    pub(crate) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }
}

impl Live {
    /// Begins a call for a whole or a streamed answer.
    pub(crate) fn call(self: &Arc<Self>, streamed: bool, series: &Arc<UpstreamSeries>) -> LiveCall {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let (live, series) = (Arc::clone(self), Arc::clone(series));
        LiveCall {
            live,
            series,
            began: Instant::now(),
            streamed,
            timed: true,
            first_token: None,
            run: None,
            ended: false,
        }
    }

    /// Leaves the model alone when it keeps failing.
    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// How long nineteen of twenty answers of this kind took at most to begin. `None` from fewer than `ENOUGH` of
    /// them: a whole answer begins with its end, so the kinds are not mixed.
    pub(crate) fn slow_after(&self, streamed: bool) -> Option<Duration> {
        let mut last = lock(&self.last);
        forget_old(&mut last);
        let good = last.iter().filter(|s| !s.failed && s.streamed == streamed);
        let mut firsts: Vec<Duration> = good.filter_map(|s| s.first_token).collect();
        drop(last);
        firsts.sort_unstable();
        if firsts.len() < ENOUGH { None } else { nearest_rank(&firsts, 0.95) }
    }

    /// The state now.
    pub(crate) fn state(&self) -> LiveState {
        let mut last = lock(&self.last);
        forget_old(&mut last);
        let failed = last.iter().filter(|s| s.failed).count();
        let good = || last.iter().filter(|s| !s.failed);
        let mut totals: Vec<Duration> = good().filter_map(|s| s.total).collect();
        let mut firsts: Vec<Duration> = good().filter_map(|s| s.first_token).collect();
        let count = last.len();
        drop(last);
        totals.sort_unstable();
        firsts.sort_unstable();
        LiveState {
            healthy: (count < UNHEALTHY_AFTER || failed < count) && !self.breaker.is_open(Instant::now()),
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

    /// The call is over, for better or worse.
    pub fn end(mut self, how: CallEnd) {
        self.ended = true;
        match how {
            CallEnd::Answered => self.series.answered(),
            CallEnd::Failed(kind) | CallEnd::Refused(kind) | CallEnd::Unfit(kind) => self.series.failed(kind),
        }
        match how {
            CallEnd::Answered => self.live.breaker.succeeded(),
            CallEnd::Failed(_) => drop(self.live.breaker.failed(Instant::now())),
            CallEnd::Refused(_) => {}
            CallEnd::Unfit(_) => return,
        }
        let (failed, total) = (how != CallEnd::Answered, Some(self.began.elapsed()));
        self.keep(failed, total, self.first_token);
    }

    /// The call was given up because another one was quicker. It took at least this long to begin: without that,
    /// giving up the slow ones would make the model look quick, and the next be given up sooner.
    pub fn outrun(mut self) {
        self.ended = true;
        self.series.outrun();
        self.keep(false, None, Some(self.began.elapsed()));
    }

    /// The same call, whose time says nothing about the model: nothing is generated.
    #[must_use]
    pub fn untimed(self, untimed: bool) -> Self {
        // A struct with `Drop` cannot be taken apart.
        let mut this = self;
        this.timed = !untimed;
        this
    }

    /// The same call, made for this run.
    #[must_use]
    pub fn of_run(self, run: Option<&Arc<RunScope>>) -> Self {
        let mut this = self;
        this.run = run.cloned();
        this
    }

    fn keep(&self, failed: bool, total: Option<Duration>, first_token: Option<Duration>) {
        let sample = Sample { at: Instant::now(), failed, streamed: self.streamed, total, first_token };
        if !self.timed {
            return;
        }
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
            match self.run.as_ref().and_then(|run| run.given_up()) {
                Some(kind) => self.series.failed(kind),
                None => self.series.left(),
            }
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
    nearest_rank(sorted, q).map(|d| d.as_secs_f64() * 1_000.0)
}

fn nearest_rank(sorted: &[Duration], q: f64) -> Option<Duration> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
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
        let live = table.of("p", "m");
        let series = Metrics::default().upstream.of("p", "m");
        let (mut one, two, three) =
            (live.call(true, &series), live.call(true, &series), live.call(true, &series));
        one.first_token();
        assert_eq!(table.of("p", "m").state().in_flight, 3);
        assert_eq!(table.of("q", "m").state().in_flight, 0, "another provider's");
        one.end(CallEnd::Answered);
        two.end(CallEnd::Failed(FaultKind::UpstreamFailed));
        drop(three);
        let state = live.state();
        assert_eq!((state.in_flight, state.error_rate, state.healthy), (0, 0.5, true));
        assert!(state.first_token_p50_ms.is_some());
        for _ in 0..WINDOW {
            live.call(true, &series).end(CallEnd::Refused(FaultKind::UpstreamAuth));
        }
        live.call(true, &series).end(CallEnd::Unfit(FaultKind::UpstreamRefused));
        let state = live.state();
        assert_eq!((state.error_rate, state.healthy, state.p50_ms), (1.0, false, None));
    }

    #[test]
    fn failures_open_the_breaker_and_refusals_do_not() {
        let table = LiveTable::default();
        let live = table.of("p", "m");
        let series = Metrics::default().upstream.of("p", "m");
        for _ in 0..9 {
            live.call(false, &series).end(CallEnd::Refused(FaultKind::UpstreamAuth));
        }
        assert!(live.breaker().allows(Instant::now()));
        for _ in 0..5 {
            live.call(false, &series).end(CallEnd::Failed(FaultKind::UpstreamFailed));
        }
        assert!(!live.breaker().allows(Instant::now()) && !live.state().healthy);
    }

    #[test]
    fn slowness_is_told_from_enough_answers_of_the_same_kind_given_up_ones_included() {
        let live = LiveTable::default().of("p", "m");
        let series = Metrics::default().upstream.of("p", "m");
        let answer = |streamed| {
            let mut call = live.call(streamed, &series);
            call.first_token();
            call.end(CallEnd::Answered);
        };
        for _ in 1..ENOUGH {
            answer(true);
            answer(false);
            live.call(true, &series).end(CallEnd::Failed(FaultKind::UpstreamFailed));
        }
        assert_eq!((live.slow_after(true), live.slow_after(false)), (None, None));
        for _ in 0..ENOUGH {
            live.call(false, &series).untimed(true).end(CallEnd::Answered);
        }
        assert_eq!(live.slow_after(false), None, "an answer that generates nothing says nothing");
        live.call(true, &series).outrun();
        assert!(live.slow_after(true).is_some() && live.slow_after(false).is_none());
        assert_eq!(live.state().error_rate, (ENOUGH - 1) as f64 / (3 * ENOUGH - 2) as f64);
    }

    #[test]
    fn names_beyond_the_bound_are_not_kept() {
        let (table, series) = (LiveTable::default(), Metrics::default().upstream.of("p", "m"));
        for i in 0..MAX_MODELS + 10 {
            table.of("p", &format!("gpt-{i}")).call(false, &series).end(CallEnd::Answered);
        }
        assert_eq!(lock(&table.models).len(), MAX_MODELS);
    }
}

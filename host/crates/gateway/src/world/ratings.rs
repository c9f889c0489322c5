//! What models said about the complexity of prompts (`orchestrator.router`), by a digest of what they were asked, and
//! the questions that are under way. Outlives worlds; forgotten when the router's settings change.
//!
//! Bounded: the router's `entries` and `ttl` for what is kept, the requests under way for the questions. Holds no word
//! of a prompt.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;

use jackfield_core::config::{Complexity, DynamicRouter};

use crate::breaker::Breaker;

/// The digest of what a model is asked.
pub(crate) type RatingKey = [u8; 32];

/// What came of asking: a rating, or why there is none, in one word.
pub(crate) type Rated = Result<Complexity, &'static str>;

/// Ratings, kept and under way.
#[derive(Debug, Default)]
pub(crate) struct Ratings {
    state: Mutex<State>,
    breaker: Breaker,
}

#[derive(Debug, Default)]
struct State {
    router: Option<DynamicRouter>,
    kept: HashMap<RatingKey, (Complexity, Instant)>,
    /// The keys of `kept`, oldest first.
    order: VecDeque<RatingKey>,
    flights: HashMap<RatingKey, Flight>,
}

/// A question under way, and how many requests wait for it.
#[derive(Debug)]
struct Flight {
    answer: Arc<OnceCell<Rated>>,
    waiting: usize,
}

/// A request's place at a question.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    ratings: &'a Ratings,
    key: RatingKey,
    answer: Arc<OnceCell<Rated>>,
}

impl Ratings {
    /// These settings hold from now on. What was rated under others is forgotten.
    pub(crate) fn configure(&self, router: Option<&DynamicRouter>) {
        let mut state = self.lock();
        if state.router.as_ref() != router {
            state.router = router.cloned();
            state.kept.clear();
            state.order.clear();
            self.breaker.succeeded();
        }
    }

    /// Leaves the rating model alone when it keeps failing, or keeps being late: that says nothing about its answers.
    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What is kept under this key.
    pub(crate) fn get(&self, key: &RatingKey, now: Instant) -> Option<Complexity> {
        let state = self.lock();
        let (rating, at) = state.kept.get(key)?;
        state.lives(*at, now).then_some(*rating)
    }

    /// Keeps a rating.
    pub(crate) fn keep(&self, key: RatingKey, rating: Complexity, now: Instant) {
        let mut state = self.lock();
        let most = state.router.as_ref().map_or(0, |router| router.entries);
        while let Some(oldest) = state.order.front().copied() {
            let dead = state.kept.get(&oldest).is_none_or(|(_, at)| !state.lives(*at, now));
            if !dead && state.kept.len() < most {
                break;
            }
            state.order.pop_front();
            state.kept.remove(&oldest);
        }
        if state.lives(now, now) && state.kept.len() < most && state.kept.insert(key, (rating, now)).is_none()
        {
            state.order.push_back(key);
        }
    }

    /// A place at the question with this key, which is under way or begins now.
    pub(crate) fn join(&self, key: RatingKey) -> Seat<'_> {
        let mut state = self.lock();
        let flight = state.flights.entry(key).or_insert_with(Flight::new);
        if flight.answer.initialized() {
            // That one is over: whoever still reads its answer has it.
            *flight = Flight::new();
        }
        flight.waiting += 1;
        let answer = Arc::clone(&flight.answer);
        Seat { ratings: self, key, answer }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether what was rated at that time still counts.
    fn lives(&self, at: Instant, now: Instant) -> bool {
        self.router.as_ref().is_some_and(|router| now.saturating_duration_since(at) < router.ttl)
    }
}

impl Flight {
    fn new() -> Self {
        Self { answer: Arc::default(), waiting: 0 }
    }
}

impl Seat<'_> {
    /// The answer. The first to come asks; when that one leaves before it has the answer, the next one asks.
    pub(crate) async fn answer(&self, ask: impl Future<Output = Rated>) -> Rated {
        *self.answer.get_or_init(|| ask).await
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.ratings.lock();
        let Some(flight) = state.flights.get_mut(&self.key) else { return };
        if !Arc::ptr_eq(&flight.answer, &self.answer) {
            return;
        }
        flight.waiting -= 1;
        if flight.waiting == 0 {
            state.flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use jackfield_core::config::Config;

    use super::*;

    fn router(cache: &str) -> DynamicRouter {
        let text = format!(
            "providers: {{ sim: {{ kind: simulated }} }}
models: {{ m: {{ provider: sim }} }}
orchestrator: {{ router: {{ model: m, thresholds: {{ complexity: {{ high: m, low: m }} }}, cache: {cache} }} }}"
        );
        let config = Config::from_text("test", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
        config.orchestrator().router().unwrap().clone()
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_time_and_forgotten_with_its_settings() {
        let (ratings, now) = (Ratings::default(), Instant::now());
        let two = router("{ entries: 2, ttl: 10s }");
        ratings.configure(Some(&two));
        let later = |seconds| now + Duration::from_secs(seconds);
        for (key, at) in [(1, 0), (1, 1), (2, 1), (3, 2)] {
            ratings.keep([key; 32], Complexity::High, later(at));
        }
        let kept = |at| [1, 2, 3, 4].map(|key| ratings.get(&[key; 32], later(at)).is_some());
        assert_eq!(kept(2), [false, true, true, false]);
        assert_eq!(kept(11), [false, false, true, false], "the second is ten seconds old");
        ratings.keep([4; 32], Complexity::Low, later(12));
        assert_eq!((kept(12), ratings.lock().order.len()), ([false, false, false, true], 1));
        ratings.configure(Some(&two));
        assert_eq!(ratings.get(&[4; 32], later(12)), Some(Complexity::Low), "the same settings");
        ratings.configure(Some(&router("{ ttl: 0 }")));
        assert_eq!(kept(12), [false; 4]);
        ratings.keep([5; 32], Complexity::Low, now);
        assert_eq!(ratings.lock().kept.len(), 0);
    }

    #[tokio::test]
    async fn one_question_at_a_time_is_asked_and_whoever_leaves_hands_it_on() {
        let ratings = Ratings::default();
        let (first, second) = (ratings.join([1; 32]), ratings.join([1; 32]));
        {
            let mut asks = Box::pin(first.answer(std::future::pending()));
            let mut waits = Box::pin(second.answer(async { Ok(Complexity::High) }));
            assert!((&mut asks).now_or_never().is_none());
            assert!((&mut waits).now_or_never().is_none(), "the first asks");
            drop(asks);
            assert_eq!(waits.await, Ok(Complexity::High));
        }
        let third = ratings.join([1; 32]);
        assert_eq!(third.answer(async { Err("unclear") }).await, Err("unclear"), "a question of its own");
        drop((first, second));
        assert_eq!(ratings.lock().flights.len(), 1, "the third is still there");
        drop(third);
        assert_eq!(ratings.lock().flights.len(), 0);
    }
}

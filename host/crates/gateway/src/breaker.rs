//! What keeps failing is left alone for a while, a routing rule or a model: each of its failures costs every request
//! up to its whole deadline.
//!
//! So many faults within such a time (`rollback`, five within ten seconds if nothing else is said) open the breaker for
//! one second; it then lets one call try, and a fault of that one opens it for twice as long, up to a minute. One
//! good answer closes it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jackfield_core::config::Rollback;

/// How long it is open the first time, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The breaker of one generation of one rule, or of one provider's model.
#[derive(Debug, Default)]
pub struct Breaker {
    threshold: Rollback,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: VecDeque<Instant>,
    /// Until when nobody is let through, and how long that is.
    open: Option<(Instant, Duration)>,
}

impl Breaker {
    /// A closed one that opens at this threshold.
    pub fn new(threshold: Rollback) -> Self {
        Self { threshold, state: Mutex::default() }
    }

    /// When it opens.
    pub fn threshold(&self) -> Rollback {
        self.threshold
    }

    /// Whether it opened, and no call went well since.
    pub fn has_opened(&self) -> bool {
        self.lock().open.is_some()
    }

    /// Whether a call may be made now. While open, one call is let through once the time is up.
    pub fn allows(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.open {
            None => true,
            Some((until, wait)) if now >= until => {
                // The next may try after another wait, should this call never say how it ended.
                state.open = Some((now + wait, wait));
                true
            }
            Some(_) => false,
        }
    }

    /// Whether it is open: nothing is claimed by asking.
    pub fn is_open(&self, now: Instant) -> bool {
        self.lock().open.is_some_and(|(until, _)| now < until)
    }

    /// A call went well.
    pub fn succeeded(&self) {
        let mut state = self.lock();
        if state.open.is_some() || !state.faults.is_empty() {
            *state = State::default();
        }
    }

    /// A call failed. Says whether that opened the breaker.
    pub fn failed(&self, now: Instant) -> bool {
        let mut state = self.lock();
        if let Some((_, last)) = state.open {
            let next = (last * 2).min(LONGEST);
            state.open = Some((now + next, next));
            return false;
        }
        while state.faults.front().is_some_and(|at| now.duration_since(*at) > self.threshold.within) {
            state.faults.pop_front();
        }
        state.faults.push_back(now);
        if state.faults.len() < self.threshold.faults {
            return false;
        }
        state.open = Some((now + FIRST, FIRST));
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_five_faults_tries_once_and_doubles() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let at = |millis: u64| start + Duration::from_millis(millis);
        // Four faults, and a fifth outside the window: still closed.
        for millis in [0, 1, 2, 3] {
            assert!(!breaker.failed(at(millis)));
        }
        assert!(!breaker.failed(at(10_500)));
        assert!(breaker.allows(at(10_501)));
        for millis in [10_501, 10_502, 10_503] {
            assert!(!breaker.failed(at(millis)));
        }
        assert!(breaker.failed(at(10_504)), "the fifth within the window opens");
        assert!(!breaker.allows(at(11_000)) && breaker.is_open(at(11_503)) && !breaker.is_open(at(11_504)));
        assert!(breaker.allows(at(11_504)), "one tries after a second");
        assert!(!breaker.allows(at(11_504)), "and only one");
        assert!(!breaker.failed(at(11_505)), "open already");
        assert!(!breaker.allows(at(13_504)) && breaker.allows(at(13_505)), "twice as long");
        breaker.succeeded();
        assert!(!breaker.has_opened());
        assert!(breaker.allows(at(13_506)) && !breaker.failed(at(13_507)));
    }

    #[test]
    fn the_threshold_is_the_one_configured() {
        let within = Duration::from_secs(60);
        let (breaker, start) = (Breaker::new(Rollback { faults: 2, within }), Instant::now());
        assert!(!breaker.failed(start));
        assert!(!breaker.failed(start + within + Duration::from_millis(1)), "the first is too long ago");
        assert!(breaker.failed(start + within + Duration::from_millis(2)));
        assert!(Breaker::new(Rollback { faults: 1, within }).failed(start));
    }

    #[test]
    fn good_answers_in_between_keep_it_closed() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..20 {
            assert!(!breaker.failed(now));
            breaker.succeeded();
        }
    }
}

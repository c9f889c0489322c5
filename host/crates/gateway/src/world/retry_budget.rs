//! What bounds repeated calls for the whole gateway: without it, clients that are answered with failures become three
//! times as many, just when a provider can bear least.
//!
//! A bucket of tokens, as Finagle's `RetryBudget` has it: each request puts in a fifth of one, each repeated call takes
//! one out. So that a quiet gateway may try again too, the bucket fills up to `FLOOR` by itself, one a second. It never
//! holds more than `MOST`: good times do not pay for a storm.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One token, in the unit counted.
const TOKEN: u64 = 1_000;
/// What a request puts in: calls are repeated for at most 20 % of requests.
const SHARE: u64 = TOKEN / 5;
/// Up to here the bucket fills by itself, one token a second.
const FLOOR: u64 = 10 * TOKEN;
/// The most it holds.
const MOST: u64 = 100 * TOKEN;

/// The bucket. Lives as long as the process.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    held: u64,
    filled: Option<Instant>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { state: Mutex::new(State { held: FLOOR, filled: None }) }
    }
}

impl RetryBudget {
    /// A request came.
    pub(crate) fn deposit(&self) {
        let mut state = self.lock();
        state.held = (state.held + SHARE).min(MOST);
    }

    /// Takes the price of one repeated call out, if it is there.
    pub(crate) fn withdraw(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let last = state.filled.unwrap_or(now);
        let since = u64::try_from(now.saturating_duration_since(last).as_millis()).unwrap_or(u64::MAX);
        if state.held < FLOOR {
            // A token is 1 000 and comes in within a second: one unit each millisecond.
            state.held = state.held.saturating_add(since).min(FLOOR);
        }
        // Whole milliseconds only, so that what is left of one counts next time.
        state.filled = Some(last + Duration::from_millis(since));
        if state.held < TOKEN {
            return false;
        }
        state.held -= TOKEN;
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(budget: &RetryBudget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn a_fifth_of_requests_and_a_floor() {
        let (budget, start) = (RetryBudget::default(), Instant::now());
        assert_eq!(drain(&budget, start), 10, "the floor");
        (0..50).for_each(|_| budget.deposit());
        assert_eq!(drain(&budget, start), 10, "a fifth of fifty");
        assert_eq!(drain(&budget, start + Duration::from_millis(999)), 0);
        assert_eq!(drain(&budget, start + Duration::from_secs(3)), 3, "one a second, in a storm too");
        assert_eq!(drain(&budget, start + Duration::from_secs(900)), 10, "never above the floor by itself");
        (0..9_999).for_each(|_| budget.deposit());
        assert_eq!(drain(&budget, start + Duration::from_secs(900)), 100, "nor above the most");
    }
}

//! How long answers are, by model and task: what a call is expected to use, which is far less than it may.
//!
//! Bounded: `MAX_ROUTES` pairs, the last `WINDOW` answers of each. Forgotten at a restart.

use std::collections::{HashMap, VecDeque};

/// Pairs of a model and a task. Further ones are expected to be as `DEFAULT`.
const MAX_ROUTES: usize = 1_024;
/// Answers remembered of each.
const WINDOW: usize = 64;
/// Answers from which an expectation is drawn.
const ENOUGH: usize = 8;
/// Output tokens that are expected while too little is known: few answers of any model are longer.
const DEFAULT: u64 = 1_024;

/// The lengths of the last answers.
#[derive(Debug, Default)]
pub(super) struct Learned {
    routes: HashMap<(Box<str>, Box<str>), VecDeque<u64>>,
}

impl Learned {
    /// The length that nineteen of twenty answers had at most.
    pub(super) fn expected(&self, model: &str, task: Option<&str>) -> u64 {
        let Some(last) = self.routes.get(&key(model, task)).filter(|last| last.len() >= ENOUGH) else {
            return DEFAULT;
        };
        let mut sorted: Vec<u64> = last.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 19).div_ceil(20);
        sorted.get(rank.max(1) - 1).copied().unwrap_or(DEFAULT)
    }

    pub(super) fn learn(&mut self, model: &str, task: Option<&str>, output_tokens: u64) {
        let key = key(model, task);
        if self.routes.len() >= MAX_ROUTES && !self.routes.contains_key(&key) {
            return;
        }
        let last = self.routes.entry(key).or_default();
        if last.len() == WINDOW {
            last.pop_front();
        }
        last.push_back(output_tokens);
    }
}

fn key(model: &str, task: Option<&str>) -> (Box<str>, Box<str>) {
    (model.into(), task.unwrap_or_default().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expectation_is_what_nineteen_of_twenty_stay_below() {
        let mut learned = Learned::default();
        for tokens in 1..ENOUGH as u64 {
            learned.learn("m", None, tokens);
        }
        assert_eq!(learned.expected("m", None), DEFAULT);
        for tokens in 1..=100 {
            learned.learn("m", None, tokens);
        }
        assert_eq!(learned.expected("m", None), 97, "61st of 37..=100");
        assert_eq!(learned.expected("m", Some("t")), DEFAULT);
    }

    #[test]
    fn pairs_beyond_the_bound_are_not_kept() {
        let mut learned = Learned::default();
        for n in 0..MAX_ROUTES + 9 {
            learned.learn(&n.to_string(), None, 5);
        }
        assert_eq!(learned.routes.len(), MAX_ROUTES);
    }
}

//! What happened to one request, in order. Only ever appended to.

use super::{Fault, PluginFault};

/// One step on a request's way.
#[derive(Clone, Debug)]
pub enum Step {
    /// A routing rule was asked.
    Router {
        /// The rule.
        name: String,
        /// What it said, in one word: `route`, `abstain`, `reject`, `respond`.
        said: &'static str,
        /// Its reason.
        reason: String,
        /// How long it took, in microseconds.
        micros: u64,
    },
    /// A routing rule failed, and what its `on_error` made of it.
    RouterFault {
        /// The rule.
        name: String,
        /// What went wrong.
        fault: PluginFault,
        /// What was done instead: `next`, `default_route` or `fail`.
        then: &'static str,
    },
    /// The way was decided.
    Decided {
        /// By whom: a router's name, `static`, `named` or `default`.
        by: String,
        /// Why, in a few words.
        why: String,
        /// The models to try, best first.
        models: Vec<String>,
    },
    /// What is tried when those fail.
    Fallback {
        /// The models, best first.
        models: Vec<String>,
    },
    /// A model was called and failed.
    AttemptFailed {
        /// The model.
        model: String,
        /// Its provider.
        provider: String,
        /// What went wrong.
        fault: Fault,
    },
    /// A model was called and answered.
    Answered {
        /// The model.
        model: String,
        /// Its provider.
        provider: String,
    },
}

/// The steps of one request.
#[derive(Debug, Default)]
pub struct Trail {
    steps: Vec<Step>,
}

impl Trail {
    /// Appends a step.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The steps so far, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many calls of models were made.
    pub fn attempts(&self) -> usize {
        self.steps.iter().filter(|s| matches!(s, Step::AttemptFailed { .. } | Step::Answered { .. })).count()
    }

    /// Who decided the way and why, once somebody has.
    pub fn decision(&self) -> Option<(&str, &str)> {
        self.steps.iter().rev().find_map(|s| match s {
            Step::Decided { by, why, .. } => Some((by.as_str(), why.as_str())),
            _ => None,
        })
    }
}

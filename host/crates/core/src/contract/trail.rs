//! What happened to one request, in order. Only ever appended to.
//!
//! What is done on the request's behalf while somebody else holds the trail (a plugin asks a model in the middle of
//! its call) is put aside and taken in before the next step, so that the order is what happened, and nothing is lost
//! when the plugin then fails or the client leaves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Bill, Fault, FaultKind, PluginFault, Usage};

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
        /// Whether this was a new generation of the rule, on trial with a share of the requests.
        canary: bool,
    },
    /// A routing rule failed, and what its `on_error` made of it.
    RouterFault {
        /// The rule.
        name: String,
        /// What went wrong.
        fault: PluginFault,
        /// What was done instead: `next`, `default_route` or `fail`; `base` when a canary failed, and the generation
        /// that it is to replace was asked.
        then: &'static str,
    },
    /// A model was asked how complex the prompt is. Not an attempt at answering.
    Rated {
        /// The model that rates.
        model: String,
        /// What it said: `high` or `low`; nothing when there is no rating.
        rating: Option<&'static str>,
        /// Whether the rating was there, or on its way for the same prompt: no call was made for this request.
        cached: bool,
        /// How long that took, in microseconds.
        micros: u64,
        /// `rated`, or why there is no rating, in one word: `timeout`, `unclear`, `no_text`, `breaker_open`,
        /// `budget_exceeded`, `price_unknown`, `no_model`, a fault's reason; `not_asked` where a decision is only explained.
        why: &'static str,
        /// The question's number on the request's bill, if one was asked for this request.
        charge: Option<u32>,
    },
    /// The way was decided.
    Decided {
        /// By whom: a router's name, `static`, `named`, `dynamic` or `default`.
        by: String,
        /// Why, in a few words.
        why: String,
        /// The models to try, best first.
        models: Vec<String>,
    },
    /// A budget has no room for a model, and another one is tried in its place, as the budget says.
    Downgraded {
        /// The model there is no room for.
        from: String,
        /// The one tried instead.
        to: String,
        /// Which limit it is, and what is left of it.
        why: String,
    },
    /// A budget has room for so much of an answer: the model is told to stop there.
    Clamped {
        /// The model.
        model: String,
        /// The most it may answer with, in tokens.
        max_output_tokens: u64,
    },
    /// A budget was used up while an answer went out, which ends there.
    BudgetReached {
        /// The model.
        model: String,
        /// Which limit it is.
        why: String,
    },
    /// What is tried when those fail.
    Fallback {
        /// The models, best first.
        models: Vec<String>,
    },
    /// A candidate was left out.
    Skipped {
        /// The model.
        model: String,
        /// Its provider.
        provider: String,
        /// Why, in one word: `breaker_open`, `context_window`, `deadline`, `budget_exceeded`, `price_unknown`, or `unsupported` when its
        /// provider's API has no word for something the client asked for.
        why: &'static str,
    },
    /// A part of the request was left out for a provider whose API has no word for it. No answer changes by it, or it
    /// was a rule's hint and not the client's wish.
    Dropped {
        /// The model.
        model: String,
        /// What was left out.
        fields: Vec<String>,
    },
    /// A model was called and failed.
    AttemptFailed {
        /// The call.
        call: Called,
        /// What went wrong.
        fault: Fault,
    },
    /// A model was called and began to answer.
    Answered {
        /// The call.
        call: Called,
    },
    /// A model was called and given up before it answered: another was quicker, or nobody waits for the answer.
    Abandoned {
        /// The call.
        call: Called,
        /// Why, where it is neither of the two usual reasons: another call was quicker, the client left.
        why: Option<FaultKind>,
    },
    /// The provider's next key takes over for one that does not work.
    KeyRotated {
        /// The model.
        model: String,
        /// Its provider.
        provider: String,
        /// The place of the key that did not work.
        from: usize,
        /// The place of the one used now.
        to: usize,
        /// Why, in one word: `refused` or `rate_limited`.
        why: &'static str,
    },
    /// The same model is called once more.
    Retry {
        /// The model.
        model: String,
        /// How long was waited before.
        wait: Duration,
        /// What the wait is by: `backoff`, or the provider's `retry_after`.
        why: &'static str,
    },
    /// The same model, or a second one beside it, would have been called, and was not.
    RetryDenied {
        /// The model.
        model: String,
        /// Why, in one word: `budget` (the gateway's for repeated calls), `budget_exceeded` (one of money), `breaker_open`,
        /// `deadline`, or `retry_after` when the provider wants more time than is waited.
        why: &'static str,
    },
    /// A model took unusually long to begin, and a second call was started beside it.
    Hedged {
        /// The slow model.
        slow: String,
        /// The model called beside it.
        model: String,
        /// How long the slow one had taken by then.
        after: Duration,
    },
    /// A plugin asked a model. Not an attempt at answering the request, and charged to it all the same.
    Llm {
        /// The plugin.
        plugin: String,
        /// The model it named.
        model: String,
        /// The model's provider; `None` when nobody was called.
        provider: Option<String>,
        /// What came of it, in one word: `answered`; `unknown_model`, `model_not_allowed`, `breaker_open`,
        /// `budget_exceeded`, `price_unknown` or `invalid_request` when nobody was called; `timed_out`; `unclear` when no text came; `abandoned` when it was
        /// given up in the middle; else the fault's reason.
        outcome: &'static str,
        /// What it consumed, if the provider said.
        usage: Option<Usage>,
        /// How long it took, in microseconds.
        micros: u64,
        /// Its number on the request's bill, when somebody was called.
        charge: Option<u32>,
    },
    /// The cache was asked, or not.
    Cache {
        /// What came of it.
        outcome: CacheOutcome,
        /// More in one word or a few: why it was bypassed, `no-cache`, the id of the request whose call was joined.
        why: Option<String>,
        /// The model whose answer was there.
        model: Option<String>,
        /// How long ago that answer was given.
        age: Option<Duration>,
    },
    /// A validator was asked about an answer.
    Validated {
        /// The validator.
        name: String,
        /// The model whose answer it is.
        model: String,
        /// What it found, in one word: `accept`, `reject`, `repair`, `replace`; `fault` when it failed; `skipped` when
        /// the answer was not checked.
        verdict: &'static str,
        /// How good the answer is, if it said so: 0 to 1.
        score: Option<f64>,
        /// What is wrong with the answer; or with the validator, when it failed.
        issues: Vec<String>,
        /// How long it took, in microseconds.
        micros: u64,
    },
}

/// Whether a request was answered from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOutcome {
    /// The answer was there: nobody was called for it.
    Hit,
    /// The same request was under way: it shares that one's call.
    Joined,
    /// It was not there.
    Miss,
    /// Nothing was looked up and nothing is kept.
    Bypass,
}

impl CacheOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Joined, Self::Miss, Self::Bypass];

    /// The word in headers, log, records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Joined => "joined",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// One call of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The model.
    pub model: String,
    /// Its provider.
    pub provider: String,
    /// The place of the key it was made with; never the key itself.
    pub key: Option<usize>,
    /// How long it took to fail, to begin in earnest, or to be given up.
    pub took: Duration,
    /// Its number on the request's bill; `None` when it is one that cannot cost.
    pub charge: Option<u32>,
}

/// What plugins asked of models over a whole request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LlmUse {
    /// Calls that were made.
    pub calls: usize,
    /// What they consumed, as far as providers said.
    pub usage: Option<Usage>,
    /// How long they took together.
    pub took: Duration,
}

/// Steps of a request that wait to be taken into its trail. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Aside(Arc<Mutex<Vec<Step>>>);

impl Aside {
    /// Puts a step aside.
    pub fn push(&self, step: Step) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }

    fn take(&self) -> Vec<Step> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The steps of one request.
#[derive(Debug, Default)]
pub struct Trail {
    steps: Vec<Step>,
    aside: Aside,
    /// Where every step is told too.
    mirror: Option<Aside>,
    bill: Bill,
}

impl Trail {
    /// A trail of what is done on a request's behalf elsewhere: every step is put aside for that request's own.
    pub fn mirrored(to: &Self) -> Self {
        Self { mirror: Some(to.aside.clone()), bill: to.bill.clone(), ..Self::default() }
    }

    /// Appends a step, behind those that were put aside.
    pub fn push(&mut self, step: Step) {
        self.catch_up();
        self.append(step);
    }

    /// Where steps are put aside.
    pub fn aside(&self) -> &Aside {
        &self.aside
    }

    /// What the calls made for the request cost.
    pub fn bill(&self) -> &Bill {
        &self.bill
    }

    /// The downgrade that a budget asked for, if one did: from which model to which, and why.
    pub fn downgrade(&self) -> Option<(&str, &str, &str)> {
        self.steps.iter().find_map(|s| match s {
            Step::Downgraded { from, to, why } => Some((from.as_str(), to.as_str(), why.as_str())),
            _ => None,
        })
    }

    /// Takes in what was put aside.
    pub fn catch_up(&mut self) {
        self.aside.take().into_iter().for_each(|step| self.append(step));
    }

    fn append(&mut self, step: Step) {
        if let Some(mirror) = &self.mirror {
            mirror.push(step.clone());
        }
        self.steps.push(step);
    }

    /// What plugins asked of models so far.
    pub fn llm(&self) -> LlmUse {
        let mut sum = LlmUse::default();
        for step in &self.steps {
            if let Step::Llm { provider: Some(_), usage, micros, .. } = step {
                sum.calls += 1;
                sum.took += Duration::from_micros(*micros);
                sum.usage = match (sum.usage, *usage) {
                    (Some(so_far), Some(more)) => Some(so_far.and(more)),
                    (so_far, more) => so_far.or(more),
                };
            }
        }
        sum
    }

    /// The steps so far, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many calls of models were made and are over, or answer.
    pub fn attempts(&self) -> usize {
        let call = |s: &&Step| {
            matches!(s, Step::AttemptFailed { .. } | Step::Answered { .. } | Step::Abandoned { .. })
        };
        self.steps.iter().filter(call).count()
    }

    /// How many of them repeated one before: after a wait, or with another key.
    pub fn retries(&self) -> usize {
        self.steps.iter().filter(|s| matches!(s, Step::Retry { .. } | Step::KeyRotated { .. })).count()
    }

    /// How long a rating was waited for.
    pub fn rating_took(&self) -> Duration {
        let micros = |s: &Step| match s {
            Step::Rated { micros, .. } => *micros,
            _ => 0,
        };
        Duration::from_micros(self.steps.iter().map(micros).sum())
    }

    /// Whether who decided the way is a canary. Nobody who decides has spoken before in the same request.
    pub fn by_canary(&self) -> bool {
        let Some((by, _)) = self.decision() else { return false };
        self.steps.iter().any(|s| matches!(s, Step::Router { name, canary: true, .. } if name == by))
    }

    /// Who decided the way and why, once somebody has.
    pub fn decision(&self) -> Option<(&str, &str)> {
        self.steps.iter().rev().find_map(|s| match s {
            Step::Decided { by, why, .. } => Some((by.as_str(), why.as_str())),
            _ => None,
        })
    }
}

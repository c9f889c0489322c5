//! What the calls of a run answered, written down as they answer, so that a run that goes on asks for none of them again.
//!
//! Every construct of a workflow is made of calls, and everything between calls gives the same for the same answers. So the
//! calls are all that has to be kept: a run that goes on walks the same way and finds its answers here, up to where it broke off.
//! A call that was under way then is made again.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use jackfield_core::base::NanoUsd;
use jackfield_core::contract::{Fault, FaultKind, Usage};
use jackfield_store::runs::StoredCall;
use jackfield_store::{StateError, Store};

/// What one call answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Said {
    /// The answer's text.
    pub text: String,
    /// What was consumed, if the provider said: tokens of the prompt and of the answer.
    pub tokens: Option<(u64, u64)>,
    /// What that cost, in nano-dollars, if the model has a price.
    pub cost: Option<u64>,
    /// How good the validators found it, 0 to 1, if one said.
    pub score: Option<f64>,
}

impl Said {
    pub(super) fn usage(&self) -> Option<Usage> {
        let (input_tokens, output_tokens) = self.tokens?;
        Some(Usage { input_tokens, output_tokens, ..Usage::default() })
    }

    pub(super) fn cost(&self) -> Option<NanoUsd> {
        self.cost.map(NanoUsd::new)
    }
}

/// The answers of one run.
#[derive(Debug)]
pub(super) struct Journal {
    store: Arc<Store>,
    run: String,
    /// Those of earlier attempts, by call.
    before: HashMap<String, Said>,
}

impl Journal {
    /// The answers so far. One that cannot be read counts as not there.
    pub(super) fn new(store: Arc<Store>, run: String, before: Vec<StoredCall>) -> Self {
        let read = |kept: StoredCall| Some((kept.call, serde_json::from_str(&kept.answer).ok()?));
        Self { store, run, before: before.into_iter().filter_map(read).collect() }
    }

    /// What this call answered in an earlier attempt.
    pub(super) fn find(&self, call: &str) -> Option<&Said> {
        self.before.get(call)
    }

    /// What the kept answers of earlier attempts cost whose calls' names begin so.
    pub(super) fn spent_within(&self, within: &str) -> NanoUsd {
        let inside = self.before.iter().filter(|(call, _)| call.starts_with(within));
        inside.filter_map(|(_, said)| said.cost()).fold(NanoUsd::ZERO, NanoUsd::plus)
    }

    /// Writes an answer down. Returns when it is.
    pub(super) async fn keep(&self, call: &str, said: &Said) -> Result<(), Fault> {
        let answer = serde_json::to_string(said).map_err(|error| {
            Fault::new(FaultKind::Internal, format!("the answer of `{call}` is not kept: {error}"))
        })?;
        let kept = self.store.runs().keep(&self.run, StoredCall { call: call.to_owned(), answer }).await;
        kept.map_err(unavailable)
    }
}

/// What is said where a run cannot be written down or read.
pub(super) fn unavailable(error: StateError) -> Fault {
    Fault::new(FaultKind::StateUnavailable, error.to_string())
}

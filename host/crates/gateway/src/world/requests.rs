//! The last requests and every step each of them took, for whoever asks why. In memory only, the oldest go first:
//! at most `MAX_RECORDS` of them and about `MAX_BYTES` together. Outlives worlds.
//!
//! No text of a prompt or an answer is in a record, nor a provider's own words: these may repeat one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Requests kept.
const MAX_RECORDS: usize = 1_000;
/// What they may take together, in bytes.
const MAX_BYTES: usize = 4 << 20;

/// The last requests.
#[derive(Debug, Default)]
pub struct Requests {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Oldest first, each with its weight.
    records: VecDeque<(usize, Arc<RequestRecord>)>,
    bytes: usize,
}

/// One request, as it ended. Times are in microseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RequestRecord {
    /// Its id, as in the header `x-jackfield-request-id`.
    pub id: String,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How it ended: `answered`, `failed`, `broken_off`, `cancelled` or `client_left`.
    pub outcome: &'static str,
    /// What went wrong, in one word.
    pub reason: Option<&'static str>,
    /// Whose fault that was.
    pub blame: Option<&'static str>,
    /// The same in a sentence, when the words are this gateway's own.
    pub fault: Option<String>,
    /// The project that asked.
    pub project: Option<String>,
    /// The user who asked.
    pub user: Option<String>,
    /// The task the client named.
    pub task: Option<String>,
    /// The run of a workflow that it is a step of.
    pub run: Option<String>,
    /// That run's workflow.
    pub workflow: Option<String>,
    /// Which of the run's calls it is.
    pub run_step: Option<String>,
    /// The model the client named.
    pub asked_model: Option<String>,
    /// Who decided where it goes.
    pub route: Option<String>,
    /// Why.
    pub route_reason: Option<String>,
    /// The model that answered, or was called last.
    pub model: Option<String>,
    /// Its provider.
    pub provider: Option<String>,
    /// Calls of models.
    pub attempts: usize,
    /// Those of them that repeated one before.
    pub retries: usize,
    /// How good the validators find the answer, 0 to 1: the lowest score that one gave.
    pub score: Option<f64>,
    /// Whether the answer was to come as a stream.
    pub stream: bool,
    /// How it fared with the cache: `hit`, `joined`, `miss` or `bypass`; nothing where answers are not kept.
    pub cache: Option<&'static str>,
    /// What the answer consumed, as far as anybody knows.
    pub usage: Option<UsageRecord>,
    /// What all calls made for the request cost together, in US dollars, exactly; nothing when one has no known price.
    pub cost_usd: Option<String>,
    /// Questions of plugins to models. Not attempts at answering.
    pub llm_calls: usize,
    /// What those consumed, which is in no other number here; as far as providers said.
    pub llm_usage: Option<UsageRecord>,
    /// From arrival until the answer began, when it came as a stream or whole.
    pub first_token_us: Option<u64>,
    /// What this gateway took itself until the answer began.
    pub overhead_us: Option<u64>,
    /// From arrival to the end.
    pub total_us: u64,
    /// Every step, in order.
    pub steps: Vec<StepRecord>,
}

/// What a call consumed, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UsageRecord {
    /// Of the prompt, cached ones included.
    pub input_tokens: u64,
    /// Of the answer, reasoning included.
    pub output_tokens: u64,
    /// Of the prompt, from the provider's cache.
    pub cached_input_tokens: u64,
    /// Of the answer, spent on reasoning.
    pub reasoning_tokens: u64,
    /// Whether this gateway counted, not the provider.
    pub estimated: bool,
}

/// How a call of a model came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It answered.
    Answered,
    /// It failed.
    Failed,
    /// It was given up: another call was quicker, or nobody waits for its answer.
    Abandoned,
}

/// One step. The names are those of the trail (`contract/trail.rs`), the times in microseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields are those of the trail's steps, which says what each is")]
pub enum StepRecord {
    Router {
        name: String,
        said: &'static str,
        reason: String,
        micros: u64,
        canary: bool,
    },
    RouterFault {
        name: String,
        fault: &'static str,
        message: String,
        then: &'static str,
    },
    Rated {
        model: String,
        rating: Option<&'static str>,
        cached: bool,
        micros: u64,
        why: &'static str,
        cost_usd: Option<String>,
    },
    Decided {
        by: String,
        why: String,
        models: Vec<String>,
    },
    Downgraded {
        from: String,
        to: String,
        why: String,
    },
    Clamped {
        model: String,
        max_output_tokens: u64,
    },
    BudgetReached {
        model: String,
        why: String,
    },
    Fallback {
        models: Vec<String>,
    },
    Skipped {
        model: String,
        provider: String,
        why: &'static str,
    },
    Dropped {
        model: String,
        fields: Vec<String>,
    },
    /// A call of a model, whatever came of it.
    Attempt {
        model: String,
        provider: String,
        key: Option<usize>,
        outcome: AttemptOutcome,
        reason: Option<&'static str>,
        /// The HTTP status of the provider's error answer.
        status: Option<u16>,
        micros: u64,
        /// What it cost, in US dollars, exactly; nothing when nothing was billed, or its price is not known.
        cost_usd: Option<String>,
    },
    KeyRotated {
        model: String,
        provider: String,
        from: usize,
        to: usize,
        why: &'static str,
    },
    Retry {
        model: String,
        wait_us: u64,
        why: &'static str,
    },
    RetryDenied {
        model: String,
        why: &'static str,
    },
    Hedged {
        slow: String,
        model: String,
        after_us: u64,
    },
    Cache {
        outcome: &'static str,
        why: Option<String>,
        model: Option<String>,
        age_us: Option<u64>,
    },
    /// A plugin's question to a model. Neither its words nor the model's are kept.
    Llm {
        plugin: String,
        model: String,
        provider: Option<String>,
        outcome: &'static str,
        usage: Option<UsageRecord>,
        micros: u64,
        cost_usd: Option<String>,
    },
    /// The issues are the validator's own words. A built-in one names keys of the answer, never its values.
    Validated {
        name: String,
        model: String,
        verdict: &'static str,
        score: Option<f64>,
        issues: Vec<String>,
        micros: u64,
    },
}

impl Requests {
    /// The last requests, the newest first.
    pub fn recent(&self) -> Vec<Arc<RequestRecord>> {
        self.lock().records.iter().rev().map(|(_, record)| Arc::clone(record)).collect()
    }

    /// The request of this id, if it is still kept.
    pub fn get(&self, id: &str) -> Option<Arc<RequestRecord>> {
        let ring = self.lock();
        ring.records.iter().rev().find(|(_, record)| record.id == id).map(|(_, record)| Arc::clone(record))
    }

    /// Keeps a request that has ended.
    pub(crate) fn push(&self, record: RequestRecord) {
        let weight = record.weight();
        // One that large would push out all others.
        if weight > MAX_BYTES / 8 {
            return;
        }
        let mut ring = self.lock();
        ring.bytes += weight;
        ring.records.push_back((weight, Arc::new(record)));
        while ring.records.len() > MAX_RECORDS || ring.bytes > MAX_BYTES {
            let Some((weight, _)) = ring.records.pop_front() else { break };
            ring.bytes -= weight;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestRecord {
    /// What it takes in memory, roughly, in bytes.
    fn weight(&self) -> usize {
        let texts = [
            &self.fault,
            &self.project,
            &self.user,
            &self.task,
            &self.run,
            &self.workflow,
            &self.run_step,
            &self.asked_model,
            &self.route,
            &self.route_reason,
            &self.model,
            &self.provider,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let steps: usize = self.steps.iter().map(StepRecord::weight).sum();
        size_of::<Self>() + self.id.len() + texts + steps
    }
}

impl StepRecord {
    fn weight(&self) -> usize {
        let of_list =
            |texts: &[String]| -> usize { texts.iter().map(|text| size_of::<String>() + text.len()).sum() };
        let texts = match self {
            Self::Router { name, reason: text, .. } | Self::RouterFault { name, message: text, .. } => {
                name.len() + text.len()
            }
            Self::Decided { by, why, models } => by.len() + why.len() + of_list(models),
            Self::Downgraded { from, to, why } => from.len() + to.len() + why.len(),
            Self::BudgetReached { model, why } => model.len() + why.len(),
            Self::Fallback { models } => of_list(models),
            Self::Dropped { model, fields } => model.len() + of_list(fields),
            Self::Validated { name, model, issues, .. } => name.len() + model.len() + of_list(issues),
            Self::Cache { why, model, .. } => [why, model].into_iter().flatten().map(String::len).sum(),
            Self::Llm { plugin, model, provider, .. } => {
                plugin.len() + model.len() + provider.as_ref().map_or(0, String::len)
            }
            Self::Skipped { model, provider, .. }
            | Self::Attempt { model, provider, .. }
            | Self::KeyRotated { model, provider, .. }
            | Self::Hedged { slow: provider, model, .. } => model.len() + provider.len(),
            Self::Rated { model, .. }
            | Self::Clamped { model, .. }
            | Self::Retry { model, .. }
            | Self::RetryDenied { model, .. } => model.len(),
        };
        size_of::<Self>() + texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: usize, text: usize) -> RequestRecord {
        let steps = vec![StepRecord::Fallback { models: vec!["m".repeat(text)] }];
        RequestRecord { id: format!("req_{id}"), steps, ..RequestRecord::default() }
    }

    fn kept(requests: &Requests) -> (usize, usize) {
        let ring = requests.lock();
        assert_eq!(ring.bytes, ring.records.iter().map(|(weight, _)| weight).sum::<usize>());
        (ring.records.len(), ring.bytes)
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_go_by_number() {
        let requests = Requests::default();
        (0..MAX_RECORDS + 5).for_each(|id| requests.push(record(id, 1)));
        assert_eq!(kept(&requests).0, MAX_RECORDS);
        let recent = requests.recent();
        assert_eq!((&*recent[0].id, &*recent[MAX_RECORDS - 1].id), ("req_1004", "req_5"));
        assert!(requests.get("req_4").is_none());
        assert_eq!(requests.get("req_5").unwrap().id, "req_5");
    }

    #[test]
    fn the_oldest_go_by_size_and_a_giant_is_not_kept() {
        let requests = Requests::default();
        (0..100).for_each(|id| requests.push(record(id, MAX_BYTES / 16)));
        let (count, bytes) = kept(&requests);
        assert!((14..=16).contains(&count) && bytes <= MAX_BYTES, "{count} {bytes}");
        requests.push(record(100, MAX_BYTES));
        assert_eq!((kept(&requests), &*requests.recent()[0].id), ((count, bytes), "req_99"));
    }
}

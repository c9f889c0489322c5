//! A request that has ended, as it is kept: the trail without anybody's text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jackfield_core::base::excerpt;
use jackfield_core::contract::{Blame, Called, Fault, FaultKind, Step, Trail, Usage};

use crate::world::{AttemptOutcome, StepRecord, UsageRecord};

/// What is kept of a sentence, in characters.
const MAX_SENTENCE: usize = 512;

/// The steps.
pub(super) fn steps(trail: &Trail) -> Vec<StepRecord> {
    trail.steps().iter().map(step).collect()
}

/// What went wrong in a sentence, when it is ours: a provider's own words may repeat a prompt.
pub(super) fn sentence(fault: &Fault) -> Option<String> {
    let quotes = fault.kind.blame() == Blame::Upstream
        || matches!(fault.kind, FaultKind::UpstreamRefused | FaultKind::ContextLength);
    (!quotes).then(|| excerpt(&fault.message, MAX_SENTENCE))
}

/// What was consumed.
pub(super) fn usage(usage: Usage) -> UsageRecord {
    let Usage { input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, estimated } = usage;
    UsageRecord { input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, estimated }
}

/// When something happened that long ago, in milliseconds since the Unix epoch.
pub(super) fn at_ms(ago: Duration) -> u64 {
    let at = SystemTime::now().checked_sub(ago).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    at.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
}

/// Microseconds, as all records and the log have them.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn step(step: &Step) -> StepRecord {
    match step.clone() {
        Step::Router { name, said, reason, micros, canary } => {
            StepRecord::Router { name, said, reason: excerpt(&reason, MAX_SENTENCE), micros, canary }
        }
        Step::RouterFault { name, fault, then } => {
            let message = excerpt(&fault.message, MAX_SENTENCE);
            StepRecord::RouterFault { name, fault: fault.kind.reason(), message, then }
        }
        Step::Rated { model, rating, cached, micros, why } => {
            StepRecord::Rated { model, rating, cached, micros, why }
        }
        Step::Decided { by, why, models } => {
            StepRecord::Decided { by, why: excerpt(&why, MAX_SENTENCE), models }
        }
        Step::Fallback { models } => StepRecord::Fallback { models },
        Step::Skipped { model, provider, why } => StepRecord::Skipped { model, provider, why },
        Step::Dropped { model, fields } => StepRecord::Dropped { model, fields },
        Step::AttemptFailed { call, fault } => attempt(call, AttemptOutcome::Failed, Some(&fault)),
        Step::Answered { call } => attempt(call, AttemptOutcome::Answered, None),
        Step::Abandoned { call } => attempt(call, AttemptOutcome::Abandoned, None),
        Step::KeyRotated { model, provider, from, to, why } => {
            StepRecord::KeyRotated { model, provider, from, to, why }
        }
        Step::Retry { model, wait, why } => StepRecord::Retry { model, wait_us: micros(wait), why },
        Step::RetryDenied { model, why } => StepRecord::RetryDenied { model, why },
        Step::Hedged { slow, model, after } => StepRecord::Hedged { slow, model, after_us: micros(after) },
        Step::Cache { outcome, why, model, age } => {
            StepRecord::Cache { outcome: outcome.name(), why, model, age_us: age.map(micros) }
        }
        Step::Llm { plugin, model, provider, outcome, usage: used, micros } => {
            StepRecord::Llm { plugin, model, provider, outcome, usage: used.map(usage), micros }
        }
        Step::Validated { name, model, verdict, score, issues, micros } => {
            StepRecord::Validated { name, model, verdict, score, issues, micros }
        }
    }
}

fn attempt(call: Called, outcome: AttemptOutcome, fault: Option<&Fault>) -> StepRecord {
    let Called { model, provider, key, took } = call;
    let (reason, status) = (fault.map(|fault| fault.kind.reason()), fault.and_then(|fault| fault.status));
    StepRecord::Attempt { model, provider, key, outcome, reason, status, micros: micros(took) }
}

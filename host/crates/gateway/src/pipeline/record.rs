//! A request that has ended, as it is kept: the trail without anybody's text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jackfield_core::base::excerpt;
use jackfield_core::contract::{Bill, Blame, Called, Fault, FaultKind, Step, Trail, Usage};

use crate::world::{AttemptOutcome, StepRecord, UsageRecord};

/// What is kept of a sentence, in characters.
const MAX_SENTENCE: usize = 512;

/// The steps.
pub(super) fn steps(trail: &Trail) -> Vec<StepRecord> {
    trail.steps().iter().map(|one| step(one, trail.bill())).collect()
}

/// What went wrong in a sentence, when it is ours: a provider's own words may repeat a prompt.
pub(super) fn sentence(fault: &Fault) -> Option<String> {
    let quotes = fault.kind.blame() == Blame::Upstream
        || matches!(fault.kind, FaultKind::UpstreamRefused | FaultKind::ContextLength);
    (!quotes).then(|| excerpt(&fault.message, MAX_SENTENCE))
}

/// What was consumed.
pub(super) fn usage(usage: Usage) -> UsageRecord {
    let Usage { input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, estimated, .. } = usage;
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

fn step(step: &Step, bill: &Bill) -> StepRecord {
    match step.clone() {
        Step::Router { name, said, reason, micros, canary } => {
            StepRecord::Router { name, said, reason: excerpt(&reason, MAX_SENTENCE), micros, canary }
        }
        Step::RouterFault { name, fault, then } => {
            let message = excerpt(&fault.message, MAX_SENTENCE);
            StepRecord::RouterFault { name, fault: fault.kind.reason(), message, then }
        }
        Step::Rated { model, rating, cached, micros, why, charge } => {
            StepRecord::Rated { model, rating, cached, micros, why, cost_usd: cost(charge, bill) }
        }
        Step::Decided { by, why, models } => {
            StepRecord::Decided { by, why: excerpt(&why, MAX_SENTENCE), models }
        }
        Step::Downgraded { from, to, why } => {
            StepRecord::Downgraded { from, to, why: excerpt(&why, MAX_SENTENCE) }
        }
        Step::Clamped { model, max_output_tokens } => StepRecord::Clamped { model, max_output_tokens },
        Step::BudgetReached { model, why } => {
            StepRecord::BudgetReached { model, why: excerpt(&why, MAX_SENTENCE) }
        }
        Step::Fallback { models } => StepRecord::Fallback { models },
        Step::Skipped { model, provider, why } => StepRecord::Skipped { model, provider, why },
        Step::Dropped { model, fields } => StepRecord::Dropped { model, fields },
        Step::AttemptFailed { call, fault } => {
            attempt(call, AttemptOutcome::Failed, (Some(fault.kind), fault.status), bill)
        }
        Step::Answered { call } => attempt(call, AttemptOutcome::Answered, (None, None), bill),
        Step::Abandoned { call, why } => attempt(call, AttemptOutcome::Abandoned, (why, None), bill),
        Step::KeyRotated { model, provider, from, to, why } => {
            StepRecord::KeyRotated { model, provider, from, to, why }
        }
        Step::Retry { model, wait, why } => StepRecord::Retry { model, wait_us: micros(wait), why },
        Step::RetryDenied { model, why } => StepRecord::RetryDenied { model, why },
        Step::Hedged { slow, model, after } => StepRecord::Hedged { slow, model, after_us: micros(after) },
        Step::Cache { outcome, why, model, age } => {
            StepRecord::Cache { outcome: outcome.name(), why, model, age_us: age.map(micros) }
        }
        Step::Llm { plugin, model, provider, outcome, usage: used, micros, charge } => {
            let cost_usd = cost(charge, bill);
            StepRecord::Llm { plugin, model, provider, outcome, usage: used.map(usage), micros, cost_usd }
        }
        Step::Validated { name, model, verdict, score, issues, micros } => {
            StepRecord::Validated { name, model, verdict, score, issues, micros }
        }
    }
}

/// A call, with what went wrong and the status of the provider's answer.
fn attempt(
    call: Called,
    outcome: AttemptOutcome,
    (why, status): (Option<FaultKind>, Option<u16>),
    bill: &Bill,
) -> StepRecord {
    let Called { model, provider, key, took, charge } = call;
    let cost_usd = cost(charge, bill);
    let reason = why.map(FaultKind::reason);
    StepRecord::Attempt { model, provider, key, outcome, reason, status, micros: micros(took), cost_usd }
}

/// What a call cost, if it is over and something was billed.
fn cost(charge: Option<u32>, bill: &Bill) -> Option<String> {
    Some(bill.of(charge?)?.cost?.to_string())
}

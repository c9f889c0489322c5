//! What validators find, in the words of the trail, the log and the one error: the same for every way of asking them.

use std::time::Duration;

use jackfield_core::base::{RequestId, excerpt};
use jackfield_core::config::ValidatorOnError;
use jackfield_core::contract::{Fault, FaultKind, PluginFault, Step, Validation};

use super::record::micros;
use crate::policy::ValidatorSlot;

/// What is told of one answer's issues: their number, and each one's length in characters.
const MAX_ISSUES: usize = 16;
pub(super) const MAX_ISSUE: usize = 240;

/// What a validator found, as a step of the trail. Its failure goes into the log.
pub(super) fn step(
    slot: &ValidatorSlot,
    model: &str,
    took: Duration,
    found: &Result<Validation, PluginFault>,
    id: RequestId,
) -> Step {
    let (verdict, score, issues) = match found {
        Ok(found) => {
            let issues = found.issues.iter().take(MAX_ISSUES).map(|issue| excerpt(issue, MAX_ISSUE));
            (found.verdict.name(), found.score, issues.collect())
        }
        Err(fault) => {
            tracing::warn!(
                target: "jackfield::plugin", plugin = slot.name(), request_id = %id,
                fault = fault.kind.reason(), on_error = slot.on_error.name(), "{}", fault.message
            );
            ("fault", None, vec![excerpt(&fault.to_string(), MAX_ISSUE)])
        }
    };
    let (name, model, micros) = (slot.name().to_owned(), model.to_owned(), micros(took));
    Step::Validated { name, model, verdict, score, issues, micros }
}

/// A check that was not made, and why.
pub(super) fn skipped(name: &str, model: &str, why: String) -> Step {
    let (name, model, issues) = (name.to_owned(), model.to_owned(), vec![why]);
    Step::Validated { name, model, verdict: "skipped", score: None, issues, micros: 0 }
}

/// An answer that is not delivered because of these issues.
pub(super) fn rejected(slot: &ValidatorSlot, issues: &[String]) -> Fault {
    let message = format!("validator `{}` rejected the answer{}", slot.name(), listed(issues, ""));
    Fault::new(FaultKind::AnswerRejected, message)
}

/// What the failure of a validator means for the answer; nothing when it goes on without it.
pub(super) fn failed(slot: &ValidatorSlot, fault: &PluginFault) -> Option<Fault> {
    let kind = match slot.on_error {
        ValidatorOnError::Accept => return None,
        ValidatorOnError::Reject => FaultKind::AnswerRejected,
        ValidatorOnError::Fail => FaultKind::PluginFailed,
    };
    Some(Fault::new(kind, format!("validator `{}` failed: {fault}", slot.name())))
}

/// The issues as the end of a sentence, or this text where there are none.
pub(super) fn listed(issues: &[String], or: &str) -> String {
    let issues = issues.iter().take(MAX_ISSUES).map(|issue| excerpt(issue, MAX_ISSUE));
    let issues: Vec<String> = issues.filter(|issue| !issue.is_empty()).collect();
    let all = if issues.is_empty() { excerpt(or, MAX_ISSUE) } else { issues.join("; ") };
    if all.is_empty() { all } else { format!(": {all}") }
}

/// The worse of two scores.
pub(super) fn lowest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

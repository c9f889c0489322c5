//! Iterative refinement: an answer is judged, and improved with what is wrong with it, until it is good enough or was improved
//! often enough. The best one is kept: the one with the highest score, of equal ones the last; without scores the last.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use jackfield_core::config::{Repeat, Until};
use jackfield_core::contract::{Fault, FaultKind, Verdict};
use jackfield_core::expression::Scope;

use super::ask::further;
use super::call::review;
use super::journal::Said;
use super::prompt::text_of;
use super::step::{StepRun, holds, kind, unfit};

/// What the latest answer is called in expressions.
pub(super) const OUTPUT: &str = "output";
const ISSUES: &str = "issues";
const ITERATION: &str = "iteration";
const EVALUATION: &str = "evaluation";

/// What was found of one answer.
struct Judged {
    good: bool,
    score: Option<f64>,
    /// What the call that improves it sees.
    scope: Scope,
}

/// What a validator found, as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Found {
    score: f64,
    accepted: bool,
    issues: Vec<String>,
}

/// Improves the first answer. `name` is what the step's calls are called.
pub(super) async fn run(
    run: &StepRun<'_>,
    repeat: &Repeat,
    name: &str,
    scope: &Arc<Scope>,
    first: Value,
) -> Result<Value, Fault> {
    let of = usize::try_from(repeat.max_iterations).unwrap_or(usize::MAX);
    // Without scores there is nothing to compare the last answer by, so nothing is spent on judging it.
    let scored = repeat.score.is_some() || matches!(repeat.until, Until::Validator { .. });
    let mut best: Option<(f64, Value)> = None;
    let mut latest = first;
    for iteration in 1_u32.. {
        let last = iteration > repeat.max_iterations;
        if last && !scored {
            return Ok(latest);
        }
        let judged = judge(run, repeat, name, scope, &latest, iteration).await?;
        let score = judged.score.unwrap_or(f64::NEG_INFINITY);
        if best.as_ref().is_none_or(|(before, _)| score >= *before) {
            best = Some((score, latest.clone()));
        }
        if judged.good {
            return Ok(latest);
        }
        if last {
            break;
        }
        latest =
            further(run, &repeat.improve, format!("{name}#{}", iteration + 1), false, scope, &judged.scope)
                .await?;
        let done = usize::try_from(iteration).unwrap_or(usize::MAX);
        run.context.board.step_goes_on(&run.name, done, of).await;
    }
    Ok(best.map_or(latest, |(_, output)| output))
}

async fn judge(
    run: &StepRun<'_>,
    repeat: &Repeat,
    name: &str,
    scope: &Arc<Scope>,
    output: &Value,
    iteration: u32,
) -> Result<Judged, Fault> {
    let mut seen = Scope::inside(Arc::clone(scope));
    seen.insert(OUTPUT, output.clone());
    seen.insert(ITERATION, json!(iteration));
    let mut found = None;
    if let Until::Validator { .. } = &repeat.until {
        let looked = validate(run, format!("{name}#{iteration}:until"), output).await?;
        seen.insert(ISSUES, json!(looked.issues));
        found = Some(looked);
    } else {
        seen.insert(ISSUES, json!([]));
    }
    if let Some(evaluate) = &repeat.evaluate {
        let name = format!("{name}#{iteration}:evaluate");
        let evaluation = further(run, evaluate, name, true, scope, &seen).await?;
        seen.insert(EVALUATION, evaluation);
    }
    let score = match &repeat.score {
        Some(score) => match score.evaluate(&seen).map_err(unfit)? {
            Value::Number(number) => number.as_f64(),
            other => {
                let message =
                    format!("a score is a number, and `${{{}}}` is {}", score.as_str(), kind(&other));
                return Err(Fault::new(FaultKind::StepFailed, message));
            }
        },
        None => found.as_ref().map(|found| found.score),
    };
    let good = match (&repeat.until, &found) {
        (Until::Expression(until), _) => holds(until, &seen)?,
        (Until::Validator { score, .. }, Some(found)) => {
            found.accepted && score.is_none_or(|enough| found.score >= enough)
        }
        (Until::Validator { .. }, None) => false,
    };
    Ok(Judged { good, score, scope: seen })
}

/// What the step's validator finds of an answer. Kept like a call's answer: a plugin may ask models for it.
async fn validate(run: &StepRun<'_>, name: String, output: &Value) -> Result<Found, Fault> {
    let journal = &run.context.journal;
    if let Some(found) = journal.find(&name).and_then(|said| serde_json::from_str(&said.text).ok()) {
        return Ok(found);
    }
    let of = (run.frame.workflow.name.as_str(), &*run.step.name);
    let validation = review(run.context, &run.frame.scope, of, &name, text_of(output.clone())).await?;
    let accepted = matches!(validation.verdict, Verdict::Accept | Verdict::Replace(_));
    let mut issues = validation.issues;
    if let Verdict::Repair(instruction) = validation.verdict {
        issues.push(instruction);
    }
    let score = validation.score.unwrap_or(if accepted { 1.0 } else { 0.0 });
    let found = Found { score, accepted, issues };
    let text = serde_json::to_string(&found).unwrap_or_default();
    journal.keep(&name, &Said { text, ..Said::default() }).await?;
    Ok(found)
}

//! What is told of a run whose process ended before it did. Its record was never written; what its calls answered was, so its
//! steps are known as far as they came.
//!
//! Bounded by the calls that were kept. Guesses nothing: a step of several calls has succeeded where one that needs it was
//! begun, and is told without its output; else it was cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use jackfield_core::base::NanoUsd;
use jackfield_core::config::{Step, StepOutput, Workflow};
use jackfield_store::runs::{StoredCall, StoredRun};

use super::journal::Said;
use super::record::{ErrorRecord, RunRecord, RunStatus, StepRecord, StepStatus};
use super::step::value_of;

/// What calls of a validator that judges for `repeat` end with: they are kept like answers, and are none.
const JUDGED: &str = ":until";

/// The record of such a run. `all` is what is configured; a workflow that has changed since says nothing about it.
pub(super) fn interrupted(
    run: StoredRun,
    calls: &[StoredCall],
    all: &BTreeMap<String, Arc<Workflow>>,
) -> RunRecord {
    let input = serde_json::from_str(&run.input).unwrap_or(Value::Null);
    let workflow = all.get(&run.workflow).filter(|workflow| workflow.digest == run.digest);
    let mut record = RunRecord::begun(run.id, run.workflow, run.started_ms, input);
    record.status = RunStatus::Interrupted;
    let names = workflow.iter().flat_map(|workflow| &workflow.steps).map(|step| step.name.to_string());
    record.steps =
        names.map(|name| StepRecord { status: StepStatus::NotRun, ..StepRecord::waiting(name) }).collect();
    for kept in calls.iter().filter(|kept| !kept.call.ends_with(JUDGED)) {
        let Ok(said) = serde_json::from_str::<Said>(&kept.answer) else { continue };
        let cost = said.cost().or(Some(NanoUsd::ZERO));
        record.spent.add(said.usage(), cost, false);
        // What it is nested in was begun too.
        for (at, _) in kept.call.match_indices('/').chain([(kept.call.len(), "")]) {
            let (call, is_own) = (&kept.call[..at], at == kept.call.len());
            let name = step_of(call);
            let index = record.steps.iter().position(|step| step.name == name);
            let index = index.unwrap_or_else(|| {
                record.steps.push(StepRecord::waiting(name.to_owned()));
                record.steps.len() - 1
            });
            let Some(step) = record.steps.get_mut(index) else { continue };
            step.spent.add(said.usage(), cost, false);
            let definition = workflow.and_then(|workflow| defined(workflow, call, all));
            match definition.filter(|_| is_own).and_then(|step| output(step, &said)) {
                Some(output) => (step.status, step.output) = (StepStatus::Succeeded, output),
                None => step.status = StepStatus::Cancelled,
            }
        }
    }
    if let Some(workflow) = workflow {
        needed(workflow, &mut record.steps);
    }
    let message = "the gateway ended before the run did: resume it".to_owned();
    record.error = Some(ErrorRecord { code: "interrupted".to_owned(), message, param: None });
    record
}

/// The step that a call is one of: `outer[0]/plan` of `outer[0]/plan#2:evaluate`.
fn step_of(call: &str) -> &str {
    let begins = call.rfind('/').map_or(0, |at| at + 1);
    let last = &call[begins..];
    &call[..begins + last.find(['[', '#', ':']).unwrap_or(last.len())]
}

/// The definition of the step that a call is one of.
fn defined<'a>(
    workflow: &'a Workflow,
    call: &str,
    all: &'a BTreeMap<String, Arc<Workflow>>,
) -> Option<&'a Step> {
    match call.split_once('/') {
        Some((outer, inner)) => defined(all.get(workflow.step(step_of(outer))?.nested()?)?, inner, all),
        None => workflow.step(step_of(call)),
    }
}

/// What a step came to that is one call.
fn output(step: &Step, said: &Said) -> Option<Value> {
    let one = step.foreach.is_none() && step.repeat.is_none() && step.refine.is_none();
    match &step.output {
        _ if !one || step.nested().is_some() => None,
        StepOutput::Text => Some(Value::String(said.text.clone())),
        StepOutput::Json { .. } => value_of(&said.text).ok(),
    }
}

/// Steps that others needed which were begun are over.
fn needed(workflow: &Workflow, records: &mut [StepRecord]) {
    let begun: BTreeSet<&str> =
        records.iter().filter(|step| step.status != StepStatus::NotRun).map(|step| &*step.name).collect();
    let begun = workflow.steps.iter().filter(|step| begun.contains(&*step.name));
    let over: BTreeSet<usize> = begun.flat_map(|step| step.needs.iter().copied()).collect();
    let over: Vec<&str> = over.iter().filter_map(|at| Some(&*workflow.steps.get(*at)?.name)).collect();
    for record in records.iter_mut().filter(|record| over.contains(&&*record.name)) {
        if record.status == StepStatus::Cancelled {
            record.status = StepStatus::Succeeded;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_under_its_step() {
        for (call, step) in [
            ("plan", "plan"),
            ("cook[3]", "cook"),
            ("draft#2:evaluate", "draft"),
            ("cook[3]#2", "cook"),
            ("draft:refine", "draft"),
            ("outer[0]/plan#1:until", "outer[0]/plan"),
        ] {
            assert_eq!(step_of(call), step, "{call}");
        }
    }
}

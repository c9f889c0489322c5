//! A workflow's graph: every step begins as soon as what it needs is over, in the file's order; all that can run, run at once, in
//! one task. How many calls that makes at a time is up to `call`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::sync::Semaphore;

use jackfield_core::config::{StepFailure, Workflow};
use jackfield_core::contract::{BoxFuture, Fault, FaultKind, RunScope};
use jackfield_core::expression::Scope;

use super::context::Context;
use super::step::{self, Ended};
use super::tally::Tally;

/// What the run's input is called in expressions.
const INPUT: &str = "input";

/// A workflow under way: a run's own, or one nested in a step.
pub(super) struct Frame {
    pub workflow: Arc<Workflow>,
    /// What stands before its steps' names: nothing, or the step it is nested in and a slash.
    pub within: String,
    pub input: Arc<Value>,
    pub tally: Arc<Tally>,
    /// What the ledger counts its calls under, with the budgets that hold.
    pub scope: Arc<RunScope>,
    /// Calls at once: its own bound, and those of the workflows it is nested in, innermost first.
    pub permits: Vec<Arc<Semaphore>>,
}

/// What became of a workflow.
pub(super) struct FrameEnd {
    /// Its output, or why it has none.
    pub result: Result<Value, Fault>,
    /// What its output would be with what there was, where it was stopped.
    pub so_far: Value,
}

impl FrameEnd {
    /// It has come to nothing.
    pub(super) fn failed(fault: Fault) -> Self {
        Self { result: Err(fault), so_far: Value::Null }
    }
}

impl Frame {
    /// A run's own workflow.
    pub(super) fn outermost(
        workflow: Arc<Workflow>,
        input: Value,
        tally: Arc<Tally>,
        scope: Arc<RunScope>,
    ) -> Self {
        let permits = vec![Arc::new(Semaphore::new(workflow.max_parallel))];
        Self { workflow, within: String::new(), input: Arc::new(input), tally, scope, permits }
    }

    /// A workflow in a step of this one, whose record is called `name`.
    pub(super) fn nested(
        &self,
        context: &Context,
        workflow: Arc<Workflow>,
        name: &str,
        input: Value,
        tally: &Arc<Tally>,
    ) -> Self {
        let within = format!("{name}/");
        let scope = match workflow.budget {
            Some(budget) => {
                let scope = Arc::new(self.scope.nested(name, budget));
                // What an earlier attempt spent is spent, as far as its answers were kept.
                let spent = context.journal.spent_within(&within);
                context.world.store().ledger().recall_nested(&scope, spent);
                scope
            }
            None => Arc::clone(&self.scope),
        };
        let mut permits = vec![Arc::new(Semaphore::new(workflow.max_parallel))];
        permits.extend(self.permits.iter().cloned());
        let budget = workflow.budget.map(|budget| (budget, workflow.name.clone()));
        let tally = Tally::new(budget, Some(Arc::clone(tally)));
        Self { workflow, within, input: Arc::new(input), tally, scope, permits }
    }

    /// The step whose text is this workflow's answer as it comes: the last one, where it is one call for text.
    fn streamed(&self) -> Option<usize> {
        let last = self.workflow.steps.len().checked_sub(1)?;
        let step = self.workflow.steps.get(last)?;
        let plain = self.within.is_empty() && self.workflow.output.is_none() && step::is_one_text(step);
        plain.then_some(last)
    }
}

/// Goes through a workflow. Dropped, all of it is cancelled. Boxed, because workflows nest.
pub(super) fn run_frame<'a>(context: &'a Context, frame: &'a Frame) -> BoxFuture<'a, FrameEnd> {
    Box::pin(async move {
        let steps = &frame.workflow.steps;
        let mut scope = Scope::new();
        scope.insert(INPUT, Arc::clone(&frame.input));
        // Those that are not over: what they still wait for.
        let mut waiting: Vec<Option<Vec<usize>>> =
            steps.iter().map(|step| Some(step.needs.clone())).collect();
        let mut under_way = FuturesUnordered::new();
        let streamed = frame.streamed();
        loop {
            let now = Arc::new(scope.clone());
            for (index, (needs, step)) in waiting.iter_mut().zip(steps).enumerate() {
                if needs.as_ref().is_some_and(Vec::is_empty) {
                    *needs = None;
                    let (scope, tell) = (Arc::clone(&now), streamed == Some(index));
                    under_way
                        .push(async move { (index, step::run(context, frame, step, scope, tell).await) });
                }
            }
            let Some((index, ended)) = under_way.next().await else { break };
            let Some(step) = steps.get(index) else { continue };
            let output = match ended {
                Ended::Output(output) => output,
                Ended::Failed(fault) => {
                    let stops = fault.kind == FaultKind::BudgetExceeded;
                    if stops || frame.workflow.on_error == StepFailure::Fail {
                        // What is still under way is dropped with this.
                        let so_far = output_of(frame, &scope).unwrap_or_default();
                        return FrameEnd { result: Err(named(&step.name, fault)), so_far };
                    }
                    context.partial.store(true, Ordering::Relaxed);
                    Value::Null
                }
            };
            scope.insert_output(Arc::clone(&step.name), output);
            for needs in waiting.iter_mut().flatten() {
                needs.retain(|needed| *needed != index);
            }
        }
        FrameEnd { result: output_of(frame, &scope), so_far: Value::Null }
    })
}

/// What the workflow gives, with the steps that are over.
fn output_of(frame: &Frame, scope: &Scope) -> Result<Value, Fault> {
    let workflow = &frame.workflow;
    match &workflow.output {
        Some(template) => template.render(scope).map_err(|error| {
            Fault::new(
                FaultKind::StepFailed,
                format!("the output of the workflow '{}': {error}", workflow.name),
            )
        }),
        None => {
            let last = workflow.steps.last().and_then(|step| scope.get(&step.name));
            Ok(last.and_then(|step| step.get("output")).cloned().unwrap_or_default())
        }
    }
}

/// A step's failure as the workflow's. A provider's own words are not passed on as they came: nobody asked it but us.
fn named(step: &str, fault: Fault) -> Fault {
    let message = format!("the step '{step}' failed: {}", fault.message);
    Fault::new(fault.kind, message).with_retry_after(fault.retry_after)
}

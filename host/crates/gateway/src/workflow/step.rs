//! One step: whether it runs, how often, and what is made of its answers.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use jackfield_core::config::{Call as Whom, Step, StepOutput};
use jackfield_core::contract::{AnswerFormat, Fault, FaultKind, Overrides, Role};
use jackfield_core::expression::{Expression, Scope};

use super::call::{Asked, Call, call};
use super::context::Context;
use super::record::{ErrorRecord, StepRecord, StepStatus, millis};
use super::run::{Frame, run_frame};
use super::tally::Tally;
use super::{foreach, input, named, prompt, refine, repeat, wait_for};
use crate::pipeline::json_in;

/// What the step's own user message is called, where an answer to it is worked on.
const REQUEST: &str = "request";

/// How a step ended.
pub(super) enum Ended {
    /// With this output; null where it was skipped.
    Output(Value),
    /// Without one.
    Failed(Fault),
}

/// A step under way.
pub(super) struct StepRun<'a> {
    pub context: &'a Context,
    pub frame: &'a Frame,
    pub step: &'a Step,
    pub tally: Arc<Tally>,
    /// What its record and its calls are called.
    pub name: String,
    /// Its text is told as it comes.
    pub told: bool,
}

/// What a call of a step says and wants.
pub(super) struct Saying<'a> {
    /// Which of the run's calls it is.
    pub name: String,
    /// Whom it asks.
    pub whom: &'a Whom,
    /// Standing instructions.
    pub system: Option<String>,
    /// What the user says.
    pub text: String,
    /// What the answer is.
    pub format: Option<AnswerFormat>,
    /// It judges an answer of the step's, and is none itself: what the step wants of its answers is not wanted of it.
    pub aside: bool,
}

/// Whether a step is one call for a text, so that its answer can be told as it comes.
pub(super) fn is_one_text(step: &Step) -> bool {
    step.foreach.is_none()
        && step.repeat.is_none()
        && step.refine.is_none()
        && step.output == StepOutput::Text
        && !matches!(step.call, Whom::Workflow(_))
}

/// Runs a step and tells it.
pub(super) async fn run(
    context: &Context,
    frame: &Frame,
    step: &Step,
    scope: Arc<Scope>,
    told: bool,
) -> Ended {
    let name = format!("{}{}", frame.within, step.name);
    let mut record = StepRecord::waiting(name.clone());
    let skipped = match &step.when {
        // For each item, where there are items.
        Some(when) if step.foreach.is_none() => holds(when, &scope).map(|holds| !holds),
        _ => Ok(false),
    };
    if let Ok(true) = skipped {
        record.status = StepStatus::Skipped;
        context.board.step_ends(record).await;
        return Ended::Output(Value::Null);
    }
    context.board.step_begins(&name).await;
    let began = Instant::now();
    let tally = Tally::new(None, Some(Arc::clone(&frame.tally)));
    let run = StepRun { context, frame, step, tally: Arc::clone(&tally), name, told };
    let result = match (skipped, &step.foreach) {
        (Err(fault), _) => Err(fault),
        (Ok(_), Some(each)) => foreach::run(&run, each, &scope).await,
        (Ok(_), None) => run.one(&run.name, &scope).await,
    };
    record.spent = tally.spent();
    record.took_ms = Some(millis(began.elapsed()));
    let ended = match result {
        Ok(output) => {
            record.status = StepStatus::Succeeded;
            record.output = output.clone();
            Ended::Output(output)
        }
        Err(fault) => {
            record.status = StepStatus::Failed;
            record.error = Some(ErrorRecord::from(&fault));
            Ended::Failed(fault)
        }
    };
    context.board.step_ends(record).await;
    ended
}

impl StepRun<'_> {
    /// The step's output for one set of values: of the step itself, or of one item. `name` is what its calls are called.
    pub(super) async fn one(&self, name: &str, scope: &Arc<Scope>) -> Result<Value, Fault> {
        let mut output = self.first(name, scope).await?;
        if self.step.repeat.is_none() && self.step.refine.is_none() {
            return Ok(output);
        }
        let mut seen = Scope::inside(Arc::clone(scope));
        seen.insert(REQUEST, Value::String(prompt::message(self.step, scope)?));
        let seen = Arc::new(seen);
        if let Some(rounds) = &self.step.repeat {
            output = repeat::run(self, rounds, name, &seen, output).await?;
        }
        if let Some(more) = &self.step.refine {
            output = refine::run(self, more, name, &seen, output).await?;
        }
        Ok(output)
    }

    /// The first answer.
    async fn first(&self, name: &str, scope: &Arc<Scope>) -> Result<Value, Fault> {
        if let Whom::Workflow(workflow) = &self.step.call {
            return self.nested(workflow, name, scope).await;
        }
        let (text, format) = (prompt::message(self.step, scope)?, format_of(&self.step.output));
        let said = Saying {
            name: name.to_owned(),
            whom: &self.step.call,
            system: prompt::system(self.step, scope)?,
            text,
            format,
            aside: false,
        };
        self.ask(said, scope).await
    }

    /// Makes one call and makes a value of its answer.
    pub(super) async fn ask(&self, said: Saying<'_>, scope: &Scope) -> Result<Value, Fault> {
        let json = said.format.is_some();
        let answer = call(self.context, self.call_of(said, scope)?).await?;
        if json { value_of(&answer.text) } else { Ok(Value::String(answer.text)) }
    }

    /// One call as the pipeline gets it.
    pub(super) fn call_of<'a>(&'a self, said: Saying<'_>, scope: &Scope) -> Result<Call<'a>, Fault> {
        let Saying { name, whom, system, text, format, aside } = said;
        let mut overrides = Overrides { answer_format: format, ..self.step.overrides.clone() };
        if aside {
            // They were chosen for the step's own answers.
            overrides = Overrides { answer_format: overrides.answer_format, ..Overrides::default() };
        }
        Ok(Call {
            name,
            of: (&self.frame.workflow.name, &self.step.name),
            asked: asked(whom, scope)?,
            system,
            messages: vec![(Role::User, text)],
            overrides,
            aside,
            tally: &self.tally,
            scope: &self.frame.scope,
            permits: &self.frame.permits,
            told: self.told.then(|| self.name.clone()),
        })
    }

    async fn nested(&self, workflow: &str, name: &str, scope: &Scope) -> Result<Value, Fault> {
        let world = &self.context.world;
        let workflow = named::workflow(world, workflow)?;
        let given = match &self.step.input {
            Some(template) => template.render(scope).map_err(unfit)?,
            None => Value::Null,
        };
        let given = input::checked(&workflow, given)?;
        let timeout = workflow.timeout;
        let frame = self.frame.nested(self.context, workflow, name, given, &self.tally);
        match wait_for(timeout, run_frame(self.context, &frame)).await {
            Some(end) => end.result,
            None => Err(super::late(&frame.workflow)),
        }
    }
}

/// Whom to ask.
fn asked(whom: &Whom, scope: &Scope) -> Result<Asked, Fault> {
    match whom {
        Whom::Model(model) => Ok(Asked::Model(model.clone())),
        Whom::Task(task) => Ok(Asked::Task(task.clone())),
        Whom::Router(_) => Ok(Asked::Open),
        Whom::Choose(choose) => asked(choose.pick(&choose.on.evaluate(scope).map_err(unfit)?), scope),
        Whom::Workflow(name) => {
            // Configuration lets nobody ask one in a conversation.
            Err(Fault::new(FaultKind::Internal, format!("the workflow '{name}' is no model")))
        }
    }
}

/// What the pipeline holds an answer against.
pub(super) fn format_of(output: &StepOutput) -> Option<AnswerFormat> {
    match output {
        StepOutput::Text => None,
        StepOutput::Json { schema: None } => Some(AnswerFormat::Json),
        StepOutput::Json { schema: Some(schema) } => Some(AnswerFormat::Schema(Arc::clone(schema))),
    }
}

/// The JSON of an answer. The pipeline has held it against what is wanted; a router's own words it has not.
pub(super) fn value_of(text: &str) -> Result<Value, Fault> {
    let json = json_in(text).into_iter().next();
    json.and_then(|json| serde_json::from_str(json).ok())
        .ok_or_else(|| Fault::new(FaultKind::AnswerRejected, "the answer is no JSON"))
}

/// Whether a condition holds.
pub(super) fn holds(condition: &Expression, scope: &Scope) -> Result<bool, Fault> {
    match condition.evaluate(scope).map_err(unfit)? {
        Value::Bool(holds) => Ok(holds),
        other => {
            let message =
                format!("`${{{}}}` is not true or false: it is {}", condition.as_str(), kind(&other));
            Err(Fault::new(FaultKind::StepFailed, message))
        }
    }
}

/// An expression that has no value.
pub(super) fn unfit(error: impl std::fmt::Display) -> Fault {
    Fault::new(FaultKind::StepFailed, error.to_string())
}

/// What a value is, in a word.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

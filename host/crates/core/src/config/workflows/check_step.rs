//! One step: whom it asks, with what, and that its keys go together.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::base::CompiledSchema;
use crate::contract::{AnswerFormat, Overrides};
use crate::expression::{Expression, Gives, ValueTemplate, is_identifier};

use super::super::fallback::{self, Fallback};
use super::super::findings::Located;
use super::super::names::Names;
use super::super::orchestrator::Orchestrator;
use super::super::pointer::Pointer;
use super::super::task::{self, RawResult, RawSchema};
use super::super::{suggest, validators};
use super::check::bounded;
use super::raw::{RawRepeat, RawStep, RawUntil, RawWorkflow};
use super::reader::{Needs, Reader};
use super::shape::Shape;
use super::step::{
    Ask, Call, Choose, Foreach, MAX_BATCH, MAX_ITERATIONS, Refine, Repeat, Step, StepOutput, Until,
};
use super::{LOCALS, MAX_NAME, MAX_PARALLEL};

/// The variable of `foreach` when nothing is said.
const ITEM: &str = "item";
/// What is asked when `repeat` says nothing of its own.
const IMPROVE: &str = "Improve the answer to this request.\n\nThe request:\n${request}\n\nThe answer:\n${output}\n\nAnswer with \
the whole improved answer and nothing else, in the same form.";
const IMPROVE_ISSUES: &str = "\n\nWhat is wrong with it:\n${issues.map(i, \"- \" + i).join(\"\\n\")}";
const IMPROVE_EVALUATION: &str = "\n\nWhat a review found:\n${evaluation}";

/// A step under inspection.
pub(super) struct Checking<'a> {
    pub(super) raw: &'a RawStep,
    pub(super) at: &'a Pointer,
    pub(super) index: usize,
    pub(super) reader: &'a Reader<'a>,
    pub(super) workflows: &'a BTreeMap<String, RawWorkflow>,
    pub(super) orchestrator: &'a Orchestrator,
    /// The workflow's own.
    pub(super) max_parallel: usize,
    /// What it refers to; filled on the way.
    pub(super) needs: Needs,
}

/// A further call as written.
struct RawAsk<'a> {
    at: Pointer,
    model: Option<&'a str>,
    task: Option<&'a str>,
    system: Option<&'a str>,
    prompt: &'a str,
}

impl RawStep {
    /// What its output looks like, as far as the file says.
    pub(super) fn shape<'a>(&'a self, orchestrator: &'a Orchestrator) -> Shape<'a> {
        let one = match (self.output, &self.schema, &self.task) {
            _ if self.workflow.is_some() => Shape::Anything,
            (Some(RawResult::Json), Some(schema), _) => Shape::Schema(schema.value()),
            (Some(RawResult::Json), None, _) => Shape::Anything,
            (None, None, Some(task)) => {
                match orchestrator.route(task).map(|r| &r.target.overrides.answer_format) {
                    Some(Some(AnswerFormat::Schema(schema))) => Shape::Schema(schema.source()),
                    Some(None) => Shape::Text,
                    _ => Shape::Anything,
                }
            }
            _ => Shape::Text,
        };
        if self.foreach.is_some() { Shape::List(Box::new(one)) } else { one }
    }
}

impl Checking<'_> {
    /// Checks the step.
    pub(super) fn step(&mut self, names: &mut Names<'_>, found: &mut Located<'_>) -> Step {
        self.name(found);
        for (index, need) in self.raw.needs.iter().enumerate() {
            self.need(need, &self.at.key("needs").index(index), found);
        }
        let foreach = self.foreach(found);
        let variable = foreach.as_ref().map(|foreach| Arc::clone(&foreach.variable));
        let mut locals: Vec<&str> = Vec::new();
        if let Some(variable) = &variable {
            locals.extend([&**variable, "index"]);
            locals.extend(self.raw.sequential.then_some("results"));
        }
        let when = self.raw.when.as_deref();
        let when = when.and_then(|text| {
            self.reader.expression_of(
                Gives::Bool,
                text,
                &self.at.key("when"),
                &locals,
                &mut self.needs,
                found,
            )
        });
        let call = self.call(&locals, names, found);
        if matches!(call, Call::Workflow(_)) {
            self.only_a_workflows(found);
        }
        let output = self.output(found);
        let system = self.raw.system.as_deref();
        let system = system
            .and_then(|text| self.reader.text(text, &self.at.key("system"), &locals, &mut self.needs, found));
        let (prompt, input) = self.message(&locals, variable.as_deref(), found);
        let inner: Vec<&str> = locals.iter().copied().chain(["output", "request"]).collect();
        let repeat = self.raw.repeat.as_ref().map(|raw| self.repeat(raw, &inner, &output, names, found));
        let refine = self.refine(&inner, &output, names, found);
        let fallback = fallback::check_route(&self.raw.fallback, &self.at.key("fallback"), names, found);
        for (index, entry) in fallback.iter().enumerate() {
            if let Fallback::Task(task) = entry {
                self.task(task, &self.at.key("fallback").index(index), found);
            }
        }
        let overrides = Overrides {
            temperature: self.raw.temperature,
            max_output_tokens: self
                .raw
                .max_tokens
                .map(|count| task::check_max_tokens(count, &self.at.key("max_tokens"), found)),
            reasoning: self.raw.reasoning,
            prompt_template: None,
            answer_format: output.format(),
        };
        Step {
            name: self.raw.name.as_str().into(),
            call,
            system,
            prompt,
            input,
            needs: self.needs.keys().copied().collect(),
            when,
            foreach,
            repeat: repeat.flatten(),
            refine,
            output,
            validators: validators::check(&self.raw.validators, &self.at.key("validators"), found),
            fallback,
            overrides,
        }
    }

    fn name(&self, found: &mut Located<'_>) {
        let (name, at) = (&self.raw.name, self.at.key("name"));
        let shown = crate::base::excerpt(name, MAX_NAME);
        if !is_identifier(name) || name.len() > MAX_NAME {
            let hint = format!(
                "expressions name it: use 1 to {MAX_NAME} letters, digits and `_`, no digit first, and none of CEL's own words"
            );
            found.fault(&at, format!("`{shown}` cannot be the name of a step"), hint);
        } else if LOCALS.contains(&name.as_str()) {
            let hint = format!("expressions use these for something else: {}", LOCALS.join(", "));
            found.fault(&at, format!("`{shown}` cannot be the name of a step"), hint);
        }
        if let Some(first) =
            self.reader.steps.iter().position(|step| step == name).filter(|first| *first < self.index)
        {
            let first = self.at.parent().unwrap_or_default().index(first).key("name");
            let message = format!("the step `{shown}` is here twice");
            found.clash(&at, &first, "first here", message, "give one of the two another name");
        }
    }

    fn need(&mut self, name: &str, at: &Pointer, found: &mut Located<'_>) {
        match self.reader.steps.iter().position(|step| *step == name) {
            Some(step) => drop(self.needs.entry(step).or_insert_with(|| found.range(at))),
            None => {
                let hint = suggest::hint(name, "steps of this workflow", self.reader.steps.iter().copied());
                found.fault(at, format!("there is no step `{}`", name.escape_debug()), hint);
            }
        }
    }

    fn foreach(&mut self, found: &mut Located<'_>) -> Option<Foreach> {
        let Some(over) = &self.raw.foreach else {
            let keys = [
                ("as", self.raw.variable.is_some()),
                ("max_parallel", self.raw.max_parallel.is_some()),
                ("batch", self.raw.batch.is_some()),
                ("sequential", self.raw.sequential),
            ];
            for (key, _) in keys.iter().filter(|(_, is_there)| *is_there) {
                let message = format!("`{key}` is for a step that goes through a list");
                found.key_fault(&self.at.key(key), message, "add `foreach: ${…}`, or remove it");
            }
            return None;
        };
        let variable = self.raw.variable.as_deref().unwrap_or(ITEM);
        self.variable(variable, found);
        let batch = self.raw.batch.map(|count| bounded(count, 2, MAX_BATCH, &self.at.key("batch"), found));
        if batch.is_some() && self.raw.output != Some(RawResult::Json) {
            let message = "a call for several items answers with a JSON list";
            found.key_fault(
                &self.at.key("batch"),
                message,
                "add `output: json`; `schema` is that of one item's output",
            );
        }
        for (key, is_there) in [("repeat", self.raw.repeat.is_some()), ("refine", self.raw.refine.is_some())]
        {
            if batch.is_some() && is_there {
                let message = format!("`{key}` is for one answer, and `batch` asks for several at once");
                found.key_fault(&self.at.key(key), message, "put it into a step of its own");
            }
        }
        let parallel = self.raw.max_parallel;
        let at = self.at.key("max_parallel");
        let max_parallel =
            parallel.map_or(self.max_parallel, |count| bounded(count, 1, MAX_PARALLEL, &at, found));
        if self.raw.sequential && parallel.is_some_and(|count| count.get() > 1) {
            let message = "one item after the other is not several at the same time";
            found.key_fault(&at, message, "remove `max_parallel`, or `sequential`");
        }
        let over = self.reader.expression_of(
            Gives::List,
            over,
            &self.at.key("foreach"),
            &[],
            &mut self.needs,
            found,
        )?;
        let max_parallel = if self.raw.sequential { 1 } else { max_parallel };
        Some(Foreach {
            over,
            variable: variable.into(),
            max_parallel,
            batch,
            sequential: self.raw.sequential,
        })
    }

    fn variable(&self, name: &str, found: &mut Located<'_>) {
        let said = self.raw.variable.is_some();
        let at = self.at.key(if said { "as" } else { "foreach" });
        let shown = crate::base::excerpt(name, MAX_NAME);
        if !is_identifier(name) || name.len() > MAX_NAME || (said && LOCALS.contains(&name)) {
            let hint = format!(
                "use letters, digits and `_`, none of CEL's own words, and none of {}",
                LOCALS.join(", ")
            );
            found.fault(&at, format!("`{shown}` cannot be a variable"), hint);
        } else if self.reader.steps.contains(&name) {
            let message = format!("the variable `{shown}` is also the name of a step");
            found.fault(&at, message, "give the variable another name with `as`");
        }
    }

    fn call(&mut self, locals: &[&str], names: &mut Names<'_>, found: &mut Located<'_>) -> Call {
        let raw = self.raw;
        let said: Vec<&str> = [
            ("model", raw.model.is_some()),
            ("task", raw.task.is_some()),
            ("router", raw.router.is_some()),
            ("choose", raw.choose.is_some()),
            ("workflow", raw.workflow.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_there)| is_there.then_some(key))
        .collect();
        match &said[..] {
            [] => {
                let message = format!(
                    "the step `{}` does not say whom it asks",
                    crate::base::excerpt(&raw.name, MAX_NAME)
                );
                found.fault(
                    self.at,
                    message,
                    "add one of `model`, `task`, `router`, `choose` and `workflow`",
                );
            }
            [_] => {}
            [first, second, ..] => {
                let message = format!("a step asks one: `{first}` and `{second}` are two");
                found.key_fault(
                    &self.at.key(second),
                    message,
                    "keep one of them; `choose` takes one of several",
                );
            }
        }
        if let Some(model) = &raw.model {
            names.refer(model, &self.at.key("model"), found);
            return Call::Model(model.clone());
        }
        if let Some(task) = &raw.task {
            self.task(task, &self.at.key("task"), found);
            return Call::Task(task.clone());
        }
        if let Some(router) = &raw.router {
            found.name(&self.at.key("router"), "plugin", router);
            return Call::Router(router.clone());
        }
        if let Some(choose) = &raw.choose {
            let at = self.at.key("choose");
            let on = self.reader.expression(&choose.on, &at.key("on"), locals, &mut self.needs, found);
            let cases = choose.cases.iter().map(|(case, entry)| {
                (case.clone(), self.entry(entry, &at.key("cases").key(case), names, found))
            });
            let cases = cases.collect();
            let otherwise = self.entry(&choose.otherwise, &at.key("else"), names, found);
            return match on {
                Some(on) => Call::Choose(Box::new(Choose { on, cases, otherwise })),
                None => otherwise,
            };
        }
        // Whether it is there is told when all workflows are known.
        Call::Workflow(raw.workflow.clone().unwrap_or_default())
    }

    /// A model, or a task as `task/NAME`.
    fn entry(&self, text: &str, at: &Pointer, names: &mut Names<'_>, found: &mut Located<'_>) -> Call {
        match Fallback::parse(text) {
            Fallback::Model(model) => {
                names.refer(&model, at, found);
                Call::Model(model)
            }
            Fallback::Task(task) => {
                self.task(&task, at, found);
                Call::Task(task)
            }
        }
    }

    fn task(&self, task: &str, at: &Pointer, found: &mut Located<'_>) {
        if self.orchestrator.route(task).is_none() {
            let known = self.orchestrator.routes().iter().map(|route| route.task.as_str());
            let hint = suggest::undeclared(task, "orchestrator.routes", known);
            found.fault(at, format!("there is no task `{}`", task.escape_debug()), hint);
        }
    }

    /// A nested workflow says by itself how its steps are asked.
    fn only_a_workflows(&self, found: &mut Located<'_>) {
        let Some(name) = &self.raw.workflow else { return };
        let raw = self.raw;
        let keys = [
            ("prompt", raw.prompt.is_some()),
            ("template", raw.template.is_some()),
            ("system", raw.system.is_some()),
            ("output", raw.output.is_some()),
            ("schema", raw.schema.is_some()),
            ("batch", raw.batch.is_some()),
            ("repeat", raw.repeat.is_some()),
            ("refine", raw.refine.is_some()),
            ("validators", !raw.validators.is_empty()),
            ("fallback", !raw.fallback.is_empty()),
            ("reasoning", raw.reasoning.is_some()),
            ("temperature", raw.temperature.is_some()),
            ("max_tokens", raw.max_tokens.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, is_there)| *is_there) {
            let message = format!("`{key}` is not for a step that runs a workflow");
            found.key_fault(
                &self.at.key(key),
                message,
                format!("say it in the steps of `{name}`; only `input` goes in"),
            );
        }
        let (Some(nested), Some(Value::Object(given))) = (self.workflows.get(name), &raw.input) else {
            return;
        };
        for key in given.keys().filter(|key| !nested.inputs.is_empty() && !nested.inputs.contains_key(*key)) {
            let hint = suggest::undeclared(key, "inputs", nested.inputs.keys().map(String::as_str));
            found.key_fault(
                &self.at.key("input").key(key),
                format!("the workflow `{name}` has no input `{key}`"),
                hint,
            );
        }
    }

    fn output(&self, found: &mut Located<'_>) -> StepOutput {
        let schema = check_schema(self.raw.schema.as_ref(), &self.at.key("schema"), found);
        if self.raw.schema.is_some() && self.raw.output != Some(RawResult::Json) {
            let message = "a schema is for answers that are JSON";
            found.key_fault(&self.at.key("schema"), message, "add `output: json`, or remove it");
        }
        let of_task =
            || match &self.orchestrator.route(self.raw.task.as_deref()?)?.target.overrides.answer_format {
                None => None,
                Some(AnswerFormat::Json) => Some(StepOutput::Json { schema: None }),
                Some(AnswerFormat::Schema(schema)) => {
                    Some(StepOutput::Json { schema: Some(Arc::clone(schema)) })
                }
            };
        match self.raw.output {
            Some(RawResult::Json) => StepOutput::Json { schema },
            Some(RawResult::Text) => StepOutput::Text,
            None => of_task().unwrap_or_default(),
        }
    }

    /// What it says: its prompt, and what follows.
    fn message(
        &mut self,
        locals: &[&str],
        variable: Option<&str>,
        found: &mut Located<'_>,
    ) -> (Option<ValueTemplate>, Option<ValueTemplate>) {
        let raw = self.raw;
        if let Some(template) = &raw.template {
            for (key, is_there) in [("prompt", raw.prompt.is_some()), ("input", raw.input.is_some())] {
                if is_there {
                    let message = format!("`template` is the whole message: `{key}` has no place in it");
                    found.key_fault(&self.at.key(key), message, "keep one of the two");
                }
            }
            return (
                self.reader.text(template, &self.at.key("template"), locals, &mut self.needs, found),
                None,
            );
        }
        let prompt = raw.prompt.as_deref();
        let prompt = prompt
            .and_then(|text| self.reader.text(text, &self.at.key("prompt"), locals, &mut self.needs, found));
        if let Some(input) = &raw.input {
            return (
                prompt,
                self.reader.template(input, &self.at.key("input"), locals, &mut self.needs, found),
            );
        }
        let names = |name: &str| {
            prompt.as_ref().is_some_and(|prompt| {
                prompt.expressions().iter().any(|placed| placed.expression.names().contains(name))
            })
        };
        let refers = prompt.as_ref().is_some_and(|prompt| !prompt.is_fixed());
        let implied = match variable {
            Some(variable) => (!names(variable)).then_some(variable),
            None => (!refers && self.needs.is_empty()).then_some("input"),
        };
        let input = implied.and_then(|name| Expression::parse(name).ok()).map(ValueTemplate::of);
        if raw.prompt.is_none() && input.is_none() {
            let message = format!("the step `{}` says nothing", crate::base::excerpt(&raw.name, MAX_NAME));
            found.fault(self.at, message, "add a `prompt`, or an `input` such as `${input}`");
        }
        (prompt, input)
    }

    fn repeat(
        &mut self,
        raw: &RawRepeat,
        inner: &[&str],
        output: &StepOutput,
        names: &mut Names<'_>,
        found: &mut Located<'_>,
    ) -> Option<Repeat> {
        let at = self.at.key("repeat");
        let most = bounded(raw.max_iterations, 1, MAX_ITERATIONS as usize, &at.key("max_iterations"), found);
        let max_iterations = u32::try_from(most).unwrap_or(MAX_ITERATIONS);
        let first: Vec<&str> = inner.iter().copied().chain(["iteration"]).collect();
        let evaluate = raw.evaluate.as_ref().map(|raw| {
            let at = at.key("evaluate");
            let schema = check_schema(raw.schema.as_ref(), &at.key("schema"), found);
            let (model, task) = (raw.model.as_deref(), raw.task.as_deref());
            let ask = RawAsk { at, model, task, system: raw.system.as_deref(), prompt: &raw.prompt };
            self.ask(&ask, &first, StepOutput::Json { schema }, names, found)
        });
        let judged: Vec<&str> = first
            .iter()
            .copied()
            .chain(["issues"])
            .chain(raw.evaluate.as_ref().map(|_| "evaluation"))
            .collect();
        let until_at = at.key("until");
        let until = match &raw.until {
            RawUntil::Expression(text) => self
                .reader
                .expression_of(Gives::Bool, text, &until_at, &judged, &mut self.needs, found)
                .map(Until::Expression),
            RawUntil::Validator(raw) => {
                let rule = validators::check_one(&raw.validator, &until_at.key("validator"), found);
                rule.map(|rule| Until::Validator { rule, score: raw.score })
            }
        };
        let score = raw.score.as_deref();
        let score = score.and_then(|text| {
            self.reader.expression_of(Gives::Number, text, &at.key("score"), &judged, &mut self.needs, found)
        });
        let improve = match &raw.improve {
            Some(raw) => {
                let (model, task) = (raw.model.as_deref(), raw.task.as_deref());
                let ask = RawAsk {
                    at: at.key("improve"),
                    model,
                    task,
                    system: raw.system.as_deref(),
                    prompt: &raw.prompt,
                };
                self.ask(&ask, &judged, output.clone(), names, found)
            }
            None => {
                let found = if raw.evaluate.is_some() { IMPROVE_EVALUATION } else { IMPROVE_ISSUES };
                let prompt = ValueTemplate::parse(&Value::String(format!("{IMPROVE}{found}"))).ok();
                prompt.map(|prompt| Ask { call: None, system: None, prompt, output: output.clone() })
            }
        };
        if let Some(None) = evaluate {
            return None;
        }
        Some(Repeat { max_iterations, evaluate: evaluate.flatten(), until: until?, score, improve: improve? })
    }

    fn refine(
        &mut self,
        inner: &[&str],
        output: &StepOutput,
        names: &mut Names<'_>,
        found: &mut Located<'_>,
    ) -> Option<Refine> {
        let raw = self.raw.refine.as_ref()?;
        let at = self.at.key("refine");
        let when =
            self.reader.expression_of(Gives::Bool, &raw.when, &at.key("when"), inner, &mut self.needs, found);
        let (model, task) = (raw.model.as_deref(), raw.task.as_deref());
        let ask = RawAsk { at, model, task, system: raw.system.as_deref(), prompt: &raw.prompt };
        let ask = self.ask(&ask, inner, output.clone(), names, found);
        Some(Refine { when: when?, ask: ask? })
    }

    fn ask(
        &mut self,
        raw: &RawAsk<'_>,
        locals: &[&str],
        output: StepOutput,
        names: &mut Names<'_>,
        found: &mut Located<'_>,
    ) -> Option<Ask> {
        let call = match (raw.model, raw.task) {
            (Some(_), Some(_)) => {
                let message = "a call asks one: `model` and `task` are two";
                found.key_fault(&raw.at.key("task"), message, "keep one of them");
                None
            }
            (Some(model), None) => {
                names.refer(model, &raw.at.key("model"), found);
                Some(Call::Model(model.to_owned()))
            }
            (None, Some(task)) => {
                self.task(task, &raw.at.key("task"), found);
                Some(Call::Task(task.to_owned()))
            }
            (None, None) => None,
        };
        let system = raw.system;
        let system = system
            .and_then(|text| self.reader.text(text, &raw.at.key("system"), locals, &mut self.needs, found));
        let prompt = self.reader.text(raw.prompt, &raw.at.key("prompt"), locals, &mut self.needs, found)?;
        Some(Ask { call, system, prompt, output })
    }
}

fn check_schema(
    raw: Option<&RawSchema>,
    at: &Pointer,
    found: &mut Located<'_>,
) -> Option<Arc<CompiledSchema>> {
    match CompiledSchema::compile(raw?.value().clone()) {
        Ok(schema) => Some(Arc::new(schema)),
        Err(why) => {
            let hint = "see json-schema.org; nothing outside of this file is looked at";
            found.fault(at, format!("this is no JSON schema: {why}"), hint);
            None
        }
    }
}

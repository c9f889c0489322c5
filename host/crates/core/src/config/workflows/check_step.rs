//! One step: whom it asks, with what, and that its keys go together.

use std::collections::BTreeMap;
use std::sync::Arc;

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
use super::raw::{RawStep, RawWorkflow};
use super::reader::{Needs, Reader};
use super::shape::Shape;
use super::step::{Call, Step, StepOutput};
use super::{LOCALS, MAX_NAME};

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
            self.reader.reading(&locals, &mut self.needs, found).expression_of(
                Gives::Bool,
                text,
                &self.at.key("when"),
            )
        });
        let call = self.call(&locals, names, found);
        if matches!(call, Call::Workflow(_)) {
            self.only_a_workflows(found);
        }
        let output = self.output(found);
        let system = self.raw.system.as_deref();
        let system = system.and_then(|text| {
            self.reader.reading(&locals, &mut self.needs, found).text(text, &self.at.key("system"))
        });
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
                self.reader.reading(locals, &mut self.needs, found).text(template, &self.at.key("template")),
                None,
            );
        }
        let prompt = raw.prompt.as_deref();
        let prompt = prompt.and_then(|text| {
            self.reader.reading(locals, &mut self.needs, found).text(text, &self.at.key("prompt"))
        });
        if let Some(input) = &raw.input {
            return (
                prompt,
                self.reader.reading(locals, &mut self.needs, found).template(input, &self.at.key("input")),
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
}

pub(super) fn check_schema(
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

//! The further calls of a step: `repeat`, with the call that judges and the one that improves, and `refine`.

use serde_json::Value;

use crate::expression::{Gives, ValueTemplate};

use super::super::findings::Located;
use super::super::names::Names;
use super::super::pointer::Pointer;
use super::super::validators;
use super::check::bounded;
use super::check_step::{Checking, check_schema};
use super::raw::{RawRepeat, RawUntil};
use super::step::{Ask, Call, MAX_ITERATIONS, Refine, Repeat, StepOutput, Until};

/// What is asked when `repeat` says nothing of its own.
const IMPROVE: &str = "Improve the answer to this request.\n\nThe request:\n${request}\n\nThe answer:\n${output}\n\nAnswer with \
the whole improved answer and nothing else, in the same form.";
const IMPROVE_ISSUES: &str = "\n\nWhat is wrong with it:\n${issues.map(i, \"- \" + i).join(\"\\n\")}";
const IMPROVE_EVALUATION: &str = "\n\nWhat a review found:\n${evaluation}";

/// A further call as written.
struct RawAsk<'a> {
    at: Pointer,
    model: Option<&'a str>,
    task: Option<&'a str>,
    system: Option<&'a str>,
    prompt: &'a str,
}

impl Checking<'_> {
    pub(super) fn repeat(
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
                .reading(&judged, &mut self.needs, found)
                .expression_of(Gives::Bool, text, &until_at)
                .map(Until::Expression),
            RawUntil::Validator(raw) => {
                let rule = validators::check_one(&raw.validator, &until_at.key("validator"), found);
                rule.map(|rule| Until::Validator { rule, score: raw.score })
            }
        };
        let score = raw.score.as_deref();
        let score = score.and_then(|text| {
            self.reader.reading(&judged, &mut self.needs, found).expression_of(
                Gives::Number,
                text,
                &at.key("score"),
            )
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

    pub(super) fn refine(
        &mut self,
        inner: &[&str],
        output: &StepOutput,
        names: &mut Names<'_>,
        found: &mut Located<'_>,
    ) -> Option<Refine> {
        let raw = self.raw.refine.as_ref()?;
        let at = self.at.key("refine");
        let when = self.reader.reading(inner, &mut self.needs, found).expression_of(
            Gives::Bool,
            &raw.when,
            &at.key("when"),
        );
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
        let system = system.and_then(|text| {
            self.reader.reading(locals, &mut self.needs, found).text(text, &raw.at.key("system"))
        });
        let prompt =
            self.reader.reading(locals, &mut self.needs, found).text(raw.prompt, &raw.at.key("prompt"))?;
        Some(Ask { call, system, prompt, output })
    }
}

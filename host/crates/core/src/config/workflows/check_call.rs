//! Whom a step asks: exactly one of a model, a task, a router, one of several, and another workflow.

use serde_json::Value;

use super::super::fallback::Fallback;
use super::super::findings::Located;
use super::super::names::Names;
use super::super::pointer::Pointer;
use super::super::suggest;
use super::MAX_NAME;
use super::check_step::Checking;
use super::step::{Call, Choose};

impl Checking<'_> {
    pub(super) fn call(&mut self, locals: &[&str], names: &mut Names<'_>, found: &mut Located<'_>) -> Call {
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
            let on =
                self.reader.reading(locals, &mut self.needs, found).expression(&choose.on, &at.key("on"));
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

    pub(super) fn task(&self, task: &str, at: &Pointer, found: &mut Located<'_>) {
        if self.orchestrator.route(task).is_none() {
            let known = self.orchestrator.routes().iter().map(|route| route.task.as_str());
            let hint = suggest::undeclared(task, "orchestrator.routes", known);
            found.fault(at, format!("there is no task `{}`", task.escape_debug()), hint);
        }
    }

    /// A nested workflow says by itself how its steps are asked.
    pub(super) fn only_a_workflows(&self, found: &mut Located<'_>) {
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
}

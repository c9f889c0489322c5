//! A workflow for people and programs: its steps in the order in which they can run, whom each asks, what it waits for.

use serde_json::{Map, Value, json};

use super::super::fallback::Fallback;
use super::super::units::Period;
use super::step::{Call, Step, StepOutput, Until};
use super::types::{Input, Workflow};

impl Workflow {
    /// The steps' indices in waves: each wave needs only those before it, so the steps of one can run at the same time.
    pub fn waves(&self) -> Vec<Vec<usize>> {
        let mut waves: Vec<Vec<usize>> = Vec::new();
        let mut wave_of: Vec<Option<usize>> = vec![None; self.steps.len()];
        // A checked graph has no circle, so every round places a step; the count ends it all the same.
        for _ in 0..self.steps.len() {
            for (index, step) in self.steps.iter().enumerate() {
                let before: Option<Vec<usize>> =
                    step.needs.iter().map(|need| wave_of.get(*need).copied().flatten()).collect();
                let (Some(before), Some(slot)) = (before, wave_of.get_mut(index)) else { continue };
                slot.get_or_insert(before.into_iter().max().map_or(0, |last| last + 1));
            }
        }
        for (index, wave) in wave_of.into_iter().enumerate() {
            let Some(wave) = wave else { continue };
            if waves.len() <= wave {
                waves.resize(wave + 1, Vec::new());
            }
            waves[wave].push(index);
        }
        waves
    }

    /// The workflow as a JSON value.
    pub fn describe(&self) -> Value {
        let names = |needs: &[usize]| -> Vec<&str> {
            needs.iter().filter_map(|need| self.steps.get(*need)).map(|step| &*step.name).collect()
        };
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let mut shown = step.describe();
                shown["needs"] = json!(names(&step.needs));
                shown
            })
            .collect();
        let waves: Vec<Vec<&str>> = self.waves().iter().map(|wave| names(wave)).collect();
        let inputs: Map<String, Value> =
            self.inputs.iter().map(|(name, input)| (name.clone(), input.describe())).collect();
        json!({
            "name": self.name,
            "description": self.description,
            "inputs": inputs,
            "budget_usd": self.budget.map(|budget| budget.to_string()),
            "timeout": Period::from(self.timeout),
            "max_parallel": self.max_parallel,
            "on_error": self.on_error,
            "on_disconnect": self.on_disconnect,
            "steps": steps,
            "waves": waves,
        })
    }
}

impl Input {
    fn describe(&self) -> Value {
        json!({
            "type": self.kind,
            "required": self.required,
            "default": self.default,
            "description": self.description,
        })
    }
}

impl Call {
    /// Whom it asks, in a few words: `large`, `task/scale`, `large or task/scale by step.complexity`.
    pub fn describe(&self) -> String {
        match self {
            Self::Model(model) => model.clone(),
            Self::Task(task) => Fallback::Task(task.clone()).show(),
            Self::Router(router) => format!("as {router} decides"),
            Self::Workflow(workflow) => format!("workflow/{workflow}"),
            Self::Choose(choose) => {
                let mut names: Vec<String> = Vec::new();
                for call in choose.cases.values().chain([&choose.otherwise]) {
                    let name = call.describe();
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                format!("{} by {}", names.join(" or "), choose.on.as_str())
            }
        }
    }
}

impl Step {
    fn describe(&self) -> Value {
        let output = match &self.output {
            _ if self.nested().is_some() => "any",
            StepOutput::Text => "text",
            StepOutput::Json { .. } => "json",
        };
        let mut shown = json!({ "name": self.name, "calls": self.call.describe(), "output": output });
        if let Some(when) = &self.when {
            shown["when"] = json!(when.as_str());
        }
        if let Some(foreach) = &self.foreach {
            shown["foreach"] = json!({
                "over": foreach.over.as_str(),
                "as": foreach.variable,
                "max_parallel": foreach.max_parallel,
                "batch": foreach.batch,
                "sequential": foreach.sequential,
            });
        }
        if let Some(repeat) = &self.repeat {
            let until = match &repeat.until {
                Until::Expression(expression) => expression.as_str().to_owned(),
                Until::Validator { rule, score: Some(score) } => format!("{} gives {score}", rule.name()),
                Until::Validator { rule, score: None } => format!("{} accepts", rule.name()),
            };
            shown["repeat"] = json!({ "max_iterations": repeat.max_iterations, "until": until });
        }
        if let Some(refine) = &self.refine {
            shown["refine"] = json!({ "when": refine.when.as_str() });
        }
        if !self.fallback.is_empty() {
            shown["fallback"] = json!(self.fallback.iter().map(Fallback::show).collect::<Vec<_>>());
        }
        shown
    }

    /// How often and when it runs, in a few words; empty for once, always.
    pub fn manner(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        if let Some(foreach) = &self.foreach {
            let how = match (foreach.sequential, foreach.batch) {
                (true, Some(batch)) => format!(", one after the other, {batch} in a call"),
                (true, None) => ", one after the other".to_owned(),
                (false, Some(batch)) => format!(", {batch} in a call"),
                (false, None) => format!(", {} at a time", foreach.max_parallel),
            };
            words.push(format!("for each {} of {}{how}", foreach.variable, foreach.over.as_str()));
        }
        if let Some(when) = &self.when {
            words.push(format!("when {}", when.as_str()));
        }
        if let Some(repeat) = &self.repeat {
            words.push(format!("improved up to {} times", repeat.max_iterations));
        }
        if let Some(refine) = &self.refine {
            words.push(format!("refined when {}", refine.when.as_str()));
        }
        words.join("; ")
    }
}

//! What the steps of workflows say of their calls, put together when the world is built: who decides, who may answer next, and
//! what an answer must pass. What else a step says (temperature, format) comes with its request.

use std::collections::BTreeMap;

use jackfield_core::config::{Call, Config, Fallback, Step, Until, ValidatorRule};
use jackfield_core::contract::{Facts, Fault, FaultKind, Target};

use super::validators::slot_of;
use super::{Policy, RouterSlot, ValidatorSlot};

/// The steps of all workflows, by workflow and name.
pub(super) struct Steps(BTreeMap<String, BTreeMap<String, Row>>);

/// One step.
struct Row {
    /// The one plugin that decides.
    router: Option<String>,
    /// Who answers when those that were decided on do not.
    fallback: Vec<Next>,
    validators: Vec<ValidatorSlot>,
    /// What says that an answer is good enough.
    until: Option<ValidatorSlot>,
}

enum Next {
    /// A model, with the step's own settings.
    Model(String),
    /// A task's candidates, each with its row's settings.
    Task(Vec<Target>),
}

impl Steps {
    /// Puts them together. `plugins` are the validators that are loaded, `routes` what each task tries.
    pub(super) fn new(
        plugins: &BTreeMap<String, ValidatorSlot>,
        routes: &BTreeMap<String, Vec<Target>>,
        config: &Config,
    ) -> Self {
        let slot = |rule: &ValidatorRule| slot_of(rule, plugins, config);
        let every = config.orchestrator().validators();
        let row = |step: &Step| Row {
            router: match &step.call {
                Call::Router(name) => Some(name.clone()),
                _ => None,
            },
            fallback: step
                .fallback
                .iter()
                .map(|fallback| match fallback {
                    Fallback::Model(model) => Next::Model(model.clone()),
                    Fallback::Task(task) => Next::Task(routes.get(task).cloned().unwrap_or_default()),
                })
                .collect(),
            // Those for every answer are asked anyway.
            validators: step.validators.iter().filter(|rule| !every.contains(rule)).map(slot).collect(),
            until: step.repeat.as_ref().and_then(|repeat| match &repeat.until {
                Until::Validator { rule, .. } => Some(slot(rule)),
                Until::Expression(_) => None,
            }),
        };
        let rows = config.workflows().iter().map(|(name, workflow)| {
            (name.clone(), workflow.steps.iter().map(|step| (step.name.to_string(), row(step))).collect())
        });
        Self(rows.collect())
    }

    /// The step that makes this request. A call that only judges has nothing of it.
    fn of(&self, facts: &Facts) -> Option<&Row> {
        let step = facts.step.as_ref().filter(|step| !step.aside)?;
        self.row(&step.workflow, &step.step)
    }

    fn row(&self, workflow: &str, step: &str) -> Option<&Row> {
        self.0.get(workflow)?.get(step)
    }
}

impl Policy {
    /// What answers of this request's step must pass besides what every answer must.
    pub(crate) fn validators_of_step(&self, facts: &Facts) -> &[ValidatorSlot] {
        self.steps.of(facts).map_or(&[], |row| &row.validators)
    }

    /// What says that an answer of this request's step is good enough.
    pub(crate) fn until_of(&self, facts: &Facts) -> Option<&ValidatorSlot> {
        let step = facts.step.as_ref()?;
        self.steps.row(&step.workflow, &step.step)?.until.as_ref()
    }

    /// The one router that decides for this request's step; `None` where all are asked.
    pub(super) fn router_of_step(&self, facts: &Facts) -> Result<Option<&str>, Fault> {
        let Some(name) = self.steps.of(facts).and_then(|row| row.router.as_deref()) else { return Ok(None) };
        match self.rules.routers.iter().any(|slot| slot.name() == name) {
            true => Ok(Some(name)),
            false => {
                let message = format!("the router `{name}` is not loaded: see `jackfield plugin list`");
                Err(Fault::new(FaultKind::PluginFailed, message))
            }
        }
    }

    /// What was decided on, with what the step says of its calls, and behind it the step's own fallback.
    pub(super) fn for_step(&self, facts: &Facts, mut targets: Vec<Target>) -> Vec<Target> {
        let Some(step) = &facts.step else { return targets };
        let settings = |target: &mut Target| {
            let (overrides, own) = (&mut target.overrides, step.overrides.clone());
            overrides.temperature = own.temperature.or(overrides.temperature);
            overrides.max_output_tokens = own.max_output_tokens.or(overrides.max_output_tokens);
            overrides.reasoning = own.reasoning.or(overrides.reasoning);
        };
        let format = |target: &mut Target| {
            if step.overrides.answer_format.is_some() {
                target.overrides.answer_format.clone_from(&step.overrides.answer_format);
            }
        };
        targets.iter_mut().for_each(settings);
        for next in self.steps.of(facts).into_iter().flat_map(|row| &row.fallback) {
            match next {
                Next::Model(model) => {
                    let mut target = Target::model(model.as_str());
                    settings(&mut target);
                    targets.push(target);
                }
                Next::Task(row) => targets.extend(row.iter().cloned()),
            }
        }
        // Whoever answers, the step takes the answer apart.
        targets.iter_mut().for_each(format);
        targets
    }
}

/// Whether a router is to be asked.
pub(super) fn asks(only: Option<&str>, slot: &RouterSlot) -> bool {
    only.is_none_or(|only| only == slot.name())
}

//! Who decides which models may answer, in order, until one does: plugin routers, static routes by
//! task, the model the client named, a rating of the prompt, the default. Knows routers only by the contract's trait.

mod builtin;
mod candidates;
mod check;
mod conditions;
mod dynamic;
mod latency;
mod routers;
mod shadow;
mod slot;
mod stats;
mod steps;
mod validators;

use std::collections::BTreeMap;
use std::sync::Arc;

use jackfield_core::base::excerpt;
use jackfield_core::config::{Complexity, Config, DynamicRouter};
use jackfield_core::contract::{Exchange, Facts, Fault, FaultKind, Step, Target};

use crate::world::World;

pub use crate::breaker::Breaker;
pub use check::Check;
pub use latency::Latencies;
pub use shadow::{ShadowCounts, ShadowSlot, ShadowTally, ShadowTasks};
pub use slot::{RouterSlot, Rules, Seat};
pub use stats::RouterStats;
pub(crate) use validators::RESPONSE_FORMAT;
pub use validators::ValidatorSlot;

use conditions::Conditions;
use routers::{Generations, Heard};
use steps::Steps;
use validators::Validators;

/// The rules of one configuration.
pub struct Policy {
    rules: Rules,
    /// When routers are asked.
    conditions: Conditions,
    validators: Validators,
    /// What the steps of workflows say of their calls.
    steps: Steps,
    /// What to try by task, its own model first.
    routes: BTreeMap<String, Vec<Target>>,
    /// A model that rates prompts.
    dynamic: Option<DynamicRouter>,
    default_model: Option<String>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Try these, best first. Never empty.
    Candidates(Vec<Target>),
    /// Answer with this text; no model is called.
    Respond {
        /// The rule that answers.
        router: String,
        /// Its text.
        text: String,
    },
}

impl Policy {
    pub(crate) fn new(rules: Rules, config: &Config) -> Self {
        let default_model = config.orchestrator().default_model().map(str::to_owned);
        let validators = Validators::new(&rules.validators, config);
        let dynamic = config.orchestrator().router().cloned();
        let routes = candidates::of_tasks(config);
        let steps = Steps::new(&rules.validators, &routes, config);
        let conditions = Conditions::new(config);
        Self { rules, conditions, validators, steps, routes, dynamic, default_model }
    }

    /// What an answer must pass that was tried for this task's row, in order.
    pub(crate) fn validators_of(&self, task: Option<&str>) -> &[ValidatorSlot] {
        self.validators.of_row(task)
    }

    /// What answers to this request must pass besides. The client may have asked for one that is not there.
    pub(crate) fn added_validators(&self, facts: &Facts) -> Result<Vec<ValidatorSlot>, Fault> {
        self.validators.added(facts)
    }

    /// Decides about one request. The trail tells who did and why. Shadows are asked afterwards and not waited for.
    pub async fn plan(&self, world: &World, exchange: &mut Exchange) -> Result<Plan, Fault> {
        let mut heard = Heard::default();
        let plan = self.decide(world, exchange, &mut heard, Generations::All).await;
        self.ask_shadows(world, exchange, &heard, &plan);
        plan
    }

    /// What would be decided about a request, canaries and shadows left out.
    pub(crate) async fn explain(&self, world: &World, exchange: &mut Exchange) -> Result<Plan, Fault> {
        self.decide(world, exchange, &mut Heard::default(), Generations::Base).await
    }

    /// What each rating would lead to, when an explained decision says that one would be asked for.
    pub(crate) fn explain_ratings(
        &self,
        world: &World,
        exchange: &Exchange,
    ) -> Vec<(Complexity, Result<Plan, Fault>)> {
        let Some(router) = self.dynamic.as_ref().filter(|_| dynamic::would_rate(exchange)) else {
            return Vec::new();
        };
        let plan = |rating| {
            let targets = vec![Target::model(router.answers(rating))];
            allowed(Plan::Candidates(targets.clone()), &exchange.facts)?;
            let all = candidates::with_fallback(world.config(), 1, targets);
            allowed(Plan::Candidates(all), &exchange.facts)
        };
        [Complexity::High, Complexity::Low].map(|rating| (rating, plan(rating))).into()
    }

    async fn decide(
        &self,
        world: &World,
        exchange: &mut Exchange,
        heard: &mut Heard,
        asked: Generations,
    ) -> Result<Plan, Fault> {
        if let Some(plan) = self.ask_routers(world, exchange, heard, asked).await? {
            return match plan {
                Plan::Respond { .. } => Ok(plan),
                Plan::Candidates(targets) => {
                    let targets = self.for_task(&exchange.facts, targets);
                    candidates_of(world, exchange, targets.len(), targets)
                }
            };
        }
        let facts = Arc::clone(&exchange.facts);
        let (by, why, targets) = match (&facts.task, &facts.request.model, &self.dynamic) {
            (Some(task), _, _) => ("static", format!("the task is {task}"), self.by_task(task)?),
            (None, Some(model), _) => {
                ("named", "the client named it".to_owned(), vec![named(world, exchange, model)?])
            }
            // What asks for no words has nothing to be rated.
            (None, None, Some(router)) if facts.request.dialect.converses() => {
                let (why, targets) = dynamic::decide(router, world, exchange, asked).await;
                ("dynamic", why, targets)
            }
            (None, None, _) => ("default", "nothing else decided".to_owned(), vec![self.default_target()?]),
        };
        decided(exchange, by, why, targets.get(..1).unwrap_or_default());
        candidates_of(world, exchange, 1, targets)
    }

    /// A router's targets for a request that names a task: the router says who answers and how, the task's row what is
    /// asked and what the answer must be. A template of the router's own goes before the row's.
    fn for_task(&self, facts: &Facts, mut targets: Vec<Target>) -> Vec<Target> {
        let route = facts.task.as_ref().and_then(|task| self.routes.get(task));
        let Some(row) = route.and_then(|candidates| candidates.first()) else { return targets };
        for target in &mut targets {
            target.task.clone_from(&row.task);
            let overrides = &mut target.overrides;
            overrides.answer_format.clone_from(&row.overrides.answer_format);
            if overrides.prompt_template.is_none() {
                overrides.prompt_template.clone_from(&row.overrides.prompt_template);
            }
        }
        targets
    }

    fn by_task(&self, task: &str) -> Result<Vec<Target>, Fault> {
        self.routes.get(task).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.routes.keys().map(String::as_str).collect();
            let shown = excerpt(task, 64);
            let message = if known.is_empty() {
                format!("unknown task '{shown}': no tasks are configured; add it under orchestrator.routes")
            } else {
                format!("unknown task '{shown}'; known tasks are: {}", known.join(", "))
            };
            Fault::new(FaultKind::UnknownTask, message).with_param("metadata.task")
        })
    }

    fn default_target(&self) -> Result<Target, Fault> {
        self.default_model.as_deref().map(Target::model).ok_or_else(|| {
            let message = "no model was named and no orchestrator.default_model is configured";
            Fault::invalid("model", message)
        })
    }
}

/// A plan without the models that the client's key may not use, whoever chose them; what is left begins with the
/// best it may.
fn allowed(plan: Plan, facts: &Facts) -> Result<Plan, Fault> {
    let (Plan::Candidates(targets), Some(models)) = (&plan, facts.caller.models.as_deref()) else {
        return Ok(plan);
    };
    let (may, may_not): (Vec<&Target>, Vec<&Target>) =
        targets.iter().partition(|target| models.contains(&target.model));
    match may_not.first() {
        Some(target) if may.is_empty() => {
            let message =
                format!("this key may not use the model '{}', to which the request was routed", target.model);
            Err(Fault::new(FaultKind::ModelNotAllowed, message))
        }
        _ => Ok(Plan::Candidates(may.into_iter().cloned().collect())),
    }
}

/// The plan: the first `decided` targets, which must hold one that the client's key may use, and all they fall
/// back to.
fn candidates_of(
    world: &World,
    exchange: &mut Exchange,
    decided: usize,
    targets: Vec<Target>,
) -> Result<Plan, Fault> {
    let targets = world.policy().for_step(&exchange.facts, targets);
    let before = targets.get(..decided).unwrap_or_default().to_vec();
    // A way that was decided on and is closed to the key is a refusal, whatever it could fall back to.
    allowed(Plan::Candidates(before.clone()), &exchange.facts)?;
    let all = Plan::Candidates(candidates::with_fallback(world.config(), decided, targets));
    let plan = allowed(all, &exchange.facts)?;
    if let Plan::Candidates(targets) = &plan {
        let after = targets.iter().filter(|target| !before.contains(target));
        let models: Vec<String> = after.map(|target| target.model.clone()).collect();
        if !models.is_empty() {
            exchange.trail.push(Step::Fallback { models });
        }
    }
    Ok(plan)
}

/// The model the client named, if it exists and the client's key may use it.
fn named(world: &World, exchange: &Exchange, model: &str) -> Result<Target, Fault> {
    let shown = excerpt(model, 128);
    let allowed = exchange.facts.caller.models.as_deref();
    if allowed.is_some_and(|allowed| !allowed.iter().any(|name| name == model)) {
        let message = format!("this key may not use the model '{shown}'");
        return Err(Fault::new(FaultKind::ModelNotAllowed, message).with_param("model"));
    }
    if world.models().get(model).is_none() {
        let near = world.models().nearest(model);
        let hint =
            if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
        let message = format!("the model '{shown}' does not exist here{hint} (GET /v1/models lists all)");
        return Err(Fault::new(FaultKind::UnknownModel, message).with_param("model"));
    }
    Ok(Target::model(model))
}

fn decided(exchange: &mut Exchange, by: &str, why: String, targets: &[Target]) {
    let models = targets.iter().map(|target| target.model.clone()).collect();
    exchange.trail.push(Step::Decided { by: by.to_owned(), why, models });
}

#[cfg(test)]
mod tests;

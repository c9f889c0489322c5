//! Who decides which models may answer, in order, until one does: plugin routers, static routes by
//! task, the model the client named, the default. Knows routers only by the contract's trait.

mod candidates;
mod routers;

use std::collections::BTreeMap;
use std::sync::Arc;

use jackfield_core::base::excerpt;
use jackfield_core::config::{Config, OnError};
use jackfield_core::contract::{Exchange, Fault, FaultKind, Router, Step, Target};

use crate::world::World;

pub use crate::breaker::Breaker;

/// A routing rule and what to do when it fails.
#[derive(Clone)]
pub struct RouterSlot {
    /// The rule.
    pub router: Arc<dyn Router>,
    /// What to do when it fails.
    pub on_error: OnError,
    /// Leaves it alone for a while when it keeps failing.
    pub breaker: Arc<Breaker>,
    /// Told when the breaker opens.
    pub opened: Arc<dyn Fn() + Send + Sync>,
}

/// The rules of one configuration.
pub struct Policy {
    routers: Vec<RouterSlot>,
    /// What to try by task, its own model first.
    routes: BTreeMap<String, Vec<Target>>,
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
    pub(crate) fn new(routers: Vec<RouterSlot>, config: &Config) -> Self {
        let default_model = config.orchestrator().default_model().map(str::to_owned);
        Self { routers, routes: candidates::of_tasks(config), default_model }
    }

    /// Decides about one request. The trail tells who did and why.
    pub async fn plan(&self, world: &World, exchange: &mut Exchange) -> Result<Plan, Fault> {
        if let Some(plan) = self.ask_routers(world, exchange).await? {
            return match plan {
                Plan::Respond { .. } => Ok(plan),
                Plan::Candidates(targets) => candidates_of(world, exchange, targets.len(), targets),
            };
        }
        let (by, why, targets) = match &exchange.facts.task {
            Some(task) => ("static", format!("the task is {task}"), self.by_task(task)?),
            None => match &exchange.facts.request.model {
                Some(model) => {
                    ("named", "the client named it".to_owned(), vec![named(world, exchange, model)?])
                }
                None => ("default", "nothing else decided".to_owned(), vec![self.default_target()?]),
            },
        };
        decided(exchange, by, why, targets.get(..1).unwrap_or_default());
        candidates_of(world, exchange, 1, targets)
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

/// The plan: the first `decided` targets, which must hold one that the client's key may use, and all they fall
/// back to. Models that the key may not use are left out, whoever chose them.
fn candidates_of(
    world: &World,
    exchange: &mut Exchange,
    decided: usize,
    targets: Vec<Target>,
) -> Result<Plan, Fault> {
    let may = {
        let models = exchange.facts.caller.models.clone();
        move |target: &Target| models.as_deref().is_none_or(|models| models.contains(&target.model))
    };
    if let (Some(first), false) = (targets.first(), targets.iter().take(decided).any(&may)) {
        let message =
            format!("this key may not use the model '{}', to which the request was routed", first.model);
        return Err(Fault::new(FaultKind::ModelNotAllowed, message));
    }
    let before = targets.get(..decided).unwrap_or_default().to_vec();
    let mut targets = candidates::with_fallback(world.config(), decided, targets);
    targets.retain(may);
    let after = targets.iter().filter(|target| !before.contains(target));
    let models: Vec<String> = after.map(|target| target.model.clone()).collect();
    if !models.is_empty() {
        exchange.trail.push(Step::Fallback { models });
    }
    Ok(Plan::Candidates(targets))
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

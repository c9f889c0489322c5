//! Who decides which models may answer, in order, until one does: plugin routers, static routes by
//! task, the model the client named, the default. Knows routers only by the contract's trait.

mod breaker;
mod latency;
mod routers;
mod stats;

use std::collections::BTreeMap;
use std::sync::Arc;

use jackfield_core::base::excerpt;
use jackfield_core::config::{Config, OnError};
use jackfield_core::contract::{Exchange, Fault, FaultKind, Router, Step, Target};

use crate::world::World;

pub use breaker::Breaker;
pub use latency::Latencies;
pub use stats::RouterStats;

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
    /// What it did so far.
    pub stats: Arc<RouterStats>,
}

/// The rules of one configuration.
pub struct Policy {
    routers: Vec<RouterSlot>,
    /// Target by task.
    routes: BTreeMap<String, Target>,
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
        let orchestrator = config.orchestrator();
        let routes = orchestrator.routes().iter().map(|r| (r.task.clone(), r.target.clone())).collect();
        Self { routers, routes, default_model: orchestrator.default_model().map(str::to_owned) }
    }

    /// Decides about one request. The trail tells who did and why.
    pub async fn plan(&self, world: &World, exchange: &mut Exchange) -> Result<Plan, Fault> {
        if let Some(plan) = self.ask_routers(world, exchange).await? {
            return allowed(plan, exchange);
        }
        let (by, why, target) = match &exchange.facts.task {
            Some(task) => ("static", format!("the task is {task}"), self.by_task(task)?),
            None => match &exchange.facts.request.model {
                Some(model) => ("named", "the client named it".to_owned(), named(world, exchange, model)?),
                None => ("default", "nothing else decided".to_owned(), self.default_target()?),
            },
        };
        decided(exchange, by, why, std::slice::from_ref(&target));
        allowed(Plan::Candidates(vec![target]), exchange)
    }

    fn by_task(&self, task: &str) -> Result<Target, Fault> {
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

/// The plan without the models that the client's key may not use, whoever chose them.
fn allowed(plan: Plan, exchange: &Exchange) -> Result<Plan, Fault> {
    let (Plan::Candidates(targets), Some(models)) = (&plan, exchange.facts.caller.models.as_deref()) else {
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

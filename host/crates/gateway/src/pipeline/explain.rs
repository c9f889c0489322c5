//! What would become of a request, without calling a model: the pipeline's own admission and policy, and no attempt.
//! Routers are really asked, so what they keep and log is kept and logged, but no canary and no shadow is; no request is closed or written down.
//! Where a model would be asked to rate the prompt, it is not asked: what each rating leads to is told instead.

use std::sync::Arc;

use jackfield_core::config::Complexity;
use jackfield_core::contract::{Ask, Facts, Fault, Trail};

use super::{Incoming, admit};
use crate::policy::Plan;
use crate::world::World;

/// A decision and how it came about.
pub struct Explained {
    /// What was known of the request before anybody decided.
    pub facts: Arc<Facts>,
    /// Who was asked, and who decided.
    pub trail: Trail,
    /// The candidates, the router's own answer, or why there is neither.
    pub plan: Result<Plan, Fault>,
    /// What each rating of the prompt would lead to, where a model would be asked for one; `plan` is then what holds
    /// without a rating.
    pub ratings: Vec<(Complexity, Result<Plan, Fault>)>,
}

/// Decides about one request and stops there.
pub async fn explain(world: &World, incoming: Incoming) -> Explained {
    let (mut exchange, _place) = admit(world, incoming);
    let plan = world.policy().explain(world, &mut exchange).await;
    let ratings = world.policy().explain_ratings(world, &exchange);
    Explained { facts: exchange.facts, trail: exchange.trail, plan, ratings }
}

/// What this plugin would be asked about a request, if it were the first. Models that it may ask are really called.
pub fn first_ask(world: &World, incoming: Incoming, plugin: &str) -> Ask {
    let (exchange, _place) = admit(world, incoming);
    let completer = Some(world.completer(&exchange, plugin, None));
    Ask { facts: exchange.facts, labels: Arc::from([]), view: Arc::clone(world.view()), completer }
}

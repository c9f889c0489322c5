//! One request from admission to its last byte. Read `run` first: it is the product.

mod after;
mod attempt;
mod cache_key;
mod cached;
mod candidate;
mod delivery;
mod explain;
mod failed;
mod fit;
mod flight;
mod hold;
mod json_text;
mod judge;
mod left;
mod made;
mod record;
mod result;
mod review;
mod settle;
mod tries;
mod vectors;
mod verdict;
mod walk;
mod whole;
mod window;

use std::sync::Arc;
use std::time::Instant;

use jackfield_core::base::RequestId;
use jackfield_core::contract::{Caller, ChatRequest, Exchange, Facts, Fault, RunScope, RunStep, Trail};

use crate::policy::Plan;
use crate::world::{LoadGuard, World};

pub use delivery::{Body, Delivery, Failure, Head, ReplyStream};
pub use explain::{Explained, explain, first_ask};
pub use fit::fitted;
pub(crate) use json_text::json_in;
pub use made::{Made, MadeAnswer, run_made};
pub(crate) use review::review;
use settle::Closing;
pub use settle::refused;

/// The prefix of a model name that names a task instead.
const TASK_PREFIX: &str = "task/";

/// What a client sent, as `http` understood it.
pub struct Incoming {
    /// Our id of it.
    pub id: RequestId,
    /// The request.
    pub request: ChatRequest,
    /// Who sent it.
    pub caller: Caller,
    /// The task named in a header.
    pub task: Option<String>,
    /// Headers that plugins may see.
    pub headers: http::HeaderMap,
    /// The run it is a step of, if it is one.
    pub run: Option<Arc<RunScope>>,
    /// Which step of that run.
    pub step: Option<Arc<RunStep>>,
    /// When it arrived.
    pub started: Instant,
    /// Its place among the requests under way.
    pub place: LoadGuard,
}

/// Brings one request to its answer. Whatever happens, client disconnect included, the exchange is
/// closed exactly once: its log line is written when the last byte is out or the future is dropped.
pub async fn run(world: Arc<World>, incoming: Incoming) -> Result<Delivery, Failure> {
    let (exchange, place) = admit(&world, incoming);
    let (requests, metrics) = (Arc::clone(world.requests()), Arc::clone(world.metrics()));
    let mut closing = Closing::open(exchange, place, requests, metrics);
    match steps(&world, &mut closing).await {
        Ok(body) => Ok(closing.deliver(body)),
        Err(fault) => Err(closing.fail(fault)),
    }
}

async fn steps(world: &Arc<World>, closing: &mut Closing) -> Result<attempt::Answered, Fault> {
    let judge = judge::Judge::new(world, &closing.exchange)?;
    let wants = cached::wants(world, &closing.exchange.facts)?;
    let plan = world.policy().plan(world, &mut closing.exchange).await;
    closing.waited(closing.exchange.trail.rating_took());
    match plan? {
        Plan::Respond { router, text } => {
            if wants.is_some() {
                cached::bypassed(closing, "router");
            }
            closing.trying(&format!("router/{router}"), "none");
            Ok(attempt::Answered::text(text))
        }
        Plan::Candidates(targets) => cached::answer(world, closing, targets, judge, wants).await,
    }
}

/// Settles what is known about a request before anybody decides.
fn admit(world: &World, incoming: Incoming) -> (Exchange, LoadGuard) {
    let Incoming { id, mut request, caller, task, headers, run, step, started, place } = incoming;
    let by_model = request.model.as_deref().and_then(|m| m.strip_prefix(TASK_PREFIX)).map(str::to_owned);
    if by_model.is_some() {
        request.model = None;
    }
    let task = task.or_else(|| request.task.clone()).or(by_model);
    let timeout = world.config().server().limits().request_timeout;
    let facts = Arc::new(Facts { id, request, task, caller, headers, run, step });
    let deadline = started.checked_add(timeout).unwrap_or(started);
    (Exchange { facts, started, deadline, trail: Trail::default() }, place)
}

#[cfg(test)]
mod tests;

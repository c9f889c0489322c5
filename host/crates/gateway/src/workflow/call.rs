//! One call of a step: a request of its own, on its way through the whole pipeline in the name of the run's client.
//!
//! Bounded as every request is: by `server.limits.request_timeout`, the caller's models and budgets, and the run's. An answer
//! that is there from an earlier attempt is not asked for again. Dropped, the call under way is cancelled.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use jackfield_core::base::{NanoUsd, RequestId};
use jackfield_core::contract::{
    BoxFuture, CacheOutcome, ChatRequest, Delta, Fault, FaultKind, Overrides, Role, RunScope, RunStep, Usage,
    Validation,
};
use jackfield_dialect::openai::parse_request;

use super::context::Context;
use super::journal::Said;
use super::tally::Tally;
use crate::pipeline::{self, Body, Delivery, Failure, Incoming, ReplyStream};
use crate::world::World;

/// The longest text of one call that is told as it comes, in bytes.
const MAX_TEXT: usize = 16 << 20;

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A model by name.
    Model(String),
    /// Whatever answers for a task.
    Task(String),
    /// Whatever the step's router decides on; else what the gateway decides on for requests that name nothing.
    Open,
}

/// One call.
pub(super) struct Call<'a> {
    /// Which of the run's calls it is; see [`RunStep::call`].
    pub name: String,
    /// The workflow and the step of it.
    pub of: (&'a str, &'a str),
    /// Who is asked.
    pub asked: Asked,
    /// Standing instructions.
    pub system: Option<String>,
    /// What is said, in order. Never empty.
    pub messages: Vec<(Role, String)>,
    /// What the step says of it.
    pub overrides: Overrides,
    /// See [`RunStep::aside`].
    pub aside: bool,
    /// Where it counts.
    pub tally: &'a Tally,
    /// What the ledger counts it under.
    pub scope: &'a Arc<RunScope>,
    /// How many calls are made at once; see [`Frame::permits`](super::run::Frame).
    pub permits: &'a [Arc<Semaphore>],
    /// The name under which its text is told as it comes.
    pub told: Option<String>,
}

/// Makes one call and returns its whole answer.
pub(super) async fn call(context: &Context, call: Call<'_>) -> Result<Said, Fault> {
    if let Some(said) = context.journal.find(&call.name) {
        call.tally.add(said.usage(), said.cost(), true);
        if let Some(step) = &call.told {
            context.board.delta(step, said.text.clone()).await;
        }
        return Ok(said.clone());
    }
    let _permits = permits(call.permits).await;
    // What others spent while this one waited counts.
    call.tally.check()?;
    let told = call.told.clone().filter(|_| context.board.wants_deltas());
    let incoming = incoming(context, &call, told.is_some())?;
    let Delivery { head, body, bill, .. } =
        boxed(Arc::clone(&context.world), incoming).await.map_err(|failure| {
            // Answers that were not good enough are paid for too.
            call.tally.pay(failure.head.cost);
            failure.fault
        })?;
    let (text, usage) = match body {
        Body::Whole(reply) => {
            let text = reply.choices.into_iter().next().and_then(|choice| choice.text);
            (text.unwrap_or_default(), reply.usage)
        }
        Body::Stream(stream) => {
            let followed = follow(context, *stream, told.as_deref().unwrap_or_default()).await;
            followed.inspect_err(|_| call.tally.pay(bill.total()))?
        }
    };
    let paid = !matches!(head.cache, Some(CacheOutcome::Hit | CacheOutcome::Joined));
    let (usage, cost) = (usage.filter(|_| paid), bill.total());
    let said = Said {
        text,
        tokens: usage.map(|usage| (usage.input_tokens, usage.output_tokens)),
        cost: cost.map(NanoUsd::nanos),
        score: head.score,
    };
    call.tally.add(usage, cost, false);
    context.journal.keep(&call.name, &said).await?;
    Ok(said)
}

/// A place among the calls of every workflow that this one is part of, the innermost first: whoever waits for an outer one holds
/// inner ones alone, so nobody waits in a circle.
async fn permits(of: &[Arc<Semaphore>]) -> Vec<SemaphorePermit<'_>> {
    let mut held = Vec::with_capacity(of.len());
    for permits in of {
        // Never closed.
        held.extend(permits.acquire().await);
    }
    held
}

/// Asks the validator that a step's `repeat` goes by about one answer.
pub(super) async fn review(
    context: &Context,
    scope: &Arc<RunScope>,
    (workflow, step): (&str, &str),
    name: &str,
    text: String,
) -> Result<Validation, Fault> {
    let body = json!({ "messages": [{ "role": "user", "content": "" }] });
    let request = parse_request(body.to_string().into())?;
    let run_step = RunStep {
        workflow: workflow.to_owned(),
        step: step.to_owned(),
        call: name.to_owned(),
        aside: true,
        overrides: Overrides::default(),
    };
    let incoming = incoming_of(context, request, None, scope, run_step)?;
    pipeline::review(&context.world, incoming, text).await
}

/// The pipeline's own future, whose type says nothing of what is in it: a workflow's steps run it, and a workflow is run in it.
fn boxed(world: Arc<World>, incoming: Incoming) -> BoxFuture<'static, Result<Delivery, Failure>> {
    Box::pin(pipeline::run(world, incoming))
}

fn incoming(context: &Context, call: &Call<'_>, stream: bool) -> Result<Incoming, Fault> {
    let mut body = Map::new();
    let mut task = None;
    match &call.asked {
        Asked::Model(model) => drop(body.insert("model".to_owned(), json!(model))),
        Asked::Task(name) => task = Some(name.clone()),
        Asked::Open => {}
    }
    let system = call.system.iter().map(|text| (Role::System, text));
    let messages = system.chain(call.messages.iter().map(|(role, text)| (*role, text)));
    let messages: Vec<Value> =
        messages.map(|(role, text)| json!({ "role": role.name(), "content": text })).collect();
    body.insert("messages".to_owned(), Value::Array(messages));
    if stream {
        body.insert("stream".to_owned(), Value::Bool(true));
    }
    let request = parse_request(Value::Object(body).to_string().into())?;
    let step = RunStep {
        workflow: call.of.0.to_owned(),
        step: call.of.1.to_owned(),
        call: call.name.clone(),
        aside: call.aside,
        overrides: call.overrides.clone(),
    };
    incoming_of(context, request, task, call.scope, step)
}

fn incoming_of(
    context: &Context,
    request: ChatRequest,
    task: Option<String>,
    scope: &Arc<RunScope>,
    step: RunStep,
) -> Result<Incoming, Fault> {
    // Runs are bounded where they are begun; a step that is refused a place would fail the run for nothing.
    let place = context.world.load().enter(usize::MAX);
    let place = place.ok_or_else(|| Fault::new(FaultKind::Overloaded, "too many requests are under way"))?;
    Ok(Incoming {
        id: RequestId::generate(),
        request,
        caller: context.caller.clone(),
        task,
        headers: context.headers.clone(),
        run: Some(Arc::clone(scope)),
        step: Some(Arc::new(step)),
        started: Instant::now(),
        place,
    })
}

/// Reads a stream to its end and tells its text as it comes.
async fn follow(
    context: &Context,
    mut stream: ReplyStream,
    told: &str,
) -> Result<(String, Option<Usage>), Fault> {
    let (mut text, mut usage) = (String::new(), None);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        usage = chunk.usage.or(usage);
        // An answer of several choices is not asked for.
        for piece in
            chunk.deltas.into_iter().filter(|delta| delta.index == 0).filter_map(|delta: Delta| delta.text)
        {
            if text.len() + piece.len() > MAX_TEXT {
                let message = format!("the answer of `{told}` is larger than {} MiB", MAX_TEXT >> 20);
                return Err(Fault::new(FaultKind::AnswerRejected, message));
            }
            text.push_str(&piece);
            context.board.delta(told, piece).await;
        }
    }
    Ok((text, usage))
}

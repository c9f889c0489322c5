//! A workflow that answers as a model does: `model: workflow/NAME`. The last user message is its input, its output is the answer.
//!
//! What a workflow has no place for and an answer would differ by is refused: tools, several answers, a format. All else that a client
//! says besides is for the steps to say, and noted.
//!
//! A streamed answer is the last step's text as it comes, where the workflow gives that as it is; else the output in one piece.
//! Nothing has been sent before the first of it, so a run that fails before is an error like any other.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::Value;

use jackfield_core::base::{DrainGuard, excerpt};
use jackfield_core::contract::{
    Bill, Charged, ChatRequest, Chunk, ChunkStream, Delta, Facts, Fault, FaultKind, FinishReason, Usage,
};

use super::board::{Event, Listening};
use super::prompt::text_of;
use super::record::Spent;
use super::registry::{RunAsk, Started, ended_from_outside};
use super::{input, named};
use crate::charge::asked_choices;
use crate::pipeline::{self, Delivery, Failure, Incoming, Made, MadeAnswer};
use crate::world::World;

/// Brings a request for the model `workflow/NAME` to its answer.
pub async fn answer(
    world: Arc<World>,
    incoming: Incoming,
    name: String,
    guard: DrainGuard,
) -> Result<Delivery, Failure> {
    let asked = Arc::clone(&world);
    pipeline::run_made(
        world,
        incoming,
        |facts, bill| async move { make(asked, &facts, bill, &name, guard).await },
    )
    .await
}

async fn make(
    world: Arc<World>,
    facts: &Facts,
    bill: Bill,
    name: &str,
    guard: DrainGuard,
) -> Result<Made, Fault> {
    let request = &facts.request;
    if !request.dialect.converses() {
        let message = "a workflow answers conversations: chat completions, responses and messages";
        return Err(Fault::new(FaultKind::Unsupported, message).with_param("model"));
    }
    if let Some(field) = unfit(request) {
        let message =
            format!("a workflow's steps say for themselves what they ask for: it takes no `{field}`");
        return Err(Fault::new(FaultKind::Unsupported, message).with_param(field));
    }
    // Whoever may not name it is not told whether it is there.
    named::may_run(&facts.caller, name)?;
    let workflow = named::workflow(&world, name)
        .map_err(|fault| Fault { kind: FaultKind::UnknownModel, ..fault.with_param("model") })?;
    let input = input::said(&workflow, request.last_user_text())?;
    let ask = RunAsk {
        caller: facts.caller.clone(),
        headers: facts.headers.clone(),
        listening: Listening { steps: false, deltas: request.stream },
        guard,
    };
    let runs = Arc::clone(world.runs());
    let mut run = runs.start(world, &workflow, input, ask).await?;
    let (id, model) = (run.id().to_owned(), format!("{}{name}", named::WORKFLOW_PREFIX));
    let answer = if request.stream {
        MadeAnswer::Stream(streamed(run, bill).await?)
    } else {
        loop {
            match run.next().await {
                Some(Event::RunFinished(record)) => {
                    came_to(&bill, &record.spent);
                    let usage = record.spent.usage();
                    break MadeAnswer::Whole { text: text_of(record.output), usage };
                }
                Some(Event::RunFailed { record, fault }) => {
                    came_to(&bill, &record.spent);
                    return Err(*fault);
                }
                Some(_) => {}
                None => return Err(ended_from_outside()),
            }
        }
    };
    Ok(Made { by: ("workflow", id), model, answer, dropped: unsaid(request) })
}

/// Fields that say who asks and how the answer is to travel, or are heeded.
const HEEDED: [&str; 11] = [
    "input",
    "messages",
    "metadata",
    "model",
    "n",
    "response_format",
    "store",
    "stream",
    "stream_options",
    "tools",
    "user",
];

/// What the answer would differ by, and no workflow takes.
fn unfit(request: &ChatRequest) -> Option<&'static str> {
    let format = || {
        let format = serde_json::from_slice::<Value>(&request.body.get("response_format")?).ok()?;
        format["type"].as_str().filter(|kind| *kind != "text").map(drop)
    };
    if request.has_tools {
        Some("tools")
    } else if request.has_response_schema || format().is_some() {
        Some("response_format")
    } else {
        (asked_choices(request) > 1).then_some("n")
    }
}

/// What is not told to any step.
fn unsaid(request: &ChatRequest) -> Vec<String> {
    let fields = request.body.iter().map(|(name, _)| name).filter(|name| !HEEDED.contains(name));
    let mut unsaid: Vec<String> = fields.map(|name| excerpt(name, 64)).take(32).collect();
    if request.messages.len() > 1 {
        unsaid.push("messages".to_owned());
    }
    unsaid
}

/// What the steps came to. They are charged and counted where their calls were made; this says what the client's request came to.
fn came_to(bill: &Bill, spent: &Spent) {
    let usage = spent.usage().unwrap_or_default();
    bill.add(Charged { number: bill.next_number(), usage, cost: Some(spent.cost) });
}

/// The answer as it comes, once it has begun. Holds the run: dropped, the client has left.
async fn streamed(mut run: Started, bill: Bill) -> Result<ChunkStream, Fault> {
    let first = loop {
        match run.next().await {
            Some(Event::StepDelta { text, .. }) => break vec![said(text)],
            Some(Event::RunFinished(record)) => {
                came_to(&bill, &record.spent);
                return Ok(
                    stream::iter(last(Some(record.output), record.spent.usage()).into_iter().map(Ok)).boxed()
                );
            }
            Some(Event::RunFailed { record, fault }) => {
                came_to(&bill, &record.spent);
                return Err(*fault);
            }
            Some(_) => {}
            None => return Err(ended_from_outside()),
        }
    };
    let rest = stream::unfold(Some((run, bill)), |going| async move {
        let (mut run, bill) = going?;
        loop {
            match run.next().await {
                Some(Event::StepDelta { text, .. }) => {
                    return Some((vec![Ok(said(text))], Some((run, bill))));
                }
                Some(Event::RunFinished(record)) => {
                    came_to(&bill, &record.spent);
                    return Some((
                        last(None, record.spent.usage()).into_iter().map(Ok).collect::<Vec<_>>(),
                        None,
                    ));
                }
                Some(Event::RunFailed { record, fault }) => {
                    came_to(&bill, &record.spent);
                    return Some((vec![Err(*fault)], None));
                }
                Some(_) => {}
                None => return Some((vec![Err(ended_from_outside())], None)),
            }
        }
    });
    Ok(stream::iter(first.into_iter().map(Ok)).chain(rest.flat_map(stream::iter)).boxed())
}

fn said(text: String) -> Chunk {
    Chunk { deltas: vec![Delta { text: Some(text), ..Delta::default() }], ..Chunk::default() }
}

/// The end of an answer, with all of it before where nothing of it was said.
fn last(output: Option<Value>, usage: Option<Usage>) -> Vec<Chunk> {
    let finish = Delta { finish_reason: Some(FinishReason::Stop), finished: true, ..Delta::default() };
    let mut chunks: Vec<Chunk> = output.map(|output| said(text_of(output))).into_iter().collect();
    chunks.extend([
        Chunk { deltas: vec![finish], ..Chunk::default() },
        Chunk { usage, ..Chunk::default() },
        Chunk { done: true, ..Chunk::default() },
    ]);
    chunks
}

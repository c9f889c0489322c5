//! One call of one model, up to the point where its answer has proved to be one.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use futures_util::stream;

use jackfield_core::contract::{
    Answer, BoxFuture, Call, Choice, Chunk, ChunkStream, Delta, Fault, FaultKind, FinishReason, Provider,
    Reply,
};

use super::delivery::ComingStream;
use crate::charge::{self, Charge};
use crate::world::LiveCall;

/// Chunks held back at most before the first with substance.
const MAX_PREAMBLE: usize = 64;

/// An answer that can be delivered.
pub(super) struct Answered {
    pub answer: Proven,
    /// The model's call, while it goes on. None when no model was called.
    pub call: Option<LiveCall>,
}

/// An answer that has begun in earnest.
pub(super) enum Proven {
    Whole(Reply),
    Stream {
        held: Vec<Chunk>,
        rest: ChunkStream,
    },
    /// A stream that validators go on looking at.
    Watched {
        held: Vec<Chunk>,
        rest: ComingStream,
    },
    Text(String),
}

impl Answered {
    /// A router's own words as an answer.
    pub(super) fn text(text: String) -> Self {
        Self { answer: Proven::Text(text), call: None }
    }
}

/// A call that has come out.
pub(super) struct Ended {
    pub result: Result<Proven, Fault>,
    /// How much of the time was spent in this process: the rest was the provider's.
    pub own: Duration,
    /// What of the request was left out.
    pub dropped: Vec<String>,
}

impl Ended {
    /// One that was not made.
    pub(super) fn refused(fault: Fault) -> Self {
        Self { result: Err(fault), own: Duration::ZERO, dropped: Vec::new() }
    }
}

/// Calls one model and waits until its answer has begun. Nothing has reached the client yet, so any failure here
/// leaves the next candidate free to try. Dropped, it is cancelled. What it costs goes with it, and with its stream.
pub(super) fn call(
    provider: Arc<dyn Provider>,
    call: Call,
    charge: Option<Charge>,
) -> BoxFuture<'static, Ended> {
    Box::pin(async move {
        let began = Instant::now();
        let (result, waited, dropped) = match charge::call(&*provider, call, charge).await {
            Ok(Answer::Whole { reply, waited, dropped }) => (Ok(Proven::Whole(reply)), waited, dropped),
            Ok(Answer::Stream { chunks, waited, dropped }) => {
                let proving = Instant::now();
                (prove(chunks).await, waited + proving.elapsed(), dropped)
            }
            Err(fault) => (Err(fault), began.elapsed(), Vec::new()),
        };
        Ended { result, own: began.elapsed().saturating_sub(waited), dropped }
    })
}

/// Waits for the first chunk with substance. A stream that fails before it has told the client nothing.
async fn prove(mut chunks: ChunkStream) -> Result<Proven, Fault> {
    let mut held = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        let proven =
            chunk.done || chunk.deltas.iter().any(Delta::has_substance) || held.len() >= MAX_PREAMBLE;
        held.push(chunk);
        if proven {
            return Ok(Proven::Stream { held, rest: chunks });
        }
    }
    Err(Fault::new(FaultKind::UpstreamBroken, "the provider's stream ended before it began"))
}

/// A text as a whole answer.
pub(super) fn text_reply(model: &str, text: String) -> Reply {
    Reply {
        id: "chatcmpl-router".to_owned(),
        model: model.to_owned(),
        created: now().as_secs(),
        choices: vec![Choice {
            text: Some(text),
            finish_reason: Some(FinishReason::Stop),
            ..Choice::default()
        }],
        usage: None,
        wire: None,
    }
}

/// A text as a stream.
pub(super) fn text_stream(text: String) -> (Vec<Chunk>, ChunkStream) {
    let chunk = |delta| Chunk { deltas: vec![delta], ..Chunk::default() };
    let held = vec![
        chunk(Delta { text: Some(text), ..Delta::default() }),
        chunk(Delta { finish_reason: Some(FinishReason::Stop), finished: true, ..Delta::default() }),
        Chunk { done: true, ..Chunk::default() },
    ];
    (held, stream::empty().boxed())
}

/// The time since the Unix epoch.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

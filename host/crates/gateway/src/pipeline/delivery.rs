//! What `http` gets to send: a head, and a whole answer or a stream that closes its exchange.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt};

use jackfield_core::base::{NanoUsd, RequestId};
use jackfield_core::contract::{Bill, CacheOutcome, Chunk, ChunkStream, Delta, Facts, Fault, Reply, Step};
use jackfield_store::cache::Given;

use super::settle::Closing;

/// What is known of an answer before its first byte. Goes into the response headers.
#[derive(Clone, Debug)]
pub struct Head {
    /// Our id of the request.
    pub request_id: RequestId,
    /// The model that answers, by the name people use.
    pub model: Option<String>,
    /// Who decided: a router's name, `static`, `named` or `default`.
    pub route: Option<String>,
    /// Why, in a few words.
    pub reason: Option<String>,
    /// Calls of models made.
    pub attempts: usize,
    /// How good the validators find the answer, 0 to 1, if one said.
    pub score: Option<f64>,
    /// What the calls that are over cost together, in US dollars; `None` when one's price is not known.
    pub cost: Option<NanoUsd>,
    /// The time this gateway took itself: all of it less what providers took.
    pub overhead: Duration,
    /// How the request fared with the cache; nothing where answers are not kept.
    pub cache: Option<CacheOutcome>,
    /// Who gave the answer first, when it is kept or shared: its id and its time stand in its bytes where a provider gave none.
    pub given: Option<Given>,
}

/// An answer to send.
pub struct Delivery {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Body,
    /// What it answers.
    pub facts: Arc<Facts>,
    /// What its calls cost: all of it once the answer is whole, or its stream has ended.
    pub bill: Bill,
}

/// The body of an answer.
pub enum Body {
    /// All of it.
    Whole(Reply),
    /// A stream.
    Stream(Box<ReplyStream>),
}

/// A request that ended without an answer.
#[derive(Debug)]
pub struct Failure {
    /// What is known of it.
    pub head: Head,
    /// Why.
    pub fault: Fault,
}

/// What a stream that validators look at brings.
pub(super) enum Coming {
    /// A chunk that may go out.
    Chunk(Chunk),
    /// What a validator found, for the trail.
    Found(Step),
}

/// A stream that validators look at. Ends after a chunk with `done`, or with a fault.
pub(super) type ComingStream = Pin<Box<dyn Stream<Item = Result<Coming, Fault>> + Send>>;

/// Where the rest of a stream comes from.
pub(super) enum Rest {
    /// From the provider, as it comes.
    Plain(ChunkStream),
    /// Through validators.
    Watched(ComingStream),
}

/// A stream of an answer's chunks. Closes its exchange when it ends, fails or is dropped.
pub struct ReplyStream {
    held: VecDeque<Chunk>,
    rest: Rest,
    closing: Option<Box<Closing>>,
}

impl ReplyStream {
    pub(super) fn new(held: Vec<Chunk>, rest: Rest, closing: Closing) -> Self {
        Self { held: held.into(), rest, closing: Some(Box::new(closing)) }
    }

    /// Ends the stream from this side, for this reason.
    pub fn cut(mut self, fault: &Fault) {
        // The provider is left first: what that costs is a part of the story.
        self.rest = Rest::Plain(futures_util::stream::empty().boxed());
        if let Some(closing) = self.closing.take() {
            closing.broke(fault);
        }
    }

    fn seen(&mut self, chunk: &Chunk) {
        let Some(closing) = &mut self.closing else { return };
        closing.saw(chunk.usage, chunk.deltas.iter().any(Delta::has_substance));
        if chunk.done
            && let Some(closing) = self.closing.take()
        {
            closing.complete();
        }
    }
}

impl Stream for ReplyStream {
    type Item = Result<Chunk, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(chunk) = self.held.pop_front() {
            self.seen(&chunk);
            return Poll::Ready(Some(Ok(chunk)));
        }
        let next = loop {
            let coming = match &mut self.rest {
                Rest::Plain(chunks) => break std::task::ready!(chunks.poll_next_unpin(cx)),
                Rest::Watched(coming) => std::task::ready!(coming.poll_next_unpin(cx)),
            };
            match coming {
                Some(Ok(Coming::Found(step))) => {
                    if let Some(closing) = &mut self.closing {
                        closing.found(step);
                    }
                }
                Some(Ok(Coming::Chunk(chunk))) => break Some(Ok(chunk)),
                Some(Err(fault)) => break Some(Err(fault)),
                None => break None,
            }
        };
        match &next {
            Some(Ok(chunk)) => self.seen(chunk),
            Some(Err(fault)) => {
                if let Some(closing) = self.closing.take() {
                    closing.broke(fault);
                }
            }
            None => {
                if let Some(closing) = self.closing.take() {
                    closing.complete();
                }
            }
        }
        Poll::Ready(next)
    }
}

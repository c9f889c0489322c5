//! A request whose answer is made elsewhere: by a workflow, whose steps are requests of their own. It is admitted, counted, logged
//! and kept like any other; nobody routes it, judges it or calls a model for it, so it costs nothing itself: whoever makes the answer writes
//! on its bill what the steps came to, before the answer ends.

use std::sync::Arc;
use std::time::Instant;

use jackfield_core::contract::{Bill, ChunkStream, Facts, Fault, Step, Usage};

use super::attempt::{Answered, Proven, text_reply};
use super::settle::Closing;
use super::{Delivery, Failure, Incoming, admit};
use crate::world::World;

/// An answer that was made elsewhere.
pub struct Made {
    /// Who made it, in one word, and a few words about it.
    pub by: (&'static str, String),
    /// What stands in a model's place: `workflow/NAME`.
    pub model: String,
    /// The answer.
    pub answer: MadeAnswer,
    /// What of the request was told to nobody.
    pub dropped: Vec<String>,
}

/// A whole answer or a stream.
pub enum MadeAnswer {
    /// All of it.
    Whole {
        /// Its text.
        text: String,
        /// What all calls for it consumed, as far as that is known.
        usage: Option<Usage>,
    },
    /// A stream. Dropping it ends what makes it.
    Stream(ChunkStream),
}

/// Brings one request to an answer that `make` gives; it is also given the request's bill. Closed exactly once, as by [`run`](super::run).
pub async fn run_made<M, F>(world: Arc<World>, incoming: Incoming, make: M) -> Result<Delivery, Failure>
where
    M: FnOnce(Arc<Facts>, Bill) -> F,
    F: Future<Output = Result<Made, Fault>>,
{
    let (exchange, place) = admit(&world, incoming);
    let (requests, metrics) = (Arc::clone(world.requests()), Arc::clone(world.metrics()));
    let mut closing = Closing::open(exchange, place, requests, metrics);
    let began = Instant::now();
    let made = make(Arc::clone(&closing.exchange.facts), closing.exchange.trail.bill().clone()).await;
    // What is ours in it is in the steps' own overheads.
    closing.waited(began.elapsed());
    match made {
        Ok(Made { by: (by, why), model, answer, dropped }) => {
            closing.exchange.trail.push(Step::Decided { by: by.to_owned(), why, models: Vec::new() });
            if !dropped.is_empty() {
                closing.exchange.trail.push(Step::Dropped { model: model.clone(), fields: dropped });
            }
            closing.trying(&model, by);
            let answer = match answer {
                MadeAnswer::Whole { text, usage } => {
                    let mut reply = text_reply(&model, text);
                    reply.id.clear();
                    reply.usage = usage;
                    Proven::Whole(reply)
                }
                MadeAnswer::Stream(rest) => Proven::Stream { held: Vec::new(), rest },
            };
            Ok(closing.deliver(Answered { answer, call: None }))
        }
        Err(fault) => Err(closing.fail(fault)),
    }
}

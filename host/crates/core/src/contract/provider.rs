//! The seam behind which models answer: real providers over HTTP, and the simulated one.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::Stream;

use super::{BoxFuture, Chunk, Facts, Fault, Overrides, Reply, Role};

/// How long a call may wait for what. All above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the answer begins.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
}

/// One call of one model.
#[derive(Clone, Debug)]
pub struct Call {
    /// The client's request.
    pub facts: Arc<Facts>,
    /// The model's id in the provider's words.
    pub model_id: Arc<str>,
    /// What routing changes of the request.
    pub overrides: Overrides,
    /// What is said after the client's own messages: answers that were not good enough, and what is wrong with them.
    pub appended: Vec<(Role, String)>,
    /// The most tokens that the model can answer with, where that is known.
    pub max_output: Option<u64>,
    /// Which of the provider's keys to use; `None` where it takes none.
    pub key: Option<usize>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// When everything must be over.
    pub deadline: Instant,
}

/// A stream of chunks. Ends after a chunk with `done`, or with a fault; dropping it ends the call.
pub type ChunkStream = Pin<Box<dyn Stream<Item = Result<Chunk, Fault>> + Send>>;

/// What a provider gives back.
pub enum Answer {
    /// A whole answer.
    Whole {
        /// The answer.
        reply: Reply,
        /// How long the provider itself took: our own overhead is the rest.
        waited: Duration,
        /// What of the request was left out, because the provider has no word for it and no answer changes by it.
        dropped: Vec<String>,
    },
    /// An open stream.
    Stream {
        /// Its chunks.
        chunks: ChunkStream,
        /// How long the provider took to open it.
        waited: Duration,
        /// As above.
        dropped: Vec<String>,
    },
}

/// One of a provider's keys, by its place among them: what it says stays in the provider's room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPick {
    /// Its place, from 0, in the order of the configuration.
    pub index: usize,
    /// Whether nothing is held against it: it was neither refused nor limited of late.
    pub fresh: bool,
}

/// A provider of models.
pub trait Provider: Send + Sync {
    /// The provider's name in configuration, trail and metrics.
    fn name(&self) -> &str;

    /// The best key for the next call of this model that is not among `tried`: a fresh one if there is any, else the
    /// one that is free again soonest. `None` when all were tried, or none is needed.
    fn pick_key(&self, _model_id: &str, _tried: &[usize]) -> Option<KeyPick> {
        None
    }

    /// Makes one call. Cancelled by dropping the future or the stream it returned.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>>;
}

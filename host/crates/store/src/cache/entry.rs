//! One kept answer: what was delivered first, as it was delivered, with what it weighs in memory.

use std::mem::size_of;
use std::time::{Duration, Instant};

use bytes::Bytes;

use jackfield_core::contract::{Chunk, Delta, Picture, Reply, ToolCall, ToolCallDelta};

/// What an entry takes besides its answer: its key, its place in the table and in the queues. Roughly, in bytes.
const FRAME: usize = 384;

/// What was delivered.
#[derive(Clone, Debug)]
pub enum Kept {
    /// A whole answer.
    Whole(Reply),
    /// The chunks of a stream, the last of which ends it.
    Stream(Vec<Chunk>),
}

/// Who gave an answer, and when. The same for everybody who gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Our id of the request that was called for. It stands in the answer's bytes where a provider gave none.
    pub request: String,
    /// When the answer began, in seconds since the Unix epoch. As the id.
    pub created: u64,
    /// The model, by the name people use.
    pub model: Option<String>,
    /// Its provider.
    pub provider: Option<String>,
    /// How good its validators found it, 0 to 1: the lowest score.
    pub score: Option<f64>,
}

/// One kept answer.
#[derive(Clone, Debug)]
pub struct Entry {
    given: Given,
    kept: Kept,
    at: Instant,
    weight: usize,
}

impl Entry {
    /// An answer that was given at this time. What it holds of larger buffers is copied out, so that it takes what it weighs.
    pub fn new(given: Given, mut kept: Kept, at: Instant) -> Self {
        let held = match &mut kept {
            Kept::Whole(reply) => {
                reply.wire = reply.wire.as_deref().map(Bytes::copy_from_slice);
                reply.choices.shrink_to_fit();
                weight_of_reply(reply)
            }
            Kept::Stream(chunks) => {
                for chunk in chunks.iter_mut() {
                    chunk.wire = chunk.wire.as_deref().map(Bytes::copy_from_slice);
                    chunk.deltas.shrink_to_fit();
                }
                chunks.shrink_to_fit();
                chunks.iter().map(weight_of_chunk).sum()
            }
        };
        let texts = [&given.model, &given.provider].into_iter().flatten().map(String::capacity);
        let weight = FRAME + size_of::<Self>() + given.request.capacity() + texts.sum::<usize>() + held;
        Self { given, kept, at, weight }
    }

    /// Who gave it, and when.
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// What was delivered.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// How long ago it was given.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }

    /// What it takes in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

fn texts(of: [&Option<String>; 2]) -> usize {
    of.into_iter().flatten().map(String::capacity).sum()
}

fn drawn(pictures: &[Picture]) -> usize {
    let picture = |picture: &Picture| picture.data.capacity() + picture.media_type.capacity();
    size_of_val(pictures) + pictures.iter().map(picture).sum::<usize>()
}

/// What a chunk takes in memory, in bytes.
pub fn weight_of_chunk(chunk: &Chunk) -> usize {
    let call = |call: &ToolCallDelta| {
        let named = [&call.id, &call.name].into_iter().flatten().map(String::capacity);
        size_of::<ToolCallDelta>() + call.arguments.capacity() + named.sum::<usize>()
    };
    let delta = |delta: &Delta| {
        let calls: usize = delta.tool_calls.iter().map(call).sum();
        size_of::<Delta>() + texts([&delta.text, &delta.refusal]) + drawn(&delta.pictures) + calls
    };
    let deltas: usize = chunk.deltas.iter().map(delta).sum();
    let model = chunk.model.as_ref().map_or(0, String::capacity);
    size_of::<Chunk>() + deltas + model + chunk.wire.as_ref().map_or(0, Bytes::len)
}

/// What a whole answer takes in memory, in bytes.
pub fn weight_of_reply(reply: &Reply) -> usize {
    let call = |call: &ToolCall| {
        size_of::<ToolCall>() + call.id.capacity() + call.name.capacity() + call.arguments.capacity()
    };
    let choices = reply.choices.iter().map(|choice| {
        let calls: usize = choice.tool_calls.iter().map(call).sum();
        size_of_val(choice) + texts([&choice.text, &choice.refusal]) + drawn(&choice.pictures) + calls
    });
    let texts = reply.id.capacity() + reply.model.capacity();
    size_of::<Reply>() + choices.sum::<usize>() + texts + reply.wire.as_ref().map_or(0, Bytes::len)
}

//! What the events of a streamed answer mean. Events name their block, so blocks may grow side by side.
//!
//! Bounded: of a block only its number is kept while it is open, and no more than `MAX_OPEN` are.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use jackfield_core::base::{LossyText, excerpt};
use jackfield_core::contract::{Chunk, Delta, Fault, ToolCallDelta, Usage, quarters};

use super::reply::{WireUsage, read_stop};
use crate::lenient::lenient;
use crate::speech::broken;

/// Tool calls that may be open at once.
const MAX_OPEN: usize = 1_024;

/// What is told of a provider's word, in characters.
const MAX_WORD: usize = 64;

/// Where a stream stands.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The message has ended; its usage may follow.
    stopped: bool,
    /// Tool calls so far.
    calls: u32,
    /// Those that are open, by the number of their block.
    open: BTreeMap<u64, OpenCall>,
}

#[derive(Debug)]
struct OpenCall {
    index: u32,
    /// Nothing of its arguments has come.
    silent: bool,
}

#[derive(Deserialize)]
struct WireStart {
    #[serde(default, rename = "contentBlockIndex", deserialize_with = "lenient")]
    block: u64,
    #[serde(default, deserialize_with = "lenient")]
    start: Start,
}

#[derive(Default, Deserialize)]
struct Start {
    #[serde(default, rename = "toolUse", deserialize_with = "lenient")]
    tool_use: Option<StartedCall>,
    #[serde(default, deserialize_with = "lenient")]
    image: Option<StartedImage>,
}

#[derive(Deserialize)]
struct StartedImage {
    format: LossyText,
}

#[derive(Deserialize)]
struct StartedCall {
    #[serde(rename = "toolUseId")]
    id: LossyText,
    name: LossyText,
    /// `server_tool_use`: Bedrock calls it itself.
    r#type: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WireDelta {
    #[serde(default, rename = "contentBlockIndex", deserialize_with = "lenient")]
    block: u64,
    #[serde(default, deserialize_with = "lenient")]
    delta: Grown,
}

#[derive(Default, Deserialize)]
struct Grown {
    #[serde(default, deserialize_with = "lenient")]
    text: Option<LossyText>,
    #[serde(default, rename = "toolUse", deserialize_with = "lenient")]
    tool_use: Option<GrownCall>,
    #[serde(default, rename = "reasoningContent", deserialize_with = "lenient")]
    reasoning: Option<GrownThought>,
}

/// A thought, or its signature, or one that is not to be read.
#[derive(Default, Deserialize)]
struct GrownThought {
    #[serde(default, deserialize_with = "lenient")]
    text: Option<LossyText>,
}

#[derive(Deserialize)]
struct GrownCall {
    input: LossyText,
}

#[derive(Deserialize)]
struct WireStop {
    #[serde(default, rename = "contentBlockIndex", deserialize_with = "lenient")]
    block: u64,
}

#[derive(Deserialize)]
struct WireEnd {
    #[serde(rename = "stopReason")]
    stop_reason: LossyText,
}

#[derive(Deserialize)]
struct WireMetadata {
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<WireUsage>,
}

impl Events {
    /// What one event adds, if it adds anything. Events that are not known are left alone.
    pub(super) fn read(&mut self, kind: &str, payload: &Bytes) -> Result<Option<Chunk>, Fault> {
        match kind {
            "contentBlockStart" => self.start(parse(kind, payload)?),
            "contentBlockDelta" => Ok(self.grow(parse(kind, payload)?)),
            "contentBlockStop" => Ok(self.close(&parse(kind, payload)?)),
            "messageStop" => {
                let WireEnd { stop_reason } = parse(kind, payload)?;
                let finish_reason = read_stop(&stop_reason.0)?;
                self.stopped = true;
                Ok(Some(chunk_of(Delta { finish_reason, finished: true, ..Delta::default() })))
            }
            "metadata" => {
                let WireMetadata { usage } = parse(kind, payload)?;
                Ok(usage.map(|usage| Chunk { usage: Some(Usage::from(usage)), ..Chunk::default() }))
            }
            _ => Ok(None),
        }
    }

    /// Whether the answer is complete, should the wire end now.
    pub(super) fn is_complete(&self) -> bool {
        self.stopped
    }

    fn start(&mut self, event: WireStart) -> Result<Option<Chunk>, Fault> {
        if let Some(StartedImage { format }) = event.start.image {
            // It comes in pieces, each encoded on its own, and is not put together here.
            let kind = excerpt(&format.0, MAX_WORD);
            let text = format!("\n[a picture (image/{kind}) that has no place in a streamed answer]\n");
            return Ok(Some(chunk_of(Delta { text: Some(text), ..Delta::default() })));
        }
        let Some(call) = event.start.tool_use.filter(|call| call.r#type.is_none()) else { return Ok(None) };
        if self.open.len() >= MAX_OPEN {
            return Err(broken("it opens too many blocks at once"));
        }
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        self.open.insert(event.block, OpenCall { index, silent: true });
        let (id, name) = (Some(call.id.0), Some(call.name.0));
        Ok(Some(call_of(ToolCallDelta { index, id, name, arguments: String::new() })))
    }

    fn grow(&mut self, event: WireDelta) -> Option<Chunk> {
        let Grown { text, tool_use, reasoning } = event.delta;
        if let Some(call) = tool_use {
            let open = self.open.get_mut(&event.block)?;
            let arguments = Some(call.input.0).filter(|more| !more.is_empty())?;
            open.silent = false;
            return Some(call_of(ToolCallDelta { index: open.index, arguments, ..ToolCallDelta::default() }));
        }
        if let Some(text) = text {
            return Some(chunk_of(Delta { text: Some(text.0), ..Delta::default() }));
        }
        // Thoughts show that it has begun; what they are has no place in the contract.
        let thought = |said: GrownThought| said.text.map_or(0, |text| quarters(&text.0));
        reasoning.map(|said| chunk_of(Delta { other: true, thought: thought(said), ..Delta::default() }))
    }

    /// A call without arguments may have said nothing at all of them, which is no JSON.
    fn close(&mut self, event: &WireStop) -> Option<Chunk> {
        let open = self.open.remove(&event.block)?;
        let empty = ToolCallDelta { index: open.index, arguments: "{}".into(), ..ToolCallDelta::default() };
        open.silent.then(|| call_of(empty))
    }
}

fn parse<T: DeserializeOwned>(kind: &str, payload: &Bytes) -> Result<T, Fault> {
    serde_json::from_slice(payload).map_err(|e| broken(&format!("its event {kind} cannot be read: {e}")))
}

fn chunk_of(delta: Delta) -> Chunk {
    Chunk { deltas: vec![delta], ..Chunk::default() }
}

fn call_of(call: ToolCallDelta) -> Chunk {
    chunk_of(Delta { tool_calls: vec![call], ..Delta::default() })
}

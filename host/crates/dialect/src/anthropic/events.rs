//! What a provider's stream of events means. Blocks of content become text and tool calls; thoughts and whatever else is
//! in it show that the model is at work.
//!
//! Bounded: of a block only its number is kept while it is open, and no more than `MAX_OPEN` are.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use jackfield_core::base::{LossyText, excerpt};
use jackfield_core::contract::{Chunk, Delta, Fault, ToolCallDelta, quarters};

use super::error::{OVERLOADED, kind_of};
use super::reply::{WireDetailsOfStop, WireUsage, read_stop};
use crate::lenient::lenient;
use crate::speech::{Events, broken};
use crate::sse::Frame;

/// Blocks that may be open at once. The API opens one after the other.
const MAX_OPEN: usize = 1_024;
/// What is told of a provider's own message, in characters.
const MAX_QUOTE: usize = 512;

/// A stream on its way in.
#[derive(Default)]
pub(super) struct MessageEvents {
    /// The client speaks this API: the provider's frames are shown to it.
    native: bool,
    usage: WireUsage,
    /// Open tool calls by the number of their block.
    calls: BTreeMap<u64, OpenCall>,
    /// How many tool calls there were.
    count: u32,
    finished: bool,
}

struct OpenCall {
    index: u32,
    /// None of its arguments has come.
    empty: bool,
}

impl MessageEvents {
    /// A stream that has not begun.
    pub(super) fn new(native: bool) -> Self {
        Self { native, ..Self::default() }
    }

    /// What an event adds.
    fn meaning(&mut self, event: WireEvent) -> Result<Chunk, Fault> {
        let mut chunk = Chunk::default();
        match event.r#type.0.as_str() {
            "message_start" => {
                let message = event.message.unwrap_or_default();
                self.usage.update(message.usage.unwrap_or_default());
                chunk.model = message.model.map(|text| text.0);
            }
            "content_block_start" => chunk.deltas.extend(self.start(event)?),
            "content_block_delta" => chunk.deltas.extend(self.delta(event)),
            "content_block_stop" => {
                let call = self.calls.remove(&event.index).filter(|call| call.empty);
                // A call without arguments has an empty object of them.
                chunk.deltas.extend(call.map(|call| call_delta(call.index, "{}".to_owned())));
            }
            "message_delta" => {
                self.usage.update(event.usage.unwrap_or_default());
                chunk.usage = Some(self.usage.total());
                let WireDelta { stop_reason, stop_details, .. } = event.delta.unwrap_or_default();
                if let Some(reason) = stop_reason {
                    self.finished = true;
                    let finish_reason = read_stop(&reason.0);
                    let refusal = stop_details.and_then(|details| details.refusal());
                    chunk.deltas.push(Delta { refusal, finish_reason, finished: true, ..Delta::default() });
                }
            }
            "message_stop" => chunk.done = true,
            "error" => {
                let error = event.error.unwrap_or_default();
                let (kind, said) = (error.r#type.unwrap_or_default().0, error.message.unwrap_or_default().0);
                let message =
                    format!("the provider ended its stream with an error: {}", excerpt(&said, MAX_QUOTE));
                let fault = Fault::new(kind_of(&kind), message);
                return Err(if kind == "overloaded_error" { fault.with_status(OVERLOADED) } else { fault });
            }
            // `ping`, and what is newer than this gateway.
            _ => {}
        }
        Ok(chunk)
    }

    fn start(&mut self, event: WireEvent) -> Result<Option<Delta>, Fault> {
        let block = event.content_block.unwrap_or_default();
        match block.r#type.unwrap_or_default().0.as_str() {
            "text" => Ok(block.text.filter(|text| !text.0.is_empty()).map(|text| said(text.0))),
            "tool_use" => {
                if self.calls.len() >= MAX_OPEN {
                    return Err(broken("it opens too many blocks at once"));
                }
                let index = self.count;
                self.count = self.count.saturating_add(1);
                // Some servers send all arguments at once; the API itself begins with none.
                let whole = block.input.map(|input| input.get().to_owned()).filter(|input| !is_empty(input));
                self.calls.insert(event.index, OpenCall { index, empty: whole.is_none() });
                let call = ToolCallDelta {
                    index,
                    id: block.id.map(|text| text.0),
                    name: block.name.map(|text| text.0),
                    arguments: whole.unwrap_or_default(),
                };
                Ok(Some(Delta { tool_calls: vec![call], ..Delta::default() }))
            }
            _ => Ok(Some(other())),
        }
    }

    fn delta(&mut self, event: WireEvent) -> Option<Delta> {
        let delta = event.delta.unwrap_or_default();
        match delta.r#type.unwrap_or_default().0.as_str() {
            "thinking_delta" => {
                let thought = delta.thinking.map_or(0, |text| quarters(&text.0));
                Some(Delta { thought, ..other() })
            }
            "text_delta" => Some(said(delta.text.unwrap_or_default().0)),
            "input_json_delta" => {
                let Some(call) = self.calls.get_mut(&event.index) else { return Some(other()) };
                let more = delta.partial_json.unwrap_or_default().0;
                call.empty &= more.is_empty();
                (!more.is_empty()).then(|| call_delta(call.index, more))
            }
            _ => Some(other()),
        }
    }
}

fn is_empty(object: &str) -> bool {
    matches!(object.split_whitespace().collect::<String>().as_str(), "{}" | "null" | "\"\"")
}

fn said(text: String) -> Delta {
    Delta { text: Some(text), ..Delta::default() }
}

fn other() -> Delta {
    Delta { other: true, ..Delta::default() }
}

fn call_delta(index: u32, arguments: String) -> Delta {
    Delta {
        tool_calls: vec![ToolCallDelta { index, arguments, ..ToolCallDelta::default() }],
        ..Delta::default()
    }
}

impl Events for MessageEvents {
    fn read(&mut self, frame: Frame) -> Result<Option<Chunk>, Fault> {
        let data = frame.data.filter(|data| !data.trim_ascii().is_empty());
        let mut chunk = match data {
            None => Chunk::default(),
            Some(data) => {
                let event = serde_json::from_slice(&data)
                    .map_err(|e| broken(&format!("what came is not an event: {e}")))?;
                self.meaning(event)?
            }
        };
        if self.native {
            chunk.wire = Some(frame.wire);
        }
        Ok(Some(chunk))
    }

    fn is_complete(&self) -> bool {
        self.finished
    }
}

#[derive(Deserialize)]
struct WireEvent {
    r#type: LossyText,
    #[serde(default, deserialize_with = "lenient")]
    index: u64,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<WireMessage>,
    #[serde(default, deserialize_with = "lenient")]
    content_block: Option<WireBlock>,
    #[serde(default, deserialize_with = "lenient")]
    delta: Option<WireDelta>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<WireUsage>,
    #[serde(default, deserialize_with = "lenient")]
    error: Option<WireError>,
}

#[derive(Default, Deserialize)]
struct WireMessage {
    #[serde(default, deserialize_with = "lenient")]
    model: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<WireUsage>,
}

#[derive(Default, Deserialize)]
struct WireBlock {
    #[serde(default, deserialize_with = "lenient")]
    r#type: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    text: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    id: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<LossyText>,
    input: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
struct WireDelta {
    #[serde(default, deserialize_with = "lenient")]
    r#type: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    text: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    thinking: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    partial_json: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    stop_reason: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    stop_details: Option<WireDetailsOfStop>,
}

#[derive(Default, Deserialize)]
struct WireError {
    #[serde(default, deserialize_with = "lenient")]
    r#type: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<LossyText>,
}

#[cfg(test)]
mod tests;

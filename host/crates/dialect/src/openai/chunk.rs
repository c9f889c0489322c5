//! A piece of a streamed answer: read from a provider's frame, or written as one.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use jackfield_core::base::LossyText;
use jackfield_core::contract::{Chunk, Delta, Fault, FaultKind, ToolCallDelta, Usage};

use super::error::render_error;
use super::reply::{WireUsage, read_finish, write_finish};
use crate::sse::Frame;

/// The frame that ends a stream.
pub const DONE_FRAME: &[u8] = b"data: [DONE]\n\n";

/// Reads one frame. An error event inside a stream is a fault.
pub fn parse_chunk(frame: Frame) -> Result<Chunk, Fault> {
    let Some(data) = frame.data else { return Ok(Chunk { wire: Some(frame.wire), ..Chunk::default() }) };
    if data.trim_ascii() == b"[DONE]" {
        return Ok(Chunk { done: true, wire: Some(frame.wire), ..Chunk::default() });
    }
    if data.trim_ascii().is_empty() {
        return Ok(Chunk { wire: Some(frame.wire), ..Chunk::default() });
    }
    let wire: WireChunk = serde_json::from_slice(&data).map_err(|e| {
        Fault::new(
            FaultKind::UpstreamBroken,
            format!("the provider sent a stream event that is not a chunk: {e}"),
        )
    })?;
    if let Some(error) = wire.error {
        let said = error.message.map_or_else(|| "no message".to_owned(), |text| text.0);
        return Err(Fault::new(
            FaultKind::UpstreamFailed,
            format!("the provider ended its stream with an error: {said}"),
        ));
    }
    Ok(Chunk {
        deltas: wire.choices.unwrap_or_default().into_iter().map(WireChoice::into_delta).collect(),
        usage: wire.usage.map(Usage::from),
        model: wire.model.map(|text| text.0),
        done: false,
        wire: Some(frame.wire),
    })
}

/// Writes one chunk that came from elsewhere as a frame of this dialect.
pub fn render_chunk(chunk: &Chunk, id: &str, model: &str, created: u64) -> Bytes {
    if chunk.done {
        return Bytes::from_static(DONE_FRAME);
    }
    let out = OutChunk {
        id,
        object: "chat.completion.chunk",
        created,
        model,
        choices: chunk.deltas.iter().map(OutChoice::of).collect(),
        usage: chunk.usage.map(WireUsage::from),
    };
    frame_of(&serde_json::to_vec(&out).unwrap_or_default())
}

/// A fault as the last event of a stream: clients of this dialect raise it as an API error.
pub fn render_error_frame(fault: &Fault) -> Bytes {
    frame_of(&render_error(fault))
}

fn frame_of(json: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(json.len() + 8);
    frame.extend_from_slice(b"data: ");
    frame.extend_from_slice(json);
    frame.extend_from_slice(b"\n\n");
    Bytes::from(frame)
}

#[derive(Deserialize)]
struct WireChunk {
    model: Option<LossyText>,
    choices: Option<Vec<WireChoice>>,
    usage: Option<WireUsage>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireError {
    message: Option<LossyText>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default)]
    index: u32,
    delta: Option<WireDelta>,
    finish_reason: Option<LossyText>,
}

#[derive(Default, Deserialize)]
struct WireDelta {
    content: Option<LossyText>,
    tool_calls: Option<Vec<WireToolCall>>,
    refusal: Option<IgnoredAny>,
    reasoning_content: Option<IgnoredAny>,
    reasoning: Option<IgnoredAny>,
    audio: Option<IgnoredAny>,
    function_call: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WireToolCall {
    #[serde(default)]
    index: u32,
    id: Option<LossyText>,
    function: Option<WireFunction>,
}

#[derive(Deserialize)]
struct WireFunction {
    name: Option<LossyText>,
    arguments: Option<LossyText>,
}

impl WireChoice {
    fn into_delta(self) -> Delta {
        let delta = self.delta.unwrap_or_default();
        let other = delta.refusal.is_some()
            || delta.reasoning_content.is_some()
            || delta.reasoning.is_some()
            || delta.audio.is_some()
            || delta.function_call.is_some();
        let tool_calls = delta.tool_calls.unwrap_or_default().into_iter().map(|call| {
            let (name, arguments) = call.function.map(|f| (f.name, f.arguments)).unwrap_or_default();
            let (name, id) = (name.map(|text| text.0), call.id.map(|text| text.0));
            ToolCallDelta { index: call.index, id, name, arguments: arguments.unwrap_or_default().0 }
        });
        Delta {
            index: self.index,
            text: delta.content.map(|text| text.0),
            tool_calls: tool_calls.collect(),
            other,
            finish_reason: self.finish_reason.as_ref().and_then(|word| read_finish(&word.0)),
            finished: self.finish_reason.is_some(),
        }
    }
}

#[derive(Serialize)]
struct OutChunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<OutChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<WireUsage>,
}

#[derive(Serialize)]
struct OutChoice<'a> {
    index: u32,
    delta: OutDelta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct OutDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<OutToolCall<'a>>,
}

#[derive(Serialize)]
struct OutToolCall<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: OutFunction<'a>,
}

#[derive(Serialize)]
struct OutFunction<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl<'a> OutChoice<'a> {
    fn of(delta: &'a Delta) -> Self {
        let tool_calls = delta.tool_calls.iter().map(|call| OutToolCall {
            index: call.index,
            id: call.id.as_deref(),
            r#type: call.id.is_some().then_some("function"),
            function: OutFunction { name: call.name.as_deref(), arguments: &call.arguments },
        });
        Self {
            index: delta.index,
            delta: OutDelta {
                role: (!delta.finished).then_some("assistant"),
                content: delta.text.as_deref(),
                tool_calls: tool_calls.collect(),
            },
            logprobs: None,
            finish_reason: delta.finish_reason.map(write_finish),
        }
    }
}

#[cfg(test)]
mod tests;

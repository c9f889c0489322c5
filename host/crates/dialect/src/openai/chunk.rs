//! A piece of a streamed answer: read from a provider's frame, or written as one.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::lenient::lenient;
use jackfield_core::base::LossyText;
use jackfield_core::contract::{Chunk, Delta, Fault, FaultKind, ToolCallDelta, Usage, quarters};

use super::error::render_error;
use super::picture::{self, OutPicture, WirePicture};
use super::reply::{WireUsage, joined, read_finish, write_finish};
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
    if let Some(error) = wire.error.filter(|error| error.get() != "null") {
        let said = said_in(error.get());
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

/// The message of an error event: an object's `message`, or a bare text.
fn said_in(error: &str) -> String {
    #[derive(Deserialize)]
    struct Told {
        message: LossyText,
    }
    let told = serde_json::from_str::<Told>(error).map(|told| told.message);
    let said = told.or_else(|_| serde_json::from_str::<LossyText>(error));
    said.map_or_else(|_| "no message".to_owned(), |text| text.0)
}

/// Writes one chunk that came from elsewhere as a frame of this dialect.
/// `first` says that no chunk of this answer came before: it carries the role, which clients add up like text.
pub fn render_chunk(chunk: &Chunk, id: &str, model: &str, created: u64, first: bool) -> Bytes {
    if chunk.done {
        return Bytes::from_static(DONE_FRAME);
    }
    let out = OutChunk {
        id,
        object: "chat.completion.chunk",
        created,
        model,
        choices: chunk.deltas.iter().map(|delta| OutChoice::of(delta, first)).collect(),
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
    #[serde(default, deserialize_with = "lenient")]
    model: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    choices: Option<Vec<WireChoice>>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<WireUsage>,
    error: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default, deserialize_with = "lenient")]
    index: u32,
    #[serde(default, deserialize_with = "lenient")]
    delta: Option<WireDelta>,
    #[serde(default, deserialize_with = "lenient")]
    finish_reason: Option<LossyText>,
}

#[derive(Default, Deserialize)]
struct WireDelta {
    #[serde(default, deserialize_with = "lenient")]
    content: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    tool_calls: Option<Vec<WireToolCall>>,
    #[serde(default, deserialize_with = "lenient")]
    refusal: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    images: Option<Vec<WirePicture>>,
    reasoning_content: Option<Thought>,
    reasoning: Option<Thought>,
    audio: Option<IgnoredAny>,
    function_call: Option<Thought>,
}

#[derive(Deserialize)]
struct WireToolCall {
    #[serde(default, deserialize_with = "lenient")]
    index: u32,
    #[serde(default, deserialize_with = "lenient")]
    id: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    function: Option<WireFunction>,
}

#[derive(Deserialize)]
struct WireFunction {
    #[serde(default, deserialize_with = "lenient")]
    name: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    arguments: Option<LossyText>,
}

/// How much of it there is, whatever it is: a text, or what legacy calls are made of.
struct Thought(u64);

impl<'de> Deserialize<'de> for Thought {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = serde_json::from_str::<LossyText>(raw.get());
        Ok(Self(text.map_or_else(|_| quarters(raw.get()), |text| quarters(&text.0))))
    }
}

impl WireChoice {
    fn into_delta(self) -> Delta {
        let delta = self.delta.unwrap_or_default();
        let other = delta.reasoning_content.is_some()
            || delta.reasoning.is_some()
            || delta.audio.is_some()
            || delta.function_call.is_some();
        // Servers that tell thoughts under both names tell the same ones twice.
        let thought =
            [&delta.reasoning_content, &delta.reasoning].into_iter().flatten().map(|text| text.0).max();
        let thought = thought.unwrap_or(0) + delta.function_call.as_ref().map_or(0, |call| call.0);
        let tool_calls = delta.tool_calls.unwrap_or_default().into_iter().map(|call| {
            let (name, arguments) = call.function.map(|f| (f.name, f.arguments)).unwrap_or_default();
            let (name, id) = (name.map(|text| text.0), call.id.map(|text| text.0));
            ToolCallDelta { index: call.index, id, name, arguments: arguments.unwrap_or_default().0 }
        });
        let (pictures, links) = picture::read(delta.images);
        Delta {
            index: self.index,
            text: joined(delta.content.map(|text| text.0), links),
            refusal: delta.refusal.map(|text| text.0).filter(|text| !text.is_empty()),
            pictures,
            tool_calls: tool_calls.collect(),
            other,
            thought,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<OutPicture>,
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
    fn of(delta: &'a Delta, first: bool) -> Self {
        let tool_calls = delta.tool_calls.iter().map(|call| OutToolCall {
            index: call.index,
            id: call.id.as_deref(),
            r#type: call.id.is_some().then_some("function"),
            function: OutFunction { name: call.name.as_deref(), arguments: &call.arguments },
        });
        Self {
            index: delta.index,
            delta: OutDelta {
                role: first.then_some("assistant"),
                content: delta.text.as_deref(),
                refusal: delta.refusal.as_deref(),
                images: picture::write(&delta.pictures),
                tool_calls: tool_calls.collect(),
            },
            logprobs: None,
            finish_reason: delta.finish_reason.map(write_finish),
        }
    }
}

#[cfg(test)]
mod tests;

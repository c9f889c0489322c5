//! Answers in OpenAI's own shape, as its servers send them.
//!
//! The fields and their order are those of the API reference's examples; a test that needs other
//! bytes writes them itself.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Answer;

/// The id that every ready-made answer carries.
pub const ID: &str = "chatcmpl-123";
/// The model that every ready-made answer says it is.
pub const MODEL: &str = "upstream-model-2026";
/// The marker that ends a stream.
pub const DONE: &str = "data: [DONE]\n\n";

/// A whole answer that says `text`.
pub fn chat(text: &str) -> Answer {
    Answer::json(200, &chat_body(text))
}

/// The body of [`chat`].
pub fn chat_body(text: &str) -> Value {
    whole(&json!({"role": "assistant", "content": text, "refusal": null}), "stop")
}

/// A whole answer that calls one tool.
pub fn tool_call(id: &str, name: &str, arguments: &str) -> Answer {
    let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    Answer::json(200, &whole(&message, "tool_calls"))
}

/// A stream that says the pieces one by one, then stops; with the usage chunk, as OpenAI sends it
/// when `stream_options.include_usage` is set.
pub fn stream(pieces: &[&str]) -> Answer {
    Answer::sse(stream_frames(pieces))
}

/// The frames of [`stream`]: role, pieces, finish, usage, `[DONE]`.
pub fn stream_frames(pieces: &[&str]) -> Vec<Bytes> {
    let mut frames = vec![chunk(&json!({"role": "assistant", "content": ""}), None)];
    frames.extend(pieces.iter().map(|piece| chunk(&json!({"content": piece}), None)));
    frames.push(chunk(&json!({}), Some("stop")));
    frames.push(usage_frame());
    frames.push(Bytes::from_static(DONE.as_bytes()));
    frames
}

/// A stream that calls one tool, its arguments in pieces.
pub fn tool_call_stream(id: &str, name: &str, arguments: &[&str]) -> Answer {
    let first = json!({"role": "assistant", "content": null, "tool_calls":
        [{"index": 0, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]});
    let mut frames = vec![chunk(&first, None)];
    frames.extend(
        arguments.iter().map(|piece| {
            chunk(&json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), None)
        }),
    );
    frames.push(chunk(&json!({}), Some("tool_calls")));
    frames.push(usage_frame());
    frames.push(Bytes::from_static(DONE.as_bytes()));
    Answer::sse(frames)
}

/// An error in OpenAI's shape.
pub fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Answer {
    Answer::json(status, &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

/// One frame with a chunk of one choice.
pub fn chunk(delta: &Value, finish_reason: Option<&str>) -> Bytes {
    frame(&json!({
        "id": ID, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}],
        "usage": null,
    }))
}

/// The frame with the stream's usage: no choices.
pub fn usage_frame() -> Bytes {
    frame(&json!({
        "id": ID, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": MODEL,
        "choices": [], "usage": usage(),
    }))
}

fn frame(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}

fn whole(message: &Value, finish_reason: &str) -> Value {
    json!({
        "id": ID, "object": "chat.completion", "created": 1_700_000_000, "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason}],
        "usage": usage(),
    })
}

fn usage() -> Value {
    json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
}

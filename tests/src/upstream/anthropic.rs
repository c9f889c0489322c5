//! Answers in Anthropic's own shape, as its servers send them.
//!
//! The fields and their order are those of the API reference's examples; a test that needs other
//! bytes writes them itself.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Answer;

/// The id that every ready-made answer carries.
pub const ID: &str = "msg_123";
/// The model that every ready-made answer says it is.
pub const MODEL: &str = "claude-upstream-2026";

/// A whole answer that says `text`.
pub fn message(text: &str) -> Answer {
    Answer::json(200, &whole(&[json!({"type": "text", "text": text})], "end_turn"))
}

/// A whole answer that calls one tool.
pub fn tool_use(id: &str, name: &str, input: &Value) -> Answer {
    let call = json!({"type": "tool_use", "id": id, "name": name, "input": input});
    Answer::json(200, &whole(&[call], "tool_use"))
}

/// A stream that says the pieces one by one, then stops.
pub fn stream(pieces: &[&str]) -> Answer {
    Answer::sse(stream_frames(pieces))
}

/// The frames of [`stream`].
pub fn stream_frames(pieces: &[&str]) -> Vec<Bytes> {
    let start = json!({"type": "text", "text": ""});
    let deltas = pieces.iter().map(|piece| json!({"type": "text_delta", "text": piece}));
    one_block(&start, deltas, "end_turn")
}

/// A stream that calls one tool, its input in pieces.
pub fn tool_use_stream(id: &str, name: &str, input: &[&str]) -> Answer {
    let start = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
    let deltas = input.iter().map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
    Answer::sse(one_block(&start, deltas, "tool_use"))
}

/// An error in Anthropic's shape.
pub fn error(status: u16, kind: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}),
    )
}

/// One event's frame.
pub fn frame(event: &Value) -> Bytes {
    let name = event["type"].as_str().expect("an event has a type");
    Bytes::from(format!("event: {name}\ndata: {event}\n\n"))
}

fn one_block(start: &Value, deltas: impl Iterator<Item = Value>, stop: &str) -> Vec<Bytes> {
    let mut message = whole(&[], stop);
    message["stop_reason"] = Value::Null;
    let mut events = vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": start}),
        json!({"type": "ping"}),
    ];
    events.extend(deltas.map(|delta| json!({"type": "content_block_delta", "index": 0, "delta": delta})));
    events.push(json!({"type": "content_block_stop", "index": 0}));
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null},
        "usage": {"output_tokens": 7}}));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(frame).collect()
}

fn whole(content: &[Value], stop: &str) -> Value {
    json!({
        "id": ID, "type": "message", "role": "assistant", "model": MODEL, "content": content,
        "stop_reason": stop, "stop_sequence": null,
        "usage": {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 7},
    })
}

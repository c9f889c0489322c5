//! Answers in the shape of Bedrock's Converse, as botocore's model of the service has them.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use serde_json::{Value, json};

use super::Answer;

/// The media type of a stream.
pub const STREAM_TYPE: &str = "application/vnd.amazon.eventstream";

/// A whole answer of one text.
pub fn text(text: &str) -> Answer {
    whole(&json!([{ "text": text }]), "end_turn")
}

/// A whole answer of these blocks.
pub fn whole(content: &Value, stop_reason: &str) -> Answer {
    let message = json!({ "role": "assistant", "content": content });
    Answer::json(
        200,
        &json!({
            "output": { "message": message }, "stopReason": stop_reason, "usage": usage(), "metrics": { "latencyMs": 5 },
        }),
    )
}

/// A stream of these frames.
pub fn stream(frames: impl IntoIterator<Item = Bytes>) -> Answer {
    let empty = Answer::status(200).header("content-type", STREAM_TYPE).streamed();
    frames.into_iter().fold(empty, Answer::bytes)
}

/// The frames of a streamed text: start, pieces, end, usage.
pub fn text_frames(pieces: &[&str]) -> Vec<Bytes> {
    let mut frames = vec![event("messageStart", &json!({ "role": "assistant" }))];
    frames.extend(pieces.iter().map(|piece| piece_of(0, &json!({ "text": piece }))));
    frames.push(event("contentBlockStop", &json!({ "contentBlockIndex": 0 })));
    frames.extend(end("end_turn"));
    frames
}

/// The frames of a streamed call, its arguments in pieces.
pub fn call_frames(block: u32, id: &str, name: &str, arguments: &[&str]) -> Vec<Bytes> {
    let start =
        json!({ "contentBlockIndex": block, "start": { "toolUse": { "toolUseId": id, "name": name } } });
    let mut frames = vec![event("contentBlockStart", &start)];
    frames.extend(arguments.iter().map(|piece| piece_of(block, &json!({ "toolUse": { "input": piece } }))));
    frames.push(event("contentBlockStop", &json!({ "contentBlockIndex": block })));
    frames
}

/// The frames that end every stream.
pub fn end(stop_reason: &str) -> [Bytes; 2] {
    [
        event("messageStop", &json!({ "stopReason": stop_reason })),
        event("metadata", &json!({ "usage": usage(), "metrics": { "latencyMs": 5 } })),
    ]
}

/// One event's frame.
pub fn event(name: &str, payload: &Value) -> Bytes {
    frame("event", name, payload)
}

/// The frame of an exception.
pub fn exception(name: &str, message: &str) -> Bytes {
    frame("exception", name, &json!({ "message": message }))
}

/// An error answer; its name is in a header.
pub fn error(status: u16, name: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message })).header("x-amzn-errortype", name)
}

fn piece_of(block: u32, delta: &Value) -> Bytes {
    event("contentBlockDelta", &json!({ "contentBlockIndex": block, "delta": delta }))
}

fn frame(kind: &str, name: &str, payload: &Value) -> Bytes {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let message = Message::new(payload.to_string())
        .add_header(Header::new(format!(":{kind}-type"), text(name)))
        .add_header(Header::new(":content-type", text("application/json")))
        .add_header(Header::new(":message-type", text(kind)));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("a frame");
    bytes.into()
}

fn usage() -> Value {
    json!({ "inputTokens": 8, "outputTokens": 7, "totalTokens": 18, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 1 })
}

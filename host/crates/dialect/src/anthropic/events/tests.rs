use proptest::prelude::*;
use serde_json::{Value, json};

use jackfield_core::contract::{FaultKind, FinishReason};

use super::*;
use crate::speech::{SseReader, StreamReader};

fn frame(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"))
}

fn read(bytes: &[u8], native: bool, step: usize) -> Result<Vec<Chunk>, Fault> {
    let mut reader = SseReader::new(MessageEvents::new(native));
    let mut chunks = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        reader.push(piece);
        while let Some(chunk) = reader.next_chunk()? {
            let done = chunk.done;
            chunks.push(chunk);
            if done {
                return Ok(chunks);
            }
        }
    }
    chunks.push(reader.end()?);
    Ok(chunks)
}

fn stream(events: &[Value]) -> Vec<u8> {
    events.iter().map(frame).collect::<String>().into_bytes()
}

fn whole() -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {"model": "claude-x", "usage": {"input_tokens": 12,
            "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "h"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hé"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block":
            {"type": "tool_use", "id": "a", "name": "f", "input": {}}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"z\": "}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "1.50}"}}),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "content_block_start", "index": 3, "content_block":
            {"type": "tool_use", "id": "b", "name": "g", "input": {}}}),
        json!({"type": "content_block_stop", "index": 3}),
        json!({"type": "content_block_start", "index": 4, "content_block":
            {"type": "tool_use", "id": "c", "name": "h", "input": {"all": 1}}}),
        json!({"type": "content_block_stop", "index": 4}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 2}}}),
        json!({"type": "message_stop"}),
    ]
}

#[test]
fn blocks_become_text_and_calls() {
    let bytes = stream(&whole());
    let chunks = read(&bytes, false, bytes.len()).unwrap();
    let deltas: Vec<&Delta> = chunks.iter().flat_map(|chunk| &chunk.deltas).collect();
    let text: String = deltas.iter().filter_map(|delta| delta.text.as_deref()).collect();
    let mut calls = vec![(String::new(), String::new()); 3];
    for part in deltas.iter().flat_map(|delta| &delta.tool_calls) {
        let call = &mut calls[part.index as usize];
        call.0.push_str(part.id.as_deref().unwrap_or_default());
        call.1.push_str(&part.arguments);
    }
    assert_eq!(text, "Hé");
    let want = [("a", r#"{"z": 1.50}"#), ("b", "{}"), ("c", r#"{"all":1}"#)];
    assert_eq!(calls, want.map(|(id, arguments)| (id.to_owned(), arguments.to_owned())));
    assert!(deltas[0].other && deltas[0].has_substance(), "it is at work");
    let usage = chunks.iter().find_map(|chunk| chunk.usage).unwrap();
    assert_eq!((usage.input_tokens, usage.cached_input_tokens), (19, 4));
    assert_eq!((usage.output_tokens, usage.reasoning_tokens), (9, 2));
    assert_eq!(chunks.iter().find_map(|chunk| chunk.model.as_deref()), Some("claude-x"));
    let finish: Vec<_> =
        deltas.iter().filter(|delta| delta.finished).map(|delta| delta.finish_reason).collect();
    assert_eq!(finish, [Some(FinishReason::ToolCalls)]);
    assert!(chunks.last().unwrap().done && chunks.iter().all(|chunk| chunk.wire.is_none()));
}

#[test]
fn a_client_of_this_api_gets_every_byte() {
    let bytes = stream(&whole());
    let chunks = read(&bytes, true, 7).unwrap();
    let wire: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.wire.clone().unwrap().to_vec()).collect();
    assert_eq!(wire, bytes);
}

#[test]
fn an_error_has_its_class_and_an_unfinished_stream_is_broken() {
    use FaultKind as K;
    let rows = [
        ("overloaded_error", K::UpstreamFailed, Some(529)),
        ("api_error", K::UpstreamFailed, None),
        ("timeout_error", K::UpstreamFailed, None),
        ("rate_limit_error", K::UpstreamRateLimited, None),
        ("authentication_error", K::UpstreamAuth, None),
        ("billing_error", K::UpstreamAuth, None),
        ("invalid_request_error", K::UpstreamRefused, None),
        ("novel_error", K::UpstreamFailed, None),
    ];
    for (kind, want, status) in rows {
        let error = json!({"type": "error", "error": {"type": kind, "message": "what happened"}});
        let fault = read(&stream(&[whole()[0].clone(), error]), false, 9).unwrap_err();
        assert_eq!((fault.kind, fault.status), (want, status), "{kind}");
        assert!(fault.message.contains("what happened"));
    }
    let all = whole();
    let cut = stream(&all[..all.len() - 2]);
    assert_eq!(read(&cut, false, 9).unwrap_err().kind, K::UpstreamBroken);
    let unmarked = stream(&all[..all.len() - 1]);
    assert!(read(&unmarked, false, 9).unwrap().last().unwrap().done, "all was said");
    assert_eq!(read(b"data: nonsense\n\n", false, 9).unwrap_err().kind, K::UpstreamBroken);
}

proptest! {
    #[test]
    fn arbitrary_bytes_and_splits_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), text in super::super::request::tests::nearly(), step in 1..20_usize,
    ) {
        let _ = read(&bytes, true, step);
        let _ = read(format!("data: {text}\n\n").as_bytes(), false, step);
    }

    /// Events in any order, cut anywhere: read or refused, and the cuts change nothing.
    #[test]
    fn events_in_any_order_never_panic(order in prop::collection::vec(0..18_usize, 0..24), step in 1..50_usize) {
        let all = whole();
        let events: Vec<Value> = order.iter().map(|at| all[*at].clone()).collect();
        let bytes = stream(&events);
        let deltas = |result: Result<Vec<Chunk>, Fault>| {
            result.map(|chunks| chunks.into_iter().flat_map(|chunk| chunk.deltas).collect::<Vec<_>>())
                .map_err(|fault| fault.message)
        };
        prop_assert_eq!(deltas(read(&bytes, false, step)), deltas(read(&bytes, false, bytes.len())));
    }
}

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::call_id::split;
use jackfield_core::contract::FaultKind;

fn event(value: &Value) -> String {
    format!("data: {value}\r\n\r\n")
}

fn parts(parts: Value) -> Value {
    json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}, "modelVersion": "gemini-x"})
}

fn last(mut event: Value) -> Value {
    event["candidates"][0]["finishReason"] = json!("STOP");
    event["usageMetadata"] =
        json!({"promptTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 2});
    event
}

/// Reads a stream that comes in pieces of this size.
fn read(bytes: &[u8], size: usize) -> Result<Vec<Chunk>, Fault> {
    read_of(1, bytes, size)
}

/// The same where so many answers were asked for.
fn read_of(wanted: usize, bytes: &[u8], size: usize) -> Result<Vec<Chunk>, Fault> {
    let mut reader = Reader::new(Ids::after(b""), wanted);
    let mut chunks = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        reader.push(piece);
        while let Some(chunk) = reader.next_chunk()? {
            chunks.push(chunk);
        }
    }
    chunks.push(reader.end()?);
    Ok(chunks)
}

#[test]
fn a_stream_is_text_then_the_end_then_usage() {
    let stream = [
        parts(json!([{"text": "hmm", "thought": true}])),
        parts(json!([{"text": "he"}, {"text": "llo"}])),
        last(parts(json!([{"text": "", "thoughtSignature": "AAAA"}]))),
    ];
    let bytes: String = stream.iter().map(event).collect();
    let chunks = read(bytes.as_bytes(), 7).unwrap();
    let deltas: Vec<&Delta> = chunks.iter().flat_map(|chunk| &chunk.deltas).collect();
    assert_eq!(deltas.len(), 3);
    assert!(deltas[0].other && deltas[0].text.is_none());
    assert_eq!(deltas[1].text.as_deref(), Some("hello"));
    assert_eq!((deltas[2].finished, deltas[2].finish_reason), (true, Some(FinishReason::Stop)));
    assert_eq!(chunks.iter().filter(|chunk| chunk.usage.is_some()).count(), 1, "told once");
    assert!(chunks[3].deltas.is_empty() && chunks[4].done);
    assert_eq!(chunks[3].usage.unwrap().output_tokens, 7);
    assert_eq!(chunks[0].model.as_deref(), Some("gemini-x"));
}

#[test]
fn calls_count_on_over_events_and_end_as_calls() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {"n": 1}}});
    let mut first = parts(json!([call("f"), call("g")]));
    first["candidates"][0]["content"]["parts"][0]["thoughtSignature"] = json!("AAAA");
    let bytes =
        [first, parts(json!([call("h")])), last(parts(json!([])))].iter().map(event).collect::<String>();
    let chunks = read(bytes.as_bytes(), 1_000).unwrap();
    let calls: Vec<_> =
        chunks.iter().flat_map(|chunk| &chunk.deltas).flat_map(|delta| &delta.tool_calls).collect();
    let told = |call: &ToolCallDelta| {
        let id = split(call.id.as_deref().unwrap());
        (call.index, id.0.to_owned(), id.1, call.name.clone().unwrap(), call.arguments.clone())
    };
    let args = r#"{"n":1}"#.to_owned();
    assert_eq!(told(calls[0]), (0, "call_0".into(), Some("AAAA".into()), "f".into(), args.clone()));
    assert_eq!(told(calls[1]), (1, "call_1".into(), None, "g".into(), args.clone()));
    assert_eq!(told(calls[2]), (2, "call_2".into(), None, "h".into(), args));
    assert_eq!(chunks[2].deltas[0].finish_reason, Some(FinishReason::ToolCalls));
}

#[test]
fn all_candidates_must_end_and_a_blocked_prompt_does() {
    let of = |index: u32, reason: Value| {
        json!({"candidates": [{"index": index, "content": {"parts": [{"text": "x"}]}, "finishReason": reason}],
            "usageMetadata": {"promptTokenCount": 1}})
    };
    let two = [of(0, json!(null)), of(1, json!("STOP")), of(0, json!("MAX_TOKENS"))];
    let whole: String = two.iter().map(event).collect();
    let chunks = read(whole.as_bytes(), 1_000).unwrap();
    assert_eq!(chunks.iter().filter(|chunk| chunk.usage.is_some()).count(), 1);
    assert_eq!(chunks[1].deltas[0].index, 1);
    let half: String = two[..2].iter().map(event).collect();
    assert_eq!(read(half.as_bytes(), 1_000).unwrap_err().kind, FaultKind::UpstreamBroken);
    assert_eq!(read(b"", 1).unwrap_err().kind, FaultKind::UpstreamBroken);

    let blocked =
        event(&json!({"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": {"promptTokenCount": 4}}));
    let chunks = read(blocked.as_bytes(), 1_000).unwrap();
    assert_eq!(chunks[0].deltas[0].finish_reason, Some(FinishReason::ContentFilter));
    assert_eq!(chunks[1].usage.unwrap().input_tokens, 4);
}

#[test]
fn each_of_several_answers_ends_and_usage_is_told_once_after_all() {
    let of = |index: u32, reason: Value, tokens: u32| {
        json!({"candidates": [{"index": index, "content": {"parts": [{"text": "x"}]}, "finishReason": reason}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": tokens}})
    };
    // The first is over before the second begins; of three that were asked for, two came.
    let bytes: String =
        [of(0, json!("STOP"), 1), of(1, json!(null), 2), of(1, json!("STOP"), 3)].iter().map(event).collect();
    for wanted in [2, 3] {
        let chunks = read_of(wanted, bytes.as_bytes(), 50).unwrap();
        let ends: Vec<u32> =
            chunks.iter().flat_map(|c| &c.deltas).filter(|d| d.finished).map(|d| d.index).collect();
        assert_eq!(ends, [0, 1]);
        let usage: Vec<u64> = chunks.iter().filter_map(|c| Some(c.usage?.output_tokens)).collect();
        assert_eq!(usage, [3], "of {wanted}");
        assert!(chunks.last().unwrap().done);
    }
}

#[test]
fn errors_and_rubbish_in_a_stream_are_faults() {
    let said = event(&parts(json!([{"text": "x"}])));
    for (bad, kind, says) in [
        (json!({"error": {"code": 503, "message": "overheated"}}), FaultKind::UpstreamFailed, "overheated"),
        (json!({"error": {"code": 429, "message": "slow"}}), FaultKind::UpstreamRateLimited, "slow"),
        (json!(7), FaultKind::UpstreamBroken, ""),
        (json!({"candidates": [{"index": 128}]}), FaultKind::UpstreamBroken, "candidates"),
        (
            json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}),
            FaultKind::UpstreamBroken,
            "MALFORMED",
        ),
    ] {
        let fault = read(format!("{said}{}", event(&bad)).as_bytes(), 1_000).unwrap_err();
        assert_eq!(fault.kind, kind, "{bad}");
        assert!(fault.message.contains(says), "{fault}");
    }
}

proptest! {
    #[test]
    fn any_split_reads_the_same(texts in prop::collection::vec(any::<String>(), 1..6), size in 1_usize..50) {
        let mut events: Vec<Value> = texts.iter().map(|text| parts(json!([{"text": text}]))).collect();
        events.push(last(parts(json!([]))));
        let bytes: String = events.iter().map(event).collect();
        let said: String = read(bytes.as_bytes(), size)
            .unwrap()
            .into_iter()
            .flat_map(|chunk| chunk.deltas)
            .filter_map(|delta| delta.text)
            .collect();
        prop_assert_eq!(said, texts.concat());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..40) {
        let _ = read(&bytes, size);
        let _ = read(format!("data: {}\n\n", String::from_utf8_lossy(&bytes)).as_bytes(), size);
    }
}

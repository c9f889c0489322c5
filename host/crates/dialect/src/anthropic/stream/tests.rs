use proptest::prelude::*;
use serde_json::{Value, json};

use jackfield_core::contract::Picture;

use super::*;

fn writer() -> Writer {
    Writer::new(StreamHead { id: "1".into(), model: "m".into(), created: 1, include_usage: true })
}

fn text(text: &str) -> Chunk {
    delta(Delta { text: Some(text.into()), ..Delta::default() })
}

fn call(index: u32, id: Option<&str>, arguments: &str) -> Chunk {
    let name = id.map(|id| format!("f{id}"));
    let call = ToolCallDelta { index, id: id.map(str::to_owned), name, arguments: arguments.into() };
    delta(Delta { tool_calls: vec![call], ..Delta::default() })
}

fn end(finish_reason: Option<FinishReason>) -> Chunk {
    delta(Delta { finish_reason, finished: true, ..Delta::default() })
}

fn delta(delta: Delta) -> Chunk {
    Chunk { deltas: vec![delta], ..Chunk::default() }
}

fn done() -> Chunk {
    Chunk { done: true, ..Chunk::default() }
}

/// The events that a client gets; each frame's name is its event's type.
fn events(writer: &mut Writer, chunks: &[Chunk]) -> Vec<Value> {
    let bytes: Vec<u8> = chunks.iter().filter_map(|chunk| writer.chunk(chunk)).flatten().collect();
    read(&bytes)
}

fn read(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frames = text.split_terminator("\n\n").map(|frame| {
        let (event, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(event.strip_prefix("event: "), data["type"].as_str());
        data
    });
    frames.collect()
}

/// What a client adds up: each block as its type, its id and its text. Checks the order of everything.
fn added_up(events: &[Value]) -> Vec<(String, String, String)> {
    let mut blocks = Vec::new();
    let mut open = false;
    for (at, event) in events.iter().enumerate() {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(at == 0, kind == "message_start", "{events:#?}");
        assert_eq!(at + 1 == events.len(), kind == "message_stop", "{events:#?}");
        assert_eq!(at + 2 == events.len(), kind == "message_delta", "{events:#?}");
        match kind {
            "content_block_start" => {
                assert!(!open && event["index"] == blocks.len(), "{events:#?}");
                open = true;
                let block = &event["content_block"];
                let field = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
                blocks.push((field("type"), field("id"), String::new()));
            }
            "content_block_delta" => {
                assert!(open && event["index"] == blocks.len() - 1, "{events:#?}");
                let block = blocks.last_mut().unwrap();
                let (kind, name) = match block.0.as_str() {
                    "text" => ("text_delta", "text"),
                    _ => ("input_json_delta", "partial_json"),
                };
                assert_eq!(event["delta"]["type"], kind, "{events:#?}");
                block.2.push_str(event["delta"][name].as_str().unwrap());
            }
            "content_block_stop" => {
                assert!(open && event["index"] == blocks.len() - 1, "{events:#?}");
                open = false;
            }
            _ => assert!(!open, "{events:#?}"),
        }
    }
    blocks
}

fn block(kind: &str, id: &str, text: &str) -> (String, String, String) {
    (kind.to_owned(), id.to_owned(), text.to_owned())
}

#[test]
fn text_and_calls_become_blocks() {
    let usage = Usage { input_tokens: 9, cached_input_tokens: 4, output_tokens: 3, ..Usage::default() };
    let chunks = [
        text(""),
        text("a"),
        text("b"),
        call(0, Some("x"), ""),
        call(0, None, "{\"n\":"),
        call(0, None, "1}"),
        call(1, Some("y"), "{}"),
        end(Some(FinishReason::ToolCalls)),
        Chunk { usage: Some(usage), ..Chunk::default() },
        done(),
        text("late"),
    ];
    let events = events(&mut writer(), &chunks);
    assert_eq!(
        added_up(&events),
        [block("text", "", "ab"), block("tool_use", "x", "{\"n\":1}"), block("tool_use", "y", "{}")]
    );
    assert_eq!(events[0]["message"]["id"], "msg_1");
    let last = &events[events.len() - 2];
    assert_eq!(last["delta"], json!({"stop_reason": "tool_use", "stop_sequence": null}));
    assert_eq!(
        (&last["usage"]["input_tokens"], &last["usage"]["cache_read_input_tokens"]),
        (&json!(5), &json!(4))
    );
}

#[test]
fn a_block_is_sent_as_it_grows_and_the_next_waits_for_it() {
    let mut writer = writer();
    let mut next = |chunk: Chunk| writer.chunk(&chunk).map(|bytes| read(&bytes)).unwrap_or_default();
    assert_eq!(next(text("a")).len(), 3, "start, block, text");
    assert_eq!(next(text("b"))[0]["delta"]["text"], "b");
    assert_eq!(next(call(0, Some("x"), "{\"n\":")).len(), 3, "the text closes, the call opens");
    assert!(next(call(1, Some("y"), "{\"m\":")).is_empty(), "two at once: the second waits");
    assert_eq!(next(call(0, None, "1}")).len(), 4, "the first is whole: the second follows");
    assert_eq!(next(call(1, None, "2}"))[0]["delta"]["partial_json"], "2}");
}

#[test]
fn every_end_is_an_end() {
    let rows = [
        (vec![done()], "end_turn"),
        (vec![text("a"), end(Some(FinishReason::Stop)), done()], "end_turn"),
        (vec![text("a"), end(Some(FinishReason::Length)), done()], "max_tokens"),
        (vec![end(Some(FinishReason::ContentFilter)), done()], "refusal"),
        (vec![text("a"), end(None), done()], "end_turn"),
        (vec![call(0, Some("x"), "{}"), end(Some(FinishReason::Stop)), done()], "tool_use"),
    ];
    for (chunks, want) in rows {
        let events = events(&mut writer(), &chunks);
        added_up(&events);
        assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], want);
    }
    let mut broken = writer();
    let mut bytes = broken.chunk(&text("a")).unwrap().to_vec();
    bytes.extend_from_slice(&broken.error(&Fault::new(FaultKind::UpstreamBroken, "torn")));
    assert!(broken.chunk(&done()).is_none(), "an error is the end");
    assert_eq!(
        read(&bytes).last().unwrap(),
        &json!({"type": "error", "error": {"type": "api_error", "message": "torn"}})
    );
}

#[test]
fn a_providers_own_frames_are_passed_on() {
    let frame = |text: &'static str| Chunk { wire: Some(Bytes::from(text)), ..Chunk::default() };
    let mut own = writer();
    assert_eq!(own.chunk(&frame("event: x\n\n")).unwrap(), "event: x\n\n");
    // The wire ended without the marker.
    assert_eq!(read(&own.chunk(&done()).unwrap()), [json!({"type": "message_stop"})]);
    assert!(own.chunk(&done()).is_none());
}

#[test]
fn what_waits_is_bounded() {
    let mut writer = writer();
    writer.chunk(&call(0, Some("x"), "{"));
    let piece = "x".repeat(1 << 20);
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.extend(writer.chunk(&call(1, Some("y"), &piece)).unwrap_or_default());
    }
    let events = read(&sent);
    assert_eq!(events.last().unwrap()["type"], "error");
    assert!(writer.chunk(&done()).is_none());
}

fn picture() -> Picture {
    Picture { media_type: "image/png".into(), data: "iVBORw0KGgo=".into() }
}

/// All that a delta says to people.
fn words(delta: &Delta) -> String {
    let said = [&delta.text, &delta.refusal].into_iter().flatten().map(String::as_str).collect::<String>();
    said + &delta.pictures.iter().map(unshown).collect::<String>()
}

fn chunk() -> impl Strategy<Value = Chunk> {
    let part = (0..3_u32, prop::option::of("[a-c]{0,2}"), "[{}\"a]{0,3}")
        .prop_map(|(index, id, arguments)| ToolCallDelta { index, name: id.clone(), id, arguments });
    let finish = prop::sample::select(vec![
        None,
        Some(FinishReason::Stop),
        Some(FinishReason::Length),
        Some(FinishReason::ToolCalls),
    ]);
    let text = || prop::option::of("[a-zé]{0,3}");
    let said = (0..2_u32, text(), text(), prop::option::weighted(0.1, Just(picture())));
    let one = (said, prop::collection::vec(part, 0..3), finish, any::<bool>());
    let one = one.prop_map(|((index, text, refusal, picture), tool_calls, finish_reason, finished)| Delta {
        index,
        text,
        refusal,
        pictures: picture.into_iter().collect(),
        tool_calls,
        finish_reason,
        finished,
        other: false,
        thought: 0,
    });
    let usage =
        prop::option::of((0..9_u64).prop_map(|tokens| Usage { input_tokens: tokens, ..Usage::default() }));
    (prop::collection::vec(one, 0..3), usage).prop_map(|(deltas, usage)| Chunk {
        deltas,
        usage,
        ..Chunk::default()
    })
}

proptest! {
    /// Whatever chunks come, in whatever order: the events are well-formed, and nothing of the first choice's text is lost.
    #[test]
    fn any_chunks_make_a_well_formed_stream(chunks in prop::collection::vec(chunk(), 0..12), more in prop::collection::vec(chunk(), 0..3)) {
        let mut writer = writer();
        let mut all = chunks.clone();
        all.push(done());
        all.extend(more);
        all.push(done());
        let events = events(&mut writer, &all);
        let blocks = added_up(&events);
        let deltas = || chunks.iter().flat_map(|chunk| &chunk.deltas).filter(|delta| delta.index == 0);
        let said: String = deltas().map(words).collect();
        let got: String = blocks.iter().filter(|block| block.0 == "text").map(|block| block.2.as_str()).collect();
        prop_assert_eq!(got, said);
        let calls: BTreeSet<u32> = deltas().flat_map(|delta| &delta.tool_calls).map(|call| call.index).collect();
        prop_assert_eq!(blocks.iter().filter(|block| block.0 == "tool_use").count(), calls.len());
        prop_assert!(blocks.iter().all(|block| block.0 == "text" || !block.1.is_empty()), "every call has an id");
    }

    /// An error may come at any time and is the last event.
    #[test]
    fn an_error_is_always_last(chunks in prop::collection::vec(chunk(), 0..8)) {
        let mut writer = writer();
        let mut bytes: Vec<u8> = chunks.iter().filter_map(|chunk| writer.chunk(chunk)).flatten().collect();
        bytes.extend_from_slice(&writer.error(&Fault::new(FaultKind::Stopping, "over")));
        let events = read(&bytes);
        prop_assert_eq!(&events.last().unwrap()["type"], "error");
        prop_assert!(events.iter().filter(|event| event["type"] == "message_start").count() <= 1);
        prop_assert!(writer.chunk(&done()).is_none());
    }
}

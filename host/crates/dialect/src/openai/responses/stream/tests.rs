use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn writer() -> Writer {
    let head = StreamHead { id: "x".into(), model: "m".into(), created: 5, include_usage: true };
    Writer::new(Echo::default(), head)
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let frames = text.split_terminator("\n\n").map(|frame| {
        let (event, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(event, format!("event: {}", data["type"].as_str().unwrap()));
        data
    });
    frames.collect()
}

fn run(writer: &mut Writer, chunks: &[Chunk]) -> Vec<Value> {
    let bytes: Vec<u8> = chunks.iter().filter_map(|chunk| writer.chunk(chunk)).flatten().collect();
    events(&bytes)
}

fn chunk(delta: Delta) -> Chunk {
    Chunk { deltas: vec![delta], ..Chunk::default() }
}

fn text(text: &str) -> Chunk {
    chunk(Delta { text: Some(text.into()), ..Delta::default() })
}

fn call(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Chunk {
    let (id, name) = (id.map(str::to_owned), name.map(str::to_owned));
    let part = ToolCallDelta { index, id, name, arguments: arguments.into() };
    chunk(Delta { tool_calls: vec![part], ..Delta::default() })
}

fn finish(reason: FinishReason) -> Chunk {
    chunk(Delta { finish_reason: Some(reason), finished: true, ..Delta::default() })
}

fn done() -> Chunk {
    Chunk { done: true, ..Chunk::default() }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().trim_start_matches("response.")).collect()
}

#[test]
fn a_text_and_two_calls_are_told_in_the_apis_order() {
    let usage = Usage { input_tokens: 2, output_tokens: 3, ..Usage::default() };
    let chunks = [
        text("a"),
        text("b"),
        call(0, Some("c0"), Some("f"), ""),
        call(1, Some("c1"), Some("g"), "{"),
        call(0, None, None, "{}"),
        call(1, None, None, "}"),
        finish(FinishReason::ToolCalls),
        Chunk { usage: Some(usage), ..Chunk::default() },
        done(),
    ];
    let all = run(&mut writer(), &chunks);
    let want = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds(&all), want);
    let last = &all.last().unwrap()["response"];
    assert_eq!(last["usage"]["total_tokens"], 5);
    let output = last["output"].as_array().unwrap();
    assert_eq!(output[0]["content"][0]["text"], "ab");
    assert_eq!((&output[1]["call_id"], &output[1]["arguments"]), (&json!("c0"), &json!("{}")));
    assert_eq!((&output[2]["call_id"], &output[2]["name"]), (&json!("c1"), &json!("g")));
    well_formed(&all, true);
}

#[test]
fn the_end_says_what_cut_the_answer_off() {
    let all = run(&mut writer(), &[text("a"), finish(FinishReason::Length), done()]);
    let last = all.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
}

#[test]
fn a_call_that_broke_off_does_not_look_like_one_to_be_made() {
    let mut writer = writer();
    let mut all = run(&mut writer, &[call(0, Some("c"), Some("f"), "{\"amount\": 1")]);
    let fault = Fault::new(FaultKind::UpstreamRateLimited, "slow down");
    all.extend(events(&writer.error(&fault)));
    assert!(!kinds(&all).iter().any(|kind| kind.ends_with("done")), "{all:?}");
    let [error, failed] = &all[all.len() - 2..] else { panic!("{all:?}") };
    assert_eq!((&error["type"], &error["message"]), (&json!("error"), &json!("slow down")));
    assert_eq!(failed["response"]["error"], json!({"code": "rate_limit_exceeded", "message": "slow down"}));
    assert_eq!(failed["response"]["output"][0]["status"], "incomplete");
    well_formed(&all, true);
    assert!(writer.error(&fault).is_empty() && writer.chunk(&done()).is_none());
}

#[test]
fn a_call_waits_for_its_name_and_is_told_without_one_in_the_end() {
    let chunks =
        [call(0, Some("c"), None, "{"), call(0, None, Some("f"), "}"), call(1, None, None, "x"), done()];
    let all = run(&mut writer(), &chunks);
    let output = &all.last().unwrap()["response"]["output"];
    assert_eq!((&output[0]["name"], &output[0]["arguments"]), (&json!("f"), &json!("{}")));
    assert_eq!((&output[1]["name"], &output[1]["call_id"]), (&json!(""), &json!("call_x_1")));
    well_formed(&all, true);
}

#[test]
fn what_is_held_is_bounded() {
    let mut writer = writer();
    let piece = text(&"x".repeat(1 << 20));
    let failed = (0..20).find_map(|_| {
        let bytes = writer.chunk(&piece)?;
        events(&bytes).pop().filter(|event| event["type"] == "response.failed")
    });
    assert!(failed.is_some());
    assert!(writer.held <= MAX_HELD + PART + (1 << 20));
    assert!(writer.chunk(&piece).is_none());
    assert_eq!(writer.broken().map(|fault| fault.kind), Some(FaultKind::UpstreamBroken));
}

/// Checks what every client relies on: numbers, the order of an item's events, and that the end repeats what was told.
fn well_formed(all: &[Value], ended: bool) {
    for (at, event) in all.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "{event}");
    }
    if all.is_empty() {
        return;
    }
    assert_eq!(&kinds(all)[..2], ["created", "in_progress"]);
    let ends = ["completed", "incomplete", "failed"];
    let count = kinds(all).iter().filter(|kind| ends.contains(kind)).count();
    assert_eq!(count, usize::from(ended));
    assert!(!ended || ends.contains(kinds(all).last().unwrap()), "{:?}", kinds(all));
    // What each item is at, and the text it has.
    let mut items: BTreeMap<u64, (&str, String, Value)> = BTreeMap::new();
    for event in &all[2..] {
        let kind = event["type"].as_str().unwrap();
        let Some(at) = event["output_index"].as_u64() else { continue };
        if kind == "response.output_item.added" {
            assert_eq!(at, items.len() as u64, "items are added in order");
            assert_eq!(event["item"]["status"], "in_progress");
            let first = match event["item"]["type"].as_str().unwrap() {
                "message" => "added",
                "image_generation_call" => "drawn",
                _ => "grows",
            };
            items.insert(at, (first, String::new(), event["item"].clone()));
            continue;
        }
        let (state, so_far, item) = items.get_mut(&at).expect("an item that was added");
        if event.get("item_id").is_some() {
            assert_eq!(event["item_id"], item["id"]);
        }
        *state = match (&**state, kind) {
            // A message has a part of another kind after one that is whole.
            ("added" | "whole", "response.content_part.added") => {
                assert_eq!(event["content_index"], item["content"].as_array().unwrap().len());
                let before = item["content"].as_array().unwrap().last();
                assert!(before.is_none_or(|before| before["type"] != event["part"]["type"]));
                so_far.clear();
                if event["part"]["type"] == "refusal" { "refuses" } else { "grows" }
            }
            ("refuses", "response.refusal.delta") => {
                so_far.push_str(event["delta"].as_str().unwrap());
                "refuses"
            }
            ("refuses", "response.refusal.done") => {
                assert_eq!(event["refusal"], **so_far);
                "said"
            }
            ("drawn", "response.image_generation_call.in_progress") => "drawn",
            ("drawn", "response.image_generation_call.completed") => "whole",
            ("grows", "response.output_text.delta" | "response.function_call_arguments.delta") => {
                so_far.push_str(event["delta"].as_str().unwrap());
                "grows"
            }
            ("grows", "response.output_text.done") => {
                assert_eq!(event["text"], **so_far);
                "said"
            }
            ("said", "response.content_part.done") => {
                let part = &event["part"];
                assert_eq!(
                    if part["type"] == "refusal" { &part["refusal"] } else { &part["text"] },
                    &**so_far
                );
                item["content"].as_array_mut().unwrap().push(part.clone());
                "whole"
            }
            ("grows", "response.function_call_arguments.done") => {
                assert_eq!(event["arguments"], **so_far);
                "whole"
            }
            ("whole", "response.output_item.done") => {
                assert_eq!(event["item"]["id"], item["id"]);
                assert_ne!(event["item"]["status"], "in_progress");
                assert_eq!(event["item"].get("content"), item.get("content"));
                assert!(event["item"].get("result").is_none_or(Value::is_string));
                *item = event["item"].clone();
                "done"
            }
            (state, kind) => panic!("{kind} when the item {state}"),
        };
    }
    let last = all.last().unwrap();
    if matches!(last["type"].as_str(), Some("response.completed" | "response.incomplete")) {
        assert!(items.values().all(|(state, ..)| *state == "done"), "{items:?}");
        let told: Vec<Value> = items.into_values().map(|(.., item)| item).collect();
        assert!(!told.is_empty());
        assert_eq!(last["response"]["output"], Value::from(told));
    }
}

fn any_delta() -> impl Strategy<Value = Delta> {
    let short = || prop::sample::select(vec!["", "a", "b\n\n", "\"", "é"]).prop_map(str::to_owned);
    let part = (0..3_u32, proptest::option::of(short()), proptest::option::of(short()), short())
        .prop_map(|(index, id, name, arguments)| ToolCallDelta { index, id, name, arguments });
    let reason = prop::sample::select(vec![
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ToolCalls,
        FinishReason::ContentFilter,
    ]);
    (
        0..2_u32,
        (proptest::option::of(short()), proptest::option::of(short()), prop::bool::weighted(0.1)),
        proptest::collection::vec(part, 0..3),
        proptest::option::of(reason),
    )
        .prop_map(|(index, (text, refusal, draws), tool_calls, finish_reason)| Delta {
            index,
            text,
            refusal,
            pictures: draws
                .then(|| Picture { media_type: "image/png".into(), data: "AAAA".into() })
                .into_iter()
                .collect(),
            tool_calls,
            other: false,
            thought: 0,
            finished: finish_reason.is_some(),
            finish_reason,
        })
}

fn any_chunk() -> impl Strategy<Value = Chunk> {
    (proptest::collection::vec(any_delta(), 0..3), any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(deltas, usage, done)| Chunk { deltas, usage: usage.then(Usage::default), done, ..Chunk::default() },
    )
}

proptest! {
    #[test]
    fn any_chunks_become_a_well_formed_sequence(
        chunks in proptest::collection::vec(any_chunk(), 0..20),
        fault in any::<bool>(),
    ) {
        let mut writer = writer();
        let mut all = run(&mut writer, &chunks);
        let ended = chunks.iter().any(|chunk| chunk.done);
        well_formed(&all, ended);
        if fault {
            all.extend(events(&writer.error(&Fault::new(FaultKind::UpstreamBroken, "it broke"))));
            well_formed(&all, true);
        }
    }
}

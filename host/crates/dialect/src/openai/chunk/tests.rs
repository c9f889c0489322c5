use super::*;
use crate::sse::Decoder;
use jackfield_core::contract::FinishReason;

fn chunk(text: &str) -> Result<Chunk, Fault> {
    let mut decoder = Decoder::default();
    decoder.push(text.as_bytes());
    parse_chunk(decoder.next_frame().unwrap().unwrap())
}

#[test]
fn reads_text_tools_usage_and_the_end() {
    let text =
        chunk("data: {\"model\":\"m\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"hi\"}}]}\n\n")
            .unwrap();
    assert_eq!((text.deltas[0].index, text.deltas[0].text.as_deref()), (1, Some("hi")));
    assert!(text.deltas[0].has_substance() && !text.deltas[0].finished);

    let role = chunk(
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}}]}\n\n",
    )
    .unwrap();
    assert!(!role.deltas[0].has_substance());

    let refusal = chunk("data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}\n\n").unwrap();
    assert!(refusal.deltas[0].has_substance());

    let tool = chunk(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":2,\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n",
    )
    .unwrap();
    let call = &tool.deltas[0].tool_calls[0];
    assert_eq!(
        (call.index, call.id.as_deref(), call.name.as_deref(), call.arguments.as_str()),
        (2, Some("t"), Some("f"), "{")
    );

    let end = chunk("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n").unwrap();
    assert_eq!((end.deltas[0].finish_reason, end.deltas[0].finished), (Some(FinishReason::Stop), true));

    let usage =
        chunk("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n").unwrap();
    assert_eq!(usage.usage.unwrap().output_tokens, 4);
    assert!(usage.deltas.is_empty());

    assert!(chunk("data: [DONE]\n\n").unwrap().done);
    assert!(chunk(": ping\n\n").unwrap().deltas.is_empty());
}

#[test]
fn an_error_event_or_rubbish_is_a_fault() {
    let said = chunk("data: {\"error\":{\"message\":\"overheated\"}}\n\n").unwrap_err();
    assert_eq!(said.kind, FaultKind::UpstreamFailed);
    assert!(said.message.contains("overheated"));
    assert_eq!(chunk("data: nonsense\n\n").unwrap_err().kind, FaultKind::UpstreamBroken);
}

#[test]
fn what_is_written_reads_back_the_same() {
    let deltas = vec![
        Delta { text: Some("hé\n".into()), ..Delta::default() },
        Delta {
            index: 1,
            tool_calls: vec![ToolCallDelta {
                index: 0,
                id: Some("i".into()),
                name: Some("f".into()),
                arguments: "{".into(),
            }],
            ..Delta::default()
        },
        Delta { index: 2, finish_reason: Some(FinishReason::Stop), finished: true, ..Delta::default() },
    ];
    let written = Chunk { deltas, usage: None, ..Chunk::default() };
    let frame = render_chunk(&written, "id", "m", 1, true);
    let back = chunk(std::str::from_utf8(&frame).unwrap()).unwrap();
    assert_eq!(back.deltas, written.deltas);
    let done = Chunk { done: true, ..Chunk::default() };
    assert!(chunk(std::str::from_utf8(&render_chunk(&done, "id", "m", 1, false)).unwrap()).unwrap().done);
}

#[test]
fn the_role_is_told_once() {
    let text =
        Chunk { deltas: vec![Delta { text: Some("a".into()), ..Delta::default() }], ..Chunk::default() };
    let role =
        |first| String::from_utf8_lossy(&render_chunk(&text, "id", "m", 1, first)).contains("assistant");
    assert_eq!((role(true), role(false)), (true, false));
}

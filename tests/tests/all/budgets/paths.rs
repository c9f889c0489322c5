//! Every way a call may end is a row: what is charged for each call, exactly or at an estimate, and that nothing stays
//! reserved.

use jackfield_tests::guest::{consulting, validator};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Match, openai};
use serde_json::{Value, json};

use super::{ANSWER, body, daily, nanos, start, used, yaml};
use crate::world::World;

/// What a call cost.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cost {
    /// As the provider counted it.
    Exact(u64),
    /// As nobody counted it: more than nothing.
    Estimated,
    /// Nothing.
    Released,
}

use Cost::{Estimated, Exact, Released};

struct Row {
    name: &'static str,
    orchestrator: &'static str,
    script: Vec<Answer>,
    stream: bool,
    status: u16,
    costs: &'static [Cost],
}

fn row(name: &'static str, script: Vec<Answer>, status: u16, costs: &'static [Cost]) -> Row {
    Row { name, orchestrator: "", script, stream: false, status, costs }
}

fn broken_stream() -> Answer {
    Answer::sse(openai::stream_frames(&["some ", "words"])[..3].to_vec()).then_cut()
}

fn too_long() -> Answer {
    openai::error(400, "invalid_request_error", Some("context_length_exceeded"), "too long")
}

/// A whole answer without usage.
fn uncounted() -> Answer {
    let mut body = openai::chat_body("fine words");
    body.as_object_mut().unwrap().remove("usage");
    Answer::json(200, &body)
}

fn uncounted_stream() -> Answer {
    let mut frames = openai::stream_frames(&["fine ", "words"]);
    let usage = frames.len() - 2;
    frames.remove(usage);
    Answer::sse(frames)
}

fn rows() -> Vec<Row> {
    let both = "  fallback: { dear: [cheap] }\n";
    let checked = "  fallback: { dear: [cheap] }\n  validators: [not_empty]\n";
    let streamed = |row: Row| Row { stream: true, ..row };
    let with = |orchestrator, row: Row| Row { orchestrator, ..row };
    let ok = || openai::chat("fine");
    const CHEAP: Cost = Exact(ANSWER / 10);
    vec![
        row("a whole answer", vec![ok()], 200, &[Exact(ANSWER)]),
        streamed(row("a stream", vec![openai::stream(&["fi", "ne"])], 200, &[Exact(ANSWER)])),
        row("an answer that nobody counted", vec![uncounted()], 200, &[Estimated]),
        streamed(row("a stream that nobody counted", vec![uncounted_stream()], 200, &[Estimated])),
        row("a request that is refused", vec![openai::error(400, "x", None, "no")], 400, &[Released]),
        row("a key that is refused", vec![openai::error(401, "x", None, "no")], 502, &[Released]),
        row("a rate that is limited", vec![openai::error(429, "x", None, "no")], 429, &[Released]),
        row("a server that failed", vec![openai::error(500, "x", None, "no")], 502, &[Released]),
        row("a server in between gave up", vec![openai::error(504, "x", None, "no")], 502, &[Estimated]),
        row("a connection cut before the head", vec![Answer::cut()], 502, &[Estimated]),
        with(both, row("a conversation too long", vec![too_long(), ok()], 200, &[Released, CHEAP])),
        with(
            both,
            row("no answer", vec![Answer::raw(200, "application/json", "{"), ok()], 200, &[Estimated, CHEAP]),
        ),
        with(
            checked,
            row("an answer that is rejected", vec![openai::chat(""), ok()], 200, &[Exact(ANSWER), CHEAP]),
        ),
        streamed(with(
            checked,
            row(
                "a held stream that is rejected",
                vec![openai::stream(&[""]), openai::stream(&["fine"])],
                200,
                &[Exact(ANSWER), CHEAP],
            ),
        )),
        streamed(row("a stream that breaks off", vec![broken_stream()], 200, &[Estimated])),
        streamed(with(
            both,
            row(
                "a stream that breaks off before it begins",
                vec![Answer::sse(Vec::<String>::new()).then_cut(), openai::stream(&["fine"])],
                200,
                &[Estimated, CHEAP],
            ),
        )),
    ]
}

/// What each attempt of a record cost.
fn costs(record: &Value) -> Vec<Option<u64>> {
    let steps = record["steps"].as_array().unwrap().iter();
    let attempts = steps.filter(|step| step["step"] == "attempt");
    attempts.map(|step| step["cost_usd"].as_str().map(nanos)).collect()
}

/// Holds the attempts of a record against what is wanted, and its sum against what is used of the budget.
async fn holds(world: &World, record: &Value, want: &[Cost], name: &str) {
    let got = costs(record);
    assert_eq!(got.len(), want.len(), "{name}: {record:#}");
    for (got, want) in got.iter().zip(want) {
        match want {
            Exact(cost) => assert_eq!(*got, Some(*cost), "{name}: {record:#}"),
            Estimated => assert!(got.is_some_and(|cost| cost > 1_000), "{name}: {record:#}"),
            Released => assert_eq!(*got, None, "{name}: {record:#}"),
        }
    }
    let sum: u64 = got.iter().flatten().sum();
    assert_eq!(record["cost_usd"].as_str().map(nanos), Some(sum), "{name}: {record:#}");
    assert_eq!(used(&world.gateway).await, sum, "{name}: nothing stays reserved, {record:#}");
}

#[tokio::test]
async fn every_call_is_charged_once_whatever_becomes_of_it() {
    for row in rows() {
        let world = start(&format!("{}{}", row.orchestrator, daily(1_000_000_000))).await;
        let count = row.script.len();
        for answer in row.script {
            world.upstream.push(answer);
        }
        let reply = world.gateway.stream(body(&json!({ "stream": row.stream }))).await;
        assert_eq!(reply.status, row.status, "{}: {}", row.name, String::from_utf8_lossy(&reply.body));
        let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(world.upstream.requests().len(), count, "{}", row.name);
        holds(&world, &record, row.costs, row.name).await;
        let estimated = row.costs.last() == Some(&Estimated) && row.status == 200;
        assert_eq!(
            record["usage"]["estimated"].as_bool().unwrap_or(false),
            estimated,
            "{}: {record:#}",
            row.name
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_bills_nothing() {
    let world = start(&daily(1_000_000_000)).await;
    world.upstream.refuse_connections().await;
    let reply = world.gateway.chat(body(&json!({}))).await;
    let record = super::record(&world, &reply).await;
    holds(&world, &record, &[Released], "not there").await;
}

#[tokio::test]
async fn a_client_that_leaves_pays_for_what_came_of_its_call() {
    let frames = openai::stream_frames(&["one ", "two ", "three"]);
    for (name, stream, answer) in [
        ("before the head of a whole answer", false, Answer::status(200).hang_before_head("never")),
        ("before the head of a stream", true, Answer::status(200).hang_before_head("never")),
        ("before the first word", true, Answer::sse(frames[..1].to_vec()).gate("never")),
        ("after two words", true, Answer::sse(frames[..3].to_vec()).gate("never")),
    ] {
        let world = start(&daily(1_000_000_000)).await;
        world.upstream.push(answer);
        let mut client = world.gateway.raw().await;
        let ask = body(&json!({ "stream": stream }));
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        client.send(format!("{head}content-length: {}\r\n\r\n{ask}", ask.len())).await;
        world.upstream.at_gate("never").await;
        drop(client);
        world.upstream.disconnected(0).await;
        let line = world.gateway.log().wait_for_requests(1).await.remove(0);
        assert_eq!(line.get("outcome"), "client_left", "{name}");
        let record = world.gateway.record(line.get("request_id").as_str().unwrap()).await;
        holds(&world, &record, &[Estimated], name).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_by_the_end_of_draining_is_charged() {
    let world = start(&daily(1_000_000_000)).await;
    let frames = openai::stream_frames(&["one ", "two"]);
    world.upstream.push(Answer::sse(frames[..2].to_vec()).gate("never"));
    let mut stream = world.gateway.open_stream(body(&json!({ "stream": true }))).await;
    stream.next_frame().await.unwrap();
    let World { gateway, upstream, .. } = world;
    let log = gateway.log().clone();
    gateway.stop().await;
    stream.collect().await;
    upstream.disconnected(0).await;
    let line = log.wait_for_requests(1).await.remove(0);
    assert_eq!(line.get("reason"), "stopping");
    assert!(line.get("cost_usd").as_str().is_some_and(|cost| nanos(cost) > 1_000), "{line:?}");
}

#[tokio::test]
async fn a_repair_is_a_charge_of_its_own() {
    let guest = validator(
        "(if (i32.eq (call $first) (i32.const 98)) (then (return (call $say (i32.const 2) (i32.const 12))))) (call $accept)",
    );
    let settings = "plugins: { dir: PLUGINS, validator_defaults: { limits: { cpu: 5s, wall: 30s } }, settings: { v: { on_error: reject } } }\n";
    let orchestrator = format!("  validators: [v]\n{}", daily(1_000_000_000));
    let world =
        World::with_plugins(&format!("{}{settings}", yaml(&orchestrator)), &[("v.wasm", &guest)]).await;
    world.upstream.push(openai::chat("bad"));
    world.upstream.push(openai::chat("good"));
    let reply = world.gateway.chat(body(&json!({}))).await;
    assert_eq!(reply.header("x-jackfield-cost-usd"), Some("0.000162"), "{}", reply.text());
    let record = super::record(&world, &reply).await;
    holds(&world, &record, &[Exact(ANSWER), Exact(ANSWER)], "repair").await;
}

#[tokio::test]
async fn a_hedges_loser_is_charged_at_an_estimate() {
    let orchestrator = format!("  hedge: true\n  fallback: {{ dear: [cheap] }}\n{}", daily(1_000_000_000));
    let world = start(&orchestrator).await;
    world.upstream.always_for(&Match::model("cheap"), openai::stream(&["quick"]));
    let ask = body(&json!({ "stream": true }));
    for _ in 0..20 {
        world.upstream.push_for(&Match::model("dear"), openai::stream(&["quick"]));
        assert_eq!(world.gateway.stream(ask.clone()).await.text(), "quick");
    }
    let before = used(&world.gateway).await;
    assert_eq!(before, 20 * ANSWER);
    world.upstream.push_for(&Match::model("dear"), Answer::status(200).hang_before_head("never"));
    let reply = world.gateway.stream(ask).await;
    assert_eq!(reply.header("x-jackfield-model"), Some("cheap"));
    let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let mut got = costs(&record);
    got.sort_unstable();
    assert!(got[0] == Some(ANSWER / 10) && got[1] > Some(10_000), "{record:#}");
    assert_eq!(used(&world.gateway).await - before, got.iter().flatten().sum::<u64>());
}

#[tokio::test]
async fn ratings_and_questions_of_plugins_are_charged_to_the_request() {
    // A rating.
    let rated = "  router: { model: cheap, thresholds: { complexity: { high: dear, low: dear } } }\n";
    let text = yaml(&format!("{rated}{}", daily(1_000_000_000))).replace("  default_model: dear\n", "");
    let world = World::start(&text).await;
    world.upstream.always(openai::chat("low"));
    let reply = world.gateway.chat(body(&json!({}))).await;
    let sum = ANSWER + ANSWER / 10;
    assert_eq!(reply.header("x-jackfield-cost-usd").map(nanos), Some(sum), "{}", reply.text());
    let record = super::record(&world, &reply).await;
    let rating = record["steps"].as_array().unwrap().iter().find(|step| step["step"] == "rated").unwrap();
    assert_eq!(rating["cost_usd"].as_str().map(nanos), Some(ANSWER / 10));
    assert_eq!(used(&world.gateway).await, sum);

    // A question, and one that there is no room for.
    for (limit, outcome, status) in [(1_000_000_000, "answered", 200), (5_000, "budget_exceeded", 402)] {
        let guest = consulting("(drop (call $ask (i32.const 3090) (i32.const 5))) (call $abstain)");
        let more = "  judge: { provider: up, retries: 0, price: { input: 1, output: 10 } }\norchestrator:";
        let settings = "plugins: { dir: PLUGINS, settings: { rule: { grants: [llm], limits: { cpu: 5s, wall: 20s } } } }\n";
        let text = format!("{}{settings}", yaml(&daily(limit)).replace("orchestrator:", more));
        let world = World::with_plugins(&text, &[("rule.wasm", &guest)]).await;
        world.upstream.always(openai::chat("fine"));
        let reply = world.gateway.chat(body(&json!({}))).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        let record = super::record(&world, &reply).await;
        let question = record["steps"].as_array().unwrap().iter().find(|step| step["step"] == "llm").unwrap();
        assert_eq!(question["outcome"], outcome, "{record:#}");
        let sum = if status == 200 { 2 * ANSWER } else { 0 };
        assert_eq!(
            (used(&world.gateway).await, record["cost_usd"].as_str().map(nanos)),
            (sum, Some(sum)),
            "{record:#}"
        );
    }
}

#[tokio::test]
async fn nothing_is_charged_twice_when_two_leave_at_once() {
    let world = start(&daily(1_000_000_000)).await;
    world.upstream.always(Answer::status(200).hang_before_head("never"));
    let clients = [world.gateway.open_stream(body(&json!({}))), world.gateway.open_stream(body(&json!({})))];
    let [one, two] = clients;
    let gone = async { world.upstream.all_at_gate("never", 2).await };
    tokio::select! {
        _ = one => panic!("an answer"),
        _ = two => panic!("an answer"),
        () = soon("both calls", gone) => {}
    }
    let lines = world.gateway.log().wait_for_requests(2).await;
    let sum: u64 = lines.iter().map(|line| nanos(line.get("cost_usd").as_str().unwrap())).sum();
    assert_eq!(used(&world.gateway).await, sum);
}

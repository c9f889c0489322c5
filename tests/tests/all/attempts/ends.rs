//! How calls end when it is not by an answer: streams that break, clients that leave, connections that never stand; and
//! what is kept of a request when it is over.

use jackfield_tests::gateway::Ending;
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Match, openai};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use super::{Rig, TO_B, hangs, limited, prompt, short, streamed};

#[tokio::test]
async fn a_stream_falls_back_before_its_first_content_and_never_after() {
    let frames = openai::stream_frames(&["Hel"]);
    let (role, text) = (frames[0].clone(), frames[1].clone());
    let rig = Rig::start(&[("a", "retries: 0")], TO_B).await;
    rig.upstream.always_for(&Match::model("b"), openai::stream(&["from b"]));
    rig.upstream.push_for(&Match::model("a"), Answer::sse([role.clone()]).then_cut());
    let stream = streamed(&rig).await.collect().await;
    assert_eq!((stream.status, stream.text()), (200, "from b".to_owned()));
    assert_eq!(stream.header("x-jackfield-model"), Some("b"));
    rig.upstream.push_for(&Match::model("a"), Answer::sse([role, text]).then_cut());
    let stream = streamed(&rig).await.collect().await;
    assert_eq!((stream.status, &stream.ending), (200, &Ending::Whole));
    assert_eq!(stream.error().code.as_deref(), Some("upstream_broken"));
    assert_eq!(rig.called(), ["a", "b", "a"]);
    let record = rig.gateway.record(stream.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("broken_off"), &json!("upstream_broken")));
}

#[tokio::test]
async fn a_client_that_leaves_ends_calls_and_waits() {
    let rig = Rig::start(&[], TO_B).await;
    let body = prompt(&json!({"model": "a"}));
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let ask = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    // While it is called.
    rig.upstream.push(hangs());
    let mut client = rig.gateway.raw().await;
    client.send(&ask).await;
    rig.upstream.at_gate("never").await;
    drop(client);
    rig.upstream.disconnected(0).await;
    // While it waits: two keys are told to slow down, and then the client goes.
    rig.upstream.push(limited("4"));
    rig.upstream.push(limited("4"));
    let mut client = rig.gateway.raw().await;
    client.send(&ask).await;
    let failures = || rig.gateway.log().count("DEBUG", "jackfield::attempt");
    soon("both keys to be told to slow down", async {
        while failures() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(client);
    let lines = rig.gateway.log().wait_for_requests(2).await;
    assert!(lines.iter().all(|line| line.get("outcome") == "client_left"), "{lines:#?}");
    let steps = |record: &Value| -> Vec<String> {
        record["steps"].as_array().unwrap().iter().filter_map(short).collect()
    };
    let records = rig.gateway.records();
    assert_eq!(steps(&records[1]), ["a abandoned"]);
    let waiting = [
        "a upstream_rate_limited",
        "a key 0→1 rate_limited",
        "a upstream_rate_limited",
        "a retry retry_after",
    ];
    assert_eq!(steps(&records[0]), waiting);
    assert_eq!(rig.upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_connection_that_never_stands_is_a_timeout_and_the_next_is_tried() {
    // A listener whose queue is full answers nobody.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(one)) =
        tokio::time::timeout(std::time::Duration::from_millis(200), tokio::net::TcpStream::connect(address))
            .await
    {
        held.push(one);
    }
    let far = format!("  far: {{ kind: openai, base_url: \"http://{address}/v1\" }}\n");
    let rig =
        Rig::beside(&far, &[("a", "provider: far, retries: 1, timeouts: { connect: 100ms }")], TO_B).await;
    rig.upstream.push(openai::chat("ok"));
    let reply = rig.gateway.chat(prompt(&json!({"model": "a"}))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let steps = rig.steps(reply.header("x-jackfield-request-id").unwrap()).await;
    assert_eq!(steps, ["a upstream_timeout", "a retry backoff", "a upstream_timeout", "b answered"]);
}

#[tokio::test]
async fn no_word_of_prompts_or_answers_is_kept() {
    let (asked, answered) = ("the-secret-question", "the-secret-answer");
    let rig = Rig::start(&[("a", "retries: 0")], TO_B).await;
    let echo = format!("cannot do {asked}");
    rig.upstream.push(openai::error(500, "error", None, &echo));
    rig.upstream.push(openai::chat(answered));
    rig.upstream.push(openai::error(400, "error", None, &echo));
    rig.upstream.push(openai::error(500, "error", None, &echo));
    rig.upstream.push(openai::error(503, "error", None, &echo));
    rig.upstream.always(openai::error(500, "error", None, &echo));
    let body = prompt(&json!({"model": "a"})).replace("hello", asked);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(rig.gateway.chat(body.clone()).await.status);
    }
    assert_eq!(statuses, [200, 400, 502]);
    let records = rig.gateway.records();
    assert_eq!(records.len(), 3);
    for record in &records {
        assert!(!record.to_string().contains("the-secret"), "{record:#}");
    }
    let first = &records[2];
    let (known, usage) = (&first["steps"][2], &first["usage"]);
    assert_eq!(
        (&known["outcome"], &known["reason"], &known["status"]),
        (&json!("failed"), &json!("upstream_failed"), &json!(500))
    );
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(11), &json!(7)));
    assert_eq!(
        (&first["outcome"], &first["model"], &first["attempts"]),
        (&json!("answered"), &json!("b"), &json!(2))
    );
}

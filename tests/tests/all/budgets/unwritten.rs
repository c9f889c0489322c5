//! A state that cannot be written in the middle of it all: what is not written down is not delivered, whoever asks is told so,
//! and once it can be written again all goes on by itself.
//!
//! A second connection puts a trigger on the ledger's table, which makes every write fail as a full disk does: at once, and until
//! it is taken away.

use jackfield_tests::gateway::Ending;
use jackfield_tests::upstream::{Answer, Match, openai};
use rusqlite::Connection;
use serde_json::json;

use super::home::Home;
use super::{ANSWER, body, daily, used};

/// Makes writes fail.
fn fill(home: &Home) {
    let full = "SELECT RAISE(ABORT, 'database or disk is full'); END;";
    let sql = format!(
        "CREATE TRIGGER no_insert BEFORE INSERT ON charges BEGIN {full} CREATE TRIGGER no_update BEFORE UPDATE ON charges BEGIN {full}"
    );
    Connection::open(home.state()).unwrap().execute_batch(&sql).unwrap();
}

/// Lets them succeed again.
fn clear(home: &Home) {
    let sql = "DROP TRIGGER no_insert; DROP TRIGGER no_update;";
    Connection::open(home.state()).unwrap().execute_batch(sql).unwrap();
}

/// What the file says is settled, in nano-dollars, and how many charges are open in it.
fn written(home: &Home) -> (u64, u64) {
    let sql = "SELECT coalesce(sum(settled_nanousd), 0), coalesce(sum(state = 'open'), 0) FROM charges";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
    Connection::open(home.state()).unwrap().query_row(sql, (), read).unwrap()
}

#[tokio::test]
async fn what_cannot_be_written_down_is_a_503_and_goes_on_once_it_can() {
    let home = Home::new("", &daily(1_000_000_000)).await;
    home.upstream.always(openai::chat("fine"));
    let gateway = home.start().await;
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    fill(&home);
    for (path, more) in [
        ("/v1/chat/completions", json!({})),
        ("/v1/chat/completions", json!({ "stream": true })),
        ("/v1/messages", json!({ "model": "dear", "max_tokens": 500 })),
    ] {
        if more["stream"] == true {
            // For it alone: where it is known in time that nothing can be written, nobody is called.
            let streams = Match::path(path).and_text(r#""stream":true"#);
            home.upstream.push_for(&streams, openai::stream(&["fine"]));
        }
        let reply = gateway.post_raw(path, body(&more), &[]).await;
        let error = &reply.json()["error"];
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert!(error["message"].as_str().unwrap().contains("is the disk full"), "{error}");
        assert!(!reply.text().contains("fine"), "{}", reply.text());
        if path.ends_with("completions") {
            assert_eq!(error["code"], "state_unavailable");
        }
    }
    assert_eq!(written(&home), (ANSWER, 0));
    clear(&home);
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    let counted = used(&gateway).await;
    assert!(counted >= 2 * ANSWER, "what was called for is counted: {counted}");
    assert_eq!(written(&home), (2 * ANSWER, 0));
}

#[tokio::test]
async fn an_answer_whose_cost_cannot_be_written_down_is_not_delivered() {
    let home = Home::new("", &daily(1_000_000_000)).await;
    let gateway = home.start().await;
    home.upstream.push(openai::chat("unpaid").hang_before_head("gate"));
    let asking = async { gateway.chat(body(&json!({}))).await };
    let filling = async {
        home.upstream.all_at_gate("gate", 1).await;
        // Until the reservation is in the file.
        while written(&home).1 == 0 {
            tokio::task::yield_now().await;
        }
        fill(&home);
        home.upstream.open("gate");
    };
    let (reply, ()) = tokio::join!(asking, jackfield_tests::soon("the gate to open", filling));
    assert_eq!((reply.status, reply.error().code.as_deref()), (503, Some("state_unavailable")));
    assert!(!reply.text().contains("unpaid"), "{}", reply.text());
    assert_eq!(used(&gateway).await, ANSWER, "the provider bills it all the same");
    assert_eq!(written(&home), (0, 1), "the file has what was reserved");
    clear(&home);
    gateway.stop().await;
    let gateway = home.start().await;
    let counted = used(&gateway).await;
    assert!(counted >= ANSWER, "a restart counts what was reserved: {counted}");
}

#[tokio::test]
async fn a_stream_ends_where_what_is_written_down_ends() {
    let home = Home::new("", &daily(1_000_000_000_000)).await;
    let gateway = home.start().await;
    let long = "x".repeat(400);
    let pieces = vec![long.as_str(); 60];
    let frames = openai::stream_frames(&pieces);
    let answer = Answer::sse(frames[..2].to_vec()).gate("gate");
    home.upstream.push(frames[2..].iter().cloned().fold(answer, Answer::bytes));
    let mut stream = gateway.open_stream(body(&json!({ "stream": true }))).await;
    stream.next_frame().await.unwrap();
    fill(&home);
    home.upstream.open("gate");
    let got = stream.collect().await;
    // 1 024 tokens are written down at first; the 6 000 to come are not.
    let tokens = got.text().len() / 4;
    assert!(tokens <= 1_024 + 300, "{tokens} tokens were delivered");
    let said = String::from_utf8_lossy(&got.body).into_owned();
    assert!(said.contains("state_unavailable"), "{said}");
    assert_eq!(got.ending, Ending::Whole, "well-formed");
    clear(&home);
    home.upstream.always(openai::chat("fine"));
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
}

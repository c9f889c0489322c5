//! Two gateways and a real Redis: limits that hold for both together, what happens while it is gone or hangs, and answers
//! that one keeps for the other. Skipped, loudly, where `redis-server` is missing; not in CI.
//!
//! One token of a prompt costs 1 000 nano-dollars here, one of an answer 10 000.

use jackfield_tests::gateway::{Gateway, Setup};
use jackfield_tests::redis::{PASSWORD, Redis};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Upstream, openai};

use crate::admin::ask;

/// What every ready-made answer costs: 11 tokens in, 7 out.
const ANSWER: u64 = 11 * 1_000 + 7 * 10_000;
/// A piece of the streams here, and what it costs: five tokens.
const WORDS: &str = "four words and a dot.";
const PIECE: u64 = 5 * 10_000;
/// The counter of everybody's day.
const DAY: &str = "jackfield:{jackfield}:c:daily:*:global";
const ASK: &str = r#"{"messages":[{"role":"user","content":"hello"}]}"#;
const STREAM: &str = r#"{"messages":[{"role":"user","content":"hello"}],"stream":true}"#;

/// A gateway over this server and provider. `budgets` and `more` are YAML.
async fn gateway(redis: &Redis, upstream: &Upstream, shared: &str, orchestrator: &str) -> Gateway {
    let yaml = format!(
        "state: {}\n\
         shared_state: {{ file: ':memory:', timeout: 2s, {shared} }}\n\
         server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: jf-admin-5c21d9f07be4, drain: 150ms }}\n\
         providers: {{ up: {{ kind: openai, base_url: \"{}\", api_key: sk-provider-4f0c1d9e7a52 }} }}\n\
         models: {{ dear: {{ provider: up, retries: 0, price: {{ input: 1, output: 10 }} }} }}\n\
         plugins: {{ dir: none }}\n\
         orchestrator:\n  default_model: dear\n  {orchestrator}\n",
        redis.url(),
        upstream.base_url(),
    );
    Setup::yaml(&yaml).start().await
}

fn daily(nanos: u64) -> String {
    format!("budgets: {{ daily_limit_usd: {}.{:09} }}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// What the requests of a gateway cost, in nano-dollars.
fn cost(gateway: &Gateway) -> u64 {
    let usd = |text: &str| {
        let (whole, decimals) = text.split_once('.').unwrap();
        whole.parse::<u64>().unwrap() * 1_000_000_000 + format!("{decimals:0<9}").parse::<u64>().unwrap()
    };
    gateway.log().requests().iter().filter_map(|line| line.get("cost_usd").as_str().map(usd)).sum()
}

/// Waits until this holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon(what, held).await;
}

/// The statuses of so many requests at once, each to the next gateway in turn.
async fn crowd(gateways: &[Gateway], count: usize, body: &str) -> Vec<u16> {
    let mut all: Vec<_> =
        (0..count).map(|at| Box::pin(gateways[at % gateways.len()].stream(body.to_owned()))).collect();
    let mut got = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(reply) => {
                got.push(reply.status);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    got
}

#[tokio::test]
async fn two_hundred_at_once_over_two_hosts_never_spend_more_than_there_is() {
    let Some(redis) = Redis::start() else { return };
    for (body, limit) in [(ASK, 20 * ANSWER), (STREAM, 750 * PIECE)] {
        redis.ask(&["FLUSHALL"]);
        let upstream = Upstream::start().await;
        let frames = openai::stream_frames(&[WORDS; 300]);
        upstream.always(match body {
            STREAM => Answer::sse([&frames[..302], &frames[303..]].concat()),
            _ => openai::chat("fine"),
        });
        let budget = daily(limit);
        let host = || gateway(&redis, &upstream, "lease: 30s", &budget);
        let gateways = [host().await, host().await];
        let got = crowd(&gateways, 200, body).await;
        let answered = got.iter().filter(|status| **status == 200).count();
        assert!(got.iter().all(|status| [200, 402].contains(status)), "{got:?}");
        assert!((1..200).contains(&answered), "{answered}");
        let spent = || gateways.iter().map(cost).sum::<u64>();
        // What was spent is what the server says, to the nano-dollar, and nothing is held any more.
        until("the server to know all", || {
            redis.counter(DAY, "su") == spent() && redis.counter(DAY, "hu") == 0
        })
        .await;
        assert!(spent() <= limit + PIECE && spent() > 0, "{} of {limit}: {body}", spent());
        assert_eq!(redis.ask(&["ZCARD", "jackfield:{jackfield}:leases"]), ["0"]);
        let ttl: i64 = redis.ask(&["TTL", &redis.keys(DAY)[0]])[0].parse().unwrap();
        assert!((0..=25 * 3_600).contains(&ttl), "a day's counter goes an hour after it: {ttl}");
        for gateway in &gateways {
            assert!(!gateway.log().text().contains(PASSWORD));
        }
    }
}

#[tokio::test]
async fn what_one_host_spent_the_other_does_not_have() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("fine"));
    // There is room for one answer, and what is left is less than sixteen tokens, the shortest that is worth a call.
    let budget = daily(240_000);
    let host = || gateway(&redis, &upstream, "lease: 30s", &budget);
    let (one, other) = (host().await, host().await);
    assert_eq!(one.chat(ASK).await.status, 200);
    let refused = other.chat(ASK).await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (402, "budget_exceeded"),
        "{}",
        refused.text()
    );
    assert!(refused.text().contains("$0.000159 left"), "{}", refused.text());
    // It is told by gauges and the list of budgets, of all hosts together.
    let budgets = ask(&other, "GET", "/budgets").await.json();
    assert_eq!(budgets["budgets"][0]["spent"], 0.000081, "{budgets}");
    assert_eq!(upstream.requests().len(), 1);
    let metrics = ask(&other, "GET", "/metrics").await.text();
    assert!(metrics.contains(r#"jackfield_shared_state_up{what="limits"} 1"#), "{metrics}");
}

#[tokio::test]
async fn without_the_server_requests_are_refused_or_counted_alone_and_told_later() {
    let Some(mut redis) = Redis::start() else { return };
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("fine"));
    let budget = daily(1_000_000_000);
    let fails = gateway(&redis, &upstream, "on_store_error: fail", &budget).await;
    let counts = gateway(&redis, &upstream, "on_store_error: local", &budget).await;
    assert_eq!((fails.chat(ASK).await.status, counts.chat(ASK).await.status), (200, 200));
    until("both to be counted", || redis.counter(DAY, "su") == 2 * ANSWER).await;
    redis.end();
    let refused = fails.chat(ASK).await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (503, "state_unavailable"),
        "{}",
        refused.text()
    );
    assert!(
        refused.text().contains(&redis.shown()) && !refused.text().contains(PASSWORD),
        "{}",
        refused.text()
    );
    for _ in 0..3 {
        assert_eq!(counts.chat(ASK).await.status, 200);
        assert_eq!(fails.chat(ASK).await.status, 503);
    }
    assert_eq!(upstream.requests().len(), 5);
    for (gateway, what) in [(&fails, "is refused"), (&counts, "counts on alone")] {
        let told = gateway.log().text();
        let lines: Vec<&str> =
            told.lines().filter(|line| line.contains("the shared state is gone")).collect();
        assert!(lines.len() == 1 && lines[0].contains(what) && !told.contains(PASSWORD), "{told}");
    }
    let metrics = ask(&counts, "GET", "/metrics").await.text();
    for want in [r#"jackfield_shared_state_up{what="limits"} 0"#, "jackfield_shared_state_alone_total 3"] {
        assert!(metrics.contains(want), "{want}:\n{metrics}");
    }
    redis.begin();
    until("what was counted alone to be told", || redis.counter(DAY, "su") == 5 * ANSWER).await;
    until("both to be back", || {
        [&fails, &counts].iter().all(|gateway| gateway.log().text().contains("the shared state is back"))
    })
    .await;
    assert_eq!((fails.chat(ASK).await.status, counts.chat(ASK).await.status), (200, 200));
    until("all to be counted, once", || redis.counter(DAY, "su") == 7 * ANSWER).await;
    assert_eq!(redis.counter(DAY, "hu"), 0);
}

#[tokio::test]
async fn a_server_that_hangs_delays_by_its_timeout_and_what_it_missed_is_told_later() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("fine"));
    let shared = "on_store_error: local, lease: 2s";
    let more = format!("cache: {{ enabled: true }}\n  {}", daily(1_000_000_000));
    let host = gateway(&redis, &upstream, shared, &more).await;
    assert_eq!(host.chat(ASK).await.status, 200);
    redis.signal("-STOP");
    let other = ASK.replace("hello", "another");
    assert_eq!(host.chat(other).await.status, 200, "it is not waited for for ever");
    redis.signal("-CONT");
    until("both to be counted", || redis.counter(DAY, "su") == 2 * ANSWER).await;
    assert_eq!(redis.counter(DAY, "hu"), 0);
}

#[tokio::test]
async fn an_answer_that_one_host_keeps_is_the_others_and_a_damaged_one_is_none() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("kept"));
    let cache = "cache: { enabled: true }";
    let host = || gateway(&redis, &upstream, "lease: 30s", cache);
    let (one, other, third) = (host().await, host().await, host().await);
    let answers = "jackfield:{jackfield}:a1:*";
    for (body, streamed) in [(ASK, false), (STREAM, true)] {
        if streamed {
            upstream.always(openai::stream(&["ke", "pt"]));
        }
        redis.ask(&["FLUSHALL"]);
        let before = upstream.requests().len();
        let first = one.stream(body).await;
        assert_eq!(first.header("x-jackfield-cache"), Some("miss"));
        until("the answer to be shared", || redis.keys(answers).len() == 1).await;
        let again = other.stream(body).await;
        assert_eq!((again.status, again.header("x-jackfield-cache")), (200, Some("hit")));
        assert_eq!(again.text(), first.text());
        let key = redis.keys(answers).remove(0);
        let ttl: i64 = redis.ask(&["PTTL", &key])[0].parse().unwrap();
        assert!((1..=3_600_000).contains(&ttl), "{ttl}");
        // The one who has it in memory asks nobody; the next finds something else.
        redis.ask(&["SETRANGE", &key, "40", "?????"]);
        assert_eq!(other.stream(body).await.header("x-jackfield-cache"), Some("hit"));
        assert_eq!(upstream.requests().len(), before + 1);
        assert_eq!(third.stream(body).await.header("x-jackfield-cache"), Some("miss"));
        assert_eq!(upstream.requests().len(), before + 2);
    }
}

#[tokio::test]
async fn the_vectors_of_a_long_request_are_the_other_hosts_too_also_where_it_keeps_whole_answers() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start().await;
    let inputs: Vec<String> = (0..300).map(|at| format!("text {at}")).collect();
    let data: Vec<serde_json::Value> = (0..300)
        .map(|at| serde_json::json!({ "object": "embedding", "index": at, "embedding": [at] }))
        .collect();
    let usage = serde_json::json!({ "prompt_tokens": 600, "total_tokens": 600 });
    let vectors = serde_json::json!({ "object": "list", "data": data, "model": "up", "usage": usage });
    upstream.always(Answer::json(200, &vectors));
    let cache = "cache: { enabled: true }";
    let whole = "cache: { enabled: true, embeddings: { per_input: false } }";
    let (one, other) =
        (gateway(&redis, &upstream, "", cache).await, gateway(&redis, &upstream, "", cache).await);
    let whole = gateway(&redis, &upstream, "", whole).await;
    let body = serde_json::json!({ "model": "dear", "input": inputs });
    let first = one.post_json("/v1/embeddings", &body).await;
    assert_eq!((first.status, first.header("x-jackfield-cache")), (200, Some("miss")), "{}", first.text());
    until("all of it to be shared", || redis.keys("jackfield:{jackfield}:a1:*").len() == 301).await;
    let again = other.post_json("/v1/embeddings", &body).await;
    assert_eq!((again.status, again.header("x-jackfield-cache")), (200, Some("hit")));
    assert_eq!(again.text(), first.text());
    assert_eq!(upstream.requests().len(), 1);
    let again = whole.post_json("/v1/embeddings", &body).await;
    assert_eq!((again.status, again.header("x-jackfield-cache")), (200, Some("miss")));
    assert_eq!(again.text(), first.text());
}

#[tokio::test]
async fn what_lives_is_renewed_and_held_again_when_the_server_forgot_it() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("fine").hang_before_head("answer"));
    let host = gateway(&redis, &upstream, "lease: 2s", &daily(1_000_000_000)).await;
    let ends = || {
        let leases = redis.ask(&["ZRANGE", "jackfield:{jackfield}:leases", "0", "-1", "WITHSCORES"]);
        leases.get(1).map_or(0, |ends| ends.parse::<u64>().unwrap())
    };
    let waits = async {
        upstream.at_gate("answer").await;
        let (first, held) = (ends(), redis.counter(DAY, "hu"));
        assert!(first > 0 && held > ANSWER, "{first} {held}");
        until("the lease to be renewed", || ends() > first).await;
        redis.ask(&["FLUSHALL"]);
        until("the lease to be held again", || redis.counter(DAY, "hu") == held && ends() > first).await;
        upstream.open("answer");
    };
    let (reply, ()) = tokio::join!(host.chat(ASK), waits);
    assert_eq!(reply.status, 200);
    assert_eq!((redis.counter(DAY, "su"), redis.counter(DAY, "hu"), ends()), (ANSWER, 0, 0));
}

//! Invariant 8, from the outside: no key is in any answer or any log line, however loud the log is and
//! however things go wrong.

use jackfield_tests::gateway::{CHAT, Line};
use jackfield_tests::upstream::{Answer, openai};

use crate::world::{BASE, PLAIN, PROVIDER_KEY, STREAM, World};

const CLIENT_KEY: &str = "jf-client-8b1f6c0d2e93";

#[tokio::test]
async fn no_key_is_logged_or_answered_whatever_happens() {
    let world = World::start(&format!("keys:\n  - {{ key: {CLIENT_KEY} }}\n{BASE}")).await;
    let echo = format!("Incorrect API key provided: {PROVIDER_KEY}");
    let refused = openai::error(401, "authentication_error", None, &echo);
    let event = format!("data: {{\"error\":{{\"message\":\"{echo}\"}}}}\n\n");
    let broken = Answer::sse([openai::stream_frames(&["a"])[1].clone()]).bytes(event);
    let client = format!("Bearer {CLIENT_KEY}");
    let wrong = format!("Bearer {CLIENT_KEY}x");
    let cases = [
        ("served", Some(openai::chat("ok")), PLAIN, &client),
        ("streamed", Some(openai::stream(&["ok"])), STREAM, &client),
        ("refused by the provider", Some(refused.clone()), PLAIN, &client),
        ("refused by the provider, streamed", Some(refused), STREAM, &client),
        ("an error event that shows the key", Some(broken), STREAM, &client),
        (
            "a header that shows the key",
            Some(Answer::status(500).header("x-key", PROVIDER_KEY)),
            PLAIN,
            &client,
        ),
        ("cut", Some(Answer::cut()), PLAIN, &client),
        ("a body that is none", None, "{", &client),
        ("a stranger", None, PLAIN, &wrong),
    ];
    let mut count = 0;
    let mut leaks = Vec::new();
    for (name, answer, body, key) in cases {
        if let Some(answer) = answer {
            world.upstream.always(answer);
        }
        let reply = world.gateway.post_raw(CHAT, body, &[("authorization", key), ("x-api-key", key)]).await;
        let said = format!("{:?} {}", reply.headers, reply.text());
        if [PROVIDER_KEY, CLIENT_KEY].iter().any(|secret| said.contains(secret)) {
            leaks.push(format!("{name}: {said}"));
        }
        count += 1;
    }
    world.gateway.log().wait_for_requests(count).await;
    let leaking =
        |line: &Line| [PROVIDER_KEY, CLIENT_KEY].iter().any(|secret| format!("{line:?}").contains(secret));
    leaks.extend(
        world.gateway.log().lines().iter().filter(|line| leaking(line)).map(|line| format!("{line:?}")),
    );
    assert!(leaks.is_empty(), "{leaks:#?}");
}

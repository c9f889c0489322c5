//! Models without a provider: the same seed gives the same answer, and it says that it is simulated.

use jackfield_tests::gateway::{Ending, Gateway};

use crate::world::{PLAIN, STREAM};

fn yaml(settings: &str) -> String {
    format!(
        "providers: {{ sim: {{ kind: simulated, latency: 1ms, chunk_latency: 1ms, {settings} }} }}\nmodels: {{ test-model: {{ provider: sim }} }}\nplugins: {{ dir: /nonexistent }}\n"
    )
}

async fn said(gateway: &Gateway) -> String {
    let reply = gateway.chat(PLAIN).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["choices"][0]["message"]["content"].as_str().expect("text").to_owned()
}

#[tokio::test]
async fn the_same_seed_says_the_same_whole_and_streamed() {
    let one = Gateway::start(&yaml("seed: 7")).await;
    let text = said(&one).await;
    assert!(text.to_lowercase().contains("simulated"), "{text}");
    assert_eq!(said(&Gateway::start(&yaml("seed: 7")).await).await, text);
    let streamed = one.stream(STREAM).await;
    assert_eq!(streamed.ending, Ending::Whole);
    assert_eq!(streamed.text(), text);
    assert_eq!(streamed.frames.last().unwrap(), "data: [DONE]\n\n");
    assert!(streamed.chunks().iter().all(|chunk| chunk.get("usage").is_none_or(|usage| usage.is_null())));
    let asked =
        STREAM.replace(r#""stream":true"#, r#""stream":true,"stream_options":{"include_usage":true}"#);
    let counted = one.stream(asked).await;
    let usage = counted.chunks().last().unwrap()["usage"].clone();
    assert!(usage["total_tokens"].as_u64().is_some_and(|total| total > 0), "{usage}");
}

#[tokio::test]
async fn a_simulated_failure_is_a_failure() {
    let gateway = Gateway::start(&yaml("failure_rate: 1.0")).await;
    for body in [PLAIN, STREAM] {
        let reply = gateway.chat(body).await;
        assert!((500..600).contains(&reply.status) || reply.status == 429, "{}", reply.text());
        assert!(!reply.error().message.is_empty());
    }
}

//! The example routers, as they are shipped, in a real gateway.

use jackfield_tests::upstream::{Answer, openai};

use crate::world::{World, example_plugin};

const ASK: &str = r#"{"messages":[{"role":"user","content":"hello"}]}"#;
const TOOLS: &str = r#"{"messages":[{"role":"user","content":"hello"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#;

#[tokio::test]
async fn the_cheapest_model_that_can_do_it_is_taken() {
    let yaml = r#"
orchestrator: { default_model: dear }
models:
  cheap: { provider: up, price: { input: 0.1, output: 0.4 }, context: 128k }
  tiny: { provider: up, price: { input: 0.01, output: 0.04 }, context: 16 }
  able: { provider: up, price: { input: 1, output: 4 }, capabilities: [tools], context: 128k }
  dear: { provider: up, price: { input: 15, output: 75 }, capabilities: [tools], context: 128k }
  unpriced: { provider: up }
"#;
    let world =
        World::with_plugins(yaml, &[("cheapest-capable.wasm", &example_plugin("cheapest-capable.wasm"))])
            .await;
    world.upstream.always(openai::chat("ok"));
    // The tiny one has no room for an answer; tools are only what the able one is known to take.
    for (body, model) in [(ASK, "cheap"), (TOOLS, "able")] {
        let reply = world.gateway.chat(body).await;
        assert_eq!(reply.header("x-jackfield-model"), Some(model), "{}", world.gateway.log().complaints());
        assert_eq!(reply.header("x-jackfield-route"), Some("cheapest-capable"));
    }
}

#[tokio::test]
async fn the_next_candidate_answers_when_the_cheapest_fails() {
    let yaml = r#"
orchestrator: { default_model: dear }
models:
  cheap: { provider: up, price: { input: 0.1, output: 0.4 }, retries: 0 }
  dear: { provider: up, price: { input: 15, output: 75 } }
"#;
    let world =
        World::with_plugins(yaml, &[("cheapest-capable.wasm", &example_plugin("cheapest-capable.wasm"))])
            .await;
    world.upstream.push(openai::error(500, "server_error", None, "broken"));
    world.upstream.push(openai::chat("ok"));
    let reply = world.gateway.chat(ASK).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-jackfield-model"), Some("dear"));
    assert_eq!(reply.header("x-jackfield-attempts"), Some("2"));
}

#[tokio::test]
async fn a_busy_model_is_passed_over() {
    let yaml = r#"
orchestrator: { default_model: one }
models:
  one: { provider: up }
  two: { provider: up }
"#;
    let world =
        World::with_plugins(yaml, &[("least-loaded.wasm", &example_plugin("least-loaded.wasm"))]).await;
    world.upstream.push(Answer::json(200, &openai::chat_body("slow")).hang_before_head("busy"));
    world.upstream.always(openai::chat("ok"));
    let busy = world.gateway.chat(ASK);
    let others = async {
        world.upstream.at_gate("busy").await;
        let taken: serde_json::Value = serde_json::from_str(world.upstream.requests()[0].text()).unwrap();
        for _ in 0..3 {
            let reply = world.gateway.chat(ASK).await;
            assert_eq!(reply.header("x-jackfield-route"), Some("least-loaded"), "{}", reply.text());
            assert_ne!(reply.header("x-jackfield-model"), taken["model"].as_str());
        }
        world.upstream.open("busy");
    };
    let (busy, ()) = tokio::join!(busy, others);
    assert_eq!(busy.status, 200, "{}", busy.text());
}

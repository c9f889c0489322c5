//! Several keys of one provider: which one is used, and that nobody is told what it says.

use jackfield_tests::gateway::Setup;
use jackfield_tests::upstream::{Upstream, openai};
use serde_json::json;

use super::{KEYS, Rig, fails, prompt};

#[tokio::test]
async fn a_refused_key_is_not_used_for_the_next_request_and_a_forbidden_one_only_for_other_models() {
    for (status, keys_of_b) in [(401, 1), (403, 0)] {
        let rig = Rig::start(&[], "").await;
        rig.upstream.push(fails(status));
        rig.upstream.always(openai::chat("ok"));
        for model in ["a", "a", "b"] {
            let reply = rig.gateway.chat(prompt(&json!({"model": model}))).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        assert_eq!(rig.keys(), [0, 1, 1, keys_of_b], "{status}");
    }
}

#[tokio::test]
async fn keys_are_told_by_their_place_alone() {
    let rig = Rig::start(&[], "").await;
    let leak = format!("Incorrect API key provided: {} {}", KEYS[0], KEYS[1]);
    rig.upstream.always(openai::error(401, "authentication_error", None, &leak));
    let reply = rig.gateway.chat(prompt(&json!({}))).await;
    assert_eq!(rig.keys(), [0, 1]);
    let record = rig.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let said = format!("{} {record} {:?}", reply.text(), rig.gateway.log().lines());
    assert!(!KEYS.iter().any(|key| said.contains(key)), "{said}");
}

#[tokio::test]
async fn a_key_without_its_variable_is_left_out_and_the_rest_serve() {
    let upstream = Upstream::start().await;
    let yaml = format!(
        "providers: {{ up: {{ kind: openai, base_url: \"{}\", api_key: \"${{NOT_SET}}\", api_keys: [\"${{NOR_THIS}}\", \"${{K2}}\"] }} }}\nmodels: {{ a: {{ provider: up }} }}\nplugins: {{ dir: /nonexistent }}\n",
        upstream.base_url()
    );
    let gateway = Setup::yaml(&yaml).env("K2", KEYS[1]).start().await;
    upstream.push(openai::chat("ok"));
    assert_eq!(gateway.chat(prompt(&json!({"model": "a"}))).await.status, 200);
    assert_eq!(upstream.only_request().header("authorization"), Some(&*format!("Bearer {}", KEYS[1])));
}

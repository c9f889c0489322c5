//! The paths that are not chat: the list of models and the two probes.

use serde_json::{Value, json};

use crate::world::{BASE, World};

#[tokio::test]
async fn the_list_of_models_has_openais_shape() {
    let sim = "  sim-model: { provider: sim }\n";
    let world = World::start(&format!("{BASE}{sim}")).await;
    let reply = world.gateway.get("/v1/models").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let mut body = reply.json();
    let list = body["data"].as_array_mut().expect("a list").iter_mut();
    for model in list {
        let created = model.as_object_mut().unwrap().remove("created");
        assert!(created.as_ref().is_some_and(Value::is_u64), "{model}: {created:?}");
    }
    let model = |id: &str, owner: &str| json!({"id": id, "object": "model", "owned_by": owner});
    let want = json!({
        "object": "list",
        "data": [model("renamed-model", "up"), model("sim-model", "sim"), model("test-model", "up")],
    });
    assert_eq!(body, want);
    assert_eq!(world.upstream.requests().len(), 0, "the list is the gateway's own");
}

#[tokio::test]
async fn the_probes_answer_without_a_provider() {
    let world = World::base().await;
    world.upstream.refuse_connections().await;
    for path in ["/health", "/ready"] {
        let reply = world.gateway.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}

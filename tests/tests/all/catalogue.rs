//! What the built-in catalogue knows decides like what is written: ids on the wire, windows, schemas, prices that rules see.

use jackfield_tests::gateway::{Gateway, Setup};
use jackfield_tests::upstream::{Match, Upstream, openai};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::admin;
use crate::world::{ASK, example_plugin};

/// A gateway that takes the scripted provider for this vendor.
async fn gateway(vendor: &str, yaml: &str, plugin: Option<&str>) -> (Upstream, Gateway, TempDir) {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    if let Some(plugin) = plugin {
        std::fs::write(folder.path().join(plugin), example_plugin(plugin)).unwrap();
    }
    let yaml = format!(
        "providers: {{ up: {{ kind: openai, base_url: \"{}\", catalogue: {vendor} }} }}
plugins: {{ dir: \"{}\" }}
server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: {} }}
{yaml}",
        upstream.base_url(),
        folder.path().display(),
        admin::TOKEN,
    );
    let gateway = Setup::yaml(&yaml).start().await;
    (upstream, gateway, folder)
}

fn ask(model: &str, more: &Value) -> String {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn the_wire_gets_the_dated_id_and_the_client_sees_the_name_it_used() {
    let yaml = "models: { claude-3-opus: { provider: up }, claude-opus-4-5: { provider: up } }\n";
    let (upstream, gateway, _folder) = gateway("anthropic", yaml, None).await;
    upstream.always(openai::chat("ok"));
    for (name, id) in [("claude-3-opus", "claude-3-opus-20240229"), ("claude-opus-4-5", "claude-opus-4-5")] {
        let reply = gateway.chat(ask(name, &json!({}))).await;
        assert_eq!((reply.status, reply.header("x-jackfield-model")), (200, Some(name)), "{}", reply.text());
        assert_eq!(upstream.requests().last().unwrap().json()["model"], id);
        let listed = gateway.get(&format!("/v1/models/{name}")).await;
        assert_eq!(listed.json()["id"], name, "{}", listed.text());
    }
    assert_eq!(gateway.get("/v1/models/claude-3-opus-20240229").await.status, 404);
}

#[tokio::test]
async fn too_long_goes_to_a_window_that_the_catalogue_says_is_larger() {
    let yaml = "
models:
  gpt-4: { provider: up, retries: 0 }
  gpt-4-0613: { provider: up, retries: 0 }
  gpt-4o: { provider: up, retries: 0 }
orchestrator: { fallback: { gpt-4: [gpt-4-0613, gpt-4o] } }
";
    let (upstream, gateway, _folder) = gateway("openai", yaml, None).await;
    let words = "This model's maximum context length is 8192 tokens";
    let too_long = openai::error(400, "invalid_request_error", Some("context_length_exceeded"), words);
    upstream.always_for(&Match::model("gpt-4"), too_long);
    upstream.always_for(&Match::model("gpt-4o"), openai::chat("ok"));
    let reply = gateway.chat(ask("gpt-4", &json!({}))).await;
    assert_eq!((reply.status, reply.header("x-jackfield-model")), (200, Some("gpt-4o")), "{}", reply.text());
    let record = gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let skipped: Vec<&Value> =
        record["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "skipped").collect();
    assert_eq!(skipped.len(), 1, "{record}");
    assert_eq!((&skipped[0]["model"], &skipped[0]["why"]), (&json!("gpt-4-0613"), &json!("context_window")));
}

#[tokio::test]
async fn a_schema_is_enforced_unless_the_catalogue_or_the_file_says_that_the_model_keeps_to_it() {
    let yaml = "
models:
  gpt-4: { provider: up }
  gpt-4o: { provider: up }
  distrusted: { provider: up, id: gpt-4o, capabilities: [tools] }
";
    let (upstream, gateway, _folder) = gateway("openai", yaml, None).await;
    upstream.always(openai::chat("no JSON at all"));
    let schema = json!({ "response_format": {
        "type": "json_schema", "json_schema": { "name": "n", "schema": { "type": "object" } },
    } });
    for (model, status) in [("gpt-4", 502), ("gpt-4o", 200), ("distrusted", 502)] {
        let reply = gateway.chat(ask(model, &schema)).await;
        assert_eq!(reply.status, status, "{model}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_rule_sees_the_catalogues_figures_and_the_files_before_them() {
    let yaml = "
models:
  gpt-4o: { provider: up }
  gpt-4o-mini: { provider: up }
  gpt-4: { provider: up, price: { input: 0.000001, output: 0 } }
  our-own: { provider: up }
orchestrator: { default_model: our-own }
";
    let (upstream, gateway, _folder) = gateway("openai", yaml, Some("cheapest-capable.wasm")).await;
    upstream.always(openai::chat("ok"));
    let sees = json!({ "messages": [{ "role": "user", "content": [
        { "type": "text", "text": "hello" }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA==" } },
    ] }] });
    let plain: Value = serde_json::from_str(ASK).unwrap();
    // By its written price gpt-4 is the cheapest, and by the catalogue it sees no images.
    for (body, model) in [(plain, "gpt-4"), (sees, "gpt-4o-mini")] {
        let reply = gateway.chat(body.to_string()).await;
        assert_eq!(
            reply.header("x-jackfield-route"),
            Some("cheapest-capable"),
            "{}",
            gateway.log().complaints()
        );
        assert_eq!(reply.header("x-jackfield-model"), Some(model), "{}", reply.text());
    }
}

#[tokio::test]
async fn the_admin_port_tells_each_figure_and_who_says_it() {
    let yaml = "models: { gpt-4o: { provider: up, context: 64k }, our-own: { provider: up } }\n";
    let (_upstream, gateway, _folder) = gateway("openai", yaml, None).await;
    let reply = admin::ask(&gateway, "GET", "/models").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let models = &reply.json()["models"];
    assert_eq!((&models[0]["name"], &models[1]["name"]), (&json!("gpt-4o"), &json!("our-own")));
    assert_eq!(models[0]["context"], json!({ "tokens": 64_000, "from": "config" }));
    let price = json!({ "input": 2.5, "output": 10.0, "cached_input": 1.25, "from": "catalogue" });
    assert_eq!(models[0]["price"], price);
    assert_eq!((&models[1]["price"], &models[1]["capabilities"]), (&Value::Null, &Value::Null));
}

//! The admin port over real HTTP: only who has the token gets in, and only by a name that is the port's own; it
//! tells what serves and the last requests; and it brings the generation before back, or the next one on.

use jackfield::app::Stopped;
use jackfield_tests::gateway::{Gateway, Reply, Setup};
use jackfield_tests::guest::{router_to, trapping};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Upstream, openai};
use serde_json::{Value, json};

use crate::world::{BASE, STREAM, World, example_plugin, model, put, until};

/// The token of every gateway here.
pub(crate) const TOKEN: &str = "jf-admin-5c21d9f07be4";

/// A gateway with an admin port, and three models.
pub(crate) const YAML: &str = r#"
server: { listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: jf-admin-5c21d9f07be4, admin_hosts: [gateway.internal] }
orchestrator:
  default_model: model-default
models:
  model-default: { provider: up }
  model-a: { provider: up }
  model-b: { provider: up }
"#;

/// Asks with the token.
pub(crate) async fn ask(gateway: &Gateway, method: &str, path: &str) -> Reply {
    gateway.admin(method, path, &[("authorization", &format!("Bearer {TOKEN}"))]).await
}

/// What a plugin is at present.
async fn plugin(gateway: &Gateway, name: &str) -> Value {
    let reply = ask(gateway, "GET", &format!("/plugins/{name}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn only_the_token_and_a_name_of_its_own_open_the_port() {
    let world = World::with_plugins(YAML, &[("rule.wasm", &router_to("model-a"))]).await;
    let right = format!("Bearer {TOKEN}");
    let wrong = format!("Bearer {TOKEN}x");
    let lower = format!("bearer  {TOKEN}");
    let bare = TOKEN.to_owned();
    let none = (None, "invalid_admin_token");
    let mut said = String::new();
    for (name, token, host, method, path, status, code) in [
        ("right", Some(&right), None, "GET", "/plugins", 200, ""),
        ("right, metrics", Some(&right), None, "GET", "/metrics", 200, ""),
        ("right, in lower case", Some(&lower), None, "GET", "/plugins", 200, ""),
        ("localhost", Some(&right), Some("localhost:8788"), "GET", "/plugins", 200, ""),
        ("a forwarded port", Some(&right), Some("[::1]:9999"), "GET", "/plugins", 200, ""),
        ("a configured name", Some(&right), Some("Gateway.Internal:8788"), "GET", "/plugins", 200, ""),
        ("no token", none.0, None, "GET", "/plugins", 401, none.1),
        ("no token, metrics", none.0, None, "GET", "/metrics", 401, none.1),
        ("wrong token", Some(&wrong), None, "GET", "/plugins", 401, none.1),
        ("wrong token, rollback", Some(&wrong), None, "POST", "/plugins/rule/rollback", 401, none.1),
        ("no scheme", Some(&bare), None, "GET", "/plugins", 401, none.1),
        ("a path that is none, no token", none.0, None, "GET", "/nothing", 401, none.1),
        ("wrong Host", Some(&right), Some("evil.example"), "GET", "/plugins", 403, "host_not_allowed"),
        (
            "wrong Host, no token",
            none.0,
            Some("evil.example:8788"),
            "GET",
            "/metrics",
            403,
            "host_not_allowed",
        ),
        ("unknown path", Some(&right), None, "GET", "/nothing", 404, "unknown_path"),
        ("the API's path", Some(&right), None, "GET", "/v1/models", 404, "unknown_path"),
        ("unknown plugin", Some(&right), None, "GET", "/plugins/nobody", 404, "plugin_not_found"),
        (
            "unknown plugin, rollback",
            Some(&right),
            None,
            "POST",
            "/plugins/nobody/rollback",
            404,
            "plugin_not_found",
        ),
        ("rollback by GET", Some(&right), None, "GET", "/plugins/rule/rollback", 405, "method_not_allowed"),
        ("list by POST", Some(&right), None, "POST", "/plugins", 405, "method_not_allowed"),
        (
            "unknown plugin, promote",
            Some(&right),
            None,
            "POST",
            "/plugins/nobody/promote",
            404,
            "plugin_not_found",
        ),
        ("no canary", Some(&right), None, "POST", "/plugins/rule/promote", 409, "nothing_to_promote"),
        ("promote by GET", Some(&right), None, "GET", "/plugins/rule/promote", 405, "method_not_allowed"),
        ("wrong token, promote", Some(&wrong), None, "POST", "/plugins/rule/promote", 401, none.1),
        ("no requests yet", Some(&right), None, "GET", "/requests", 200, ""),
        ("models", Some(&right), None, "GET", "/models", 200, ""),
        ("no token, models", none.0, None, "GET", "/models", 401, none.1),
        ("no token, requests", none.0, None, "GET", "/requests", 401, none.1),
        ("no token, one request", none.0, None, "GET", "/requests/req_1", 401, none.1),
        ("unknown request", Some(&right), None, "GET", "/requests/req_1", 404, "request_not_found"),
        ("no number", Some(&right), None, "GET", "/requests?limit=all", 400, "invalid_request"),
        ("none at all", Some(&right), None, "GET", "/requests?limit=0", 400, "invalid_request"),
        ("too many", Some(&right), None, "GET", "/requests?limit=1001", 400, "invalid_request"),
        ("nothing before", Some(&right), None, "POST", "/plugins/rule/rollback", 409, "nothing_to_roll_back"),
    ] {
        let token = token.map(|token| ("authorization", token.as_str()));
        let headers: Vec<_> = token.into_iter().chain(host.map(|host| ("host", host))).collect();
        let reply = world.gateway.admin(method, path, &headers).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        if status != 200 {
            let error = reply.error();
            assert_eq!(error.code.as_deref(), Some(code), "{name}: {error:?}");
            said.push_str(&format!("{name}: {error:?}\n"));
        }
        assert_eq!(reply.header("www-authenticate").is_some(), status == 401, "{name}");
        said.push_str(&format!("{:?} {}\n", reply.headers, reply.text()));
    }
    assert!(said.contains("add the name to server.admin_hosts"), "{said}");
    assert!(said.contains("server.admin_token"), "{said}");
    // The API's port has none of it.
    assert_eq!(world.gateway.send("GET", "/plugins", &[("authorization", &right)], "").await.status, 404);
    // The token is nowhere: the longest text is looked for that both the right and the wrong one contain.
    let log = world.gateway.log();
    log.wait_for_text("the token is not").await;
    assert!(!said.contains(TOKEN) && !log.text().contains(TOKEN), "{said}\n{}", log.text());
}

#[tokio::test]
async fn two_hosts_or_none_or_another_in_the_target_are_refused() {
    let world = World::start(YAML).await;
    let address = world.gateway.admin_address().unwrap();
    let auth = format!("authorization: Bearer {TOKEN}\r\n");
    for (request, status) in [
        (format!("GET /plugins HTTP/1.1\r\nhost: {address}\r\n{auth}\r\n"), 200),
        (format!("GET http://{address}/plugins HTTP/1.1\r\nhost: {address}\r\n{auth}\r\n"), 200),
        (format!("GET /plugins HTTP/1.1\r\n{auth}\r\n"), 403),
        (format!("GET /plugins HTTP/1.0\r\n{auth}\r\n"), 403),
        (format!("GET /plugins HTTP/1.1\r\nhost: {address}\r\nhost: evil.example\r\n{auth}\r\n"), 403),
        (format!("GET http://evil.example/plugins HTTP/1.1\r\nhost: {address}\r\n{auth}\r\n"), 403),
        (format!("GET http://{address}/plugins HTTP/1.1\r\nhost: evil.example\r\n{auth}\r\n"), 403),
    ] {
        let mut client = jackfield_tests::gateway::RawClient::connect(address).await;
        client.send(&request).await;
        let reply = client.reply().await.unwrap();
        assert_eq!(reply.status, status, "{request}");
    }
}

#[tokio::test]
async fn without_a_token_the_port_stays_closed() {
    for server in [
        "server: { listen: 127.0.0.1:0, admin: 127.0.0.1:0 }",
        "server: { listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: \"${NOT_SET:-}\" }",
    ] {
        let world = World::start(&format!("{server}\n{BASE}")).await;
        assert_eq!(world.gateway.admin_address(), None, "{server}");
    }
}

#[tokio::test]
async fn every_plugin_of_the_folder_is_told_with_what_became_of_it() {
    let yaml = format!(
        "{YAML}  fast-model: {{ provider: up }}\nplugins:\n  dir: PLUGINS\n  settings:\n    off: {{ enabled: false }}\n    \
         urgent-router: {{ on_error: fail, instances: warm, config: {{ keyword: urgent, model: fast-model }} }}\n"
    )
    .replace("  default_model", "  routers: [urgent-router, failing]\n  default_model");
    let (example, good) = (example_plugin("urgent-router.wasm"), router_to("model-a"));
    let files: &[(&str, &[u8])] = &[
        ("urgent-router.wasm", &example),
        ("failing.wasm", &trapping()),
        ("unlisted.wasm", &good),
        ("off.wasm", &good),
        ("words.wasm", b"this is text"),
        ("bad name.wasm", b"x"),
        ("notes.txt", b"not looked at"),
    ];
    let world = World::with_plugins(&yaml, files).await;
    world.upstream.always(openai::chat("ok"));
    let gateway = &world.gateway;
    for _ in 0..7 {
        model(gateway).await;
    }
    let reply = ask(gateway, "GET", "/plugins").await;
    let listed = reply.json();
    assert_eq!(listed["world"], 1, "{listed:#}");
    let states: Vec<(&str, &str)> = listed["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| (plugin["name"].as_str().unwrap(), plugin["state"].as_str().unwrap()))
        .collect();
    let want = [
        ("bad name", "refused"),
        ("failing", "breaker_open"),
        ("off", "disabled"),
        ("unlisted", "not_listed"),
        ("urgent-router", "serves"),
        ("words", "refused"),
    ];
    assert_eq!(states, want, "{listed:#}");

    let seen = plugin(gateway, "urgent-router").await;
    for (pointer, want) in [
        ("/generation", json!(1)),
        ("/kinds", json!(["router"])),
        ("/version", json!("1.0.0")),
        ("/size", json!(example.len())),
        ("/on_error", json!("fail")),
        ("/instances", json!("warm")),
        ("/limits/cpu", json!("10ms")),
        ("/limits/memory", json!("64MiB")),
        ("/limits/host_calls", json!("10k")),
        ("/canary", Value::Null),
        ("/shadow", Value::Null),
        ("/refusal", Value::Null),
        ("/calls", json!(7)),
        ("/faults", json!({})),
    ] {
        assert_eq!(seen.pointer(pointer), Some(&want), "{pointer} in {seen:#}");
    }
    let number = |pointer: &str| {
        seen.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {seen:#}"))
    };
    assert!(
        number("/latency_us/p50") > 0 && number("/latency_us/p50") <= number("/latency_us/p99"),
        "{seen:#}"
    );
    assert!(number("/peak_memory_bytes") >= 65_536 && number("/since") > 1_700_000_000, "{seen:#}");
    let digest = seen["digest"].as_str().unwrap();
    assert!(digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64), "{digest}");

    let failing = plugin(gateway, "failing").await;
    assert_eq!(failing["calls"], 5, "{failing:#}");
    assert_eq!(failing["faults"], json!({ "trap": 5, "breaker_open": 2 }), "{failing:#}");
    let off = plugin(gateway, "off").await;
    let keys = |plugin: &Value| plugin.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&off), keys(&seen), "one shape for all");
    let words = plugin(gateway, "words").await;
    assert!(words["refusal"]["reason"].as_str().unwrap().contains("is not WebAssembly"), "{words:#}");
    assert_eq!(words["refusal"]["earlier_generation_serves"], false, "{words:#}");
    assert_eq!(plugin(gateway, "bad%20name").await["state"], "refused");
    // Neither one that is switched off nor one that was refused can go anywhere.
    for name in ["off", "words"] {
        let reply = ask(gateway, "POST", &format!("/plugins/{name}/rollback")).await;
        assert_eq!(reply.error().code.as_deref(), Some("nothing_to_roll_back"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_good_plugin_is_rolled_back_by_hand_once() {
    let (a, b, c) = (router_to("model-a"), router_to("model-b"), router_to("model-default"));
    let world = World::with_plugins(YAML, &[("rule.wasm", &a)]).await;
    world.upstream.always(openai::chat("ok"));
    let (gateway, dir) = (&world.gateway, world.plugins());
    until(gateway, "model-a").await;
    let first = plugin(gateway, "rule").await;
    put(dir, "rule.wasm", &b);
    until(gateway, "model-b").await;
    let second = plugin(gateway, "rule").await;
    assert_eq!((&first["generation"], &second["generation"]), (&json!(1), &json!(2)), "{second:#}");
    assert_ne!(first["digest"], second["digest"]);
    assert!(second["calls"].as_u64().unwrap() >= 1 && first["calls"].as_u64().unwrap() >= 1, "of its own");

    let reply = ask(gateway, "POST", "/plugins/rule/rollback").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let now = reply.json();
    assert_eq!(
        (&now["generation"], &now["digest"], &now["state"]),
        (&json!(1), &first["digest"], &json!("serves")),
        "{now:#}"
    );
    assert_eq!(now["refusal"]["digest"], second["digest"], "{now:#}");
    assert_eq!(now["refusal"]["earlier_generation_serves"], true, "{now:#}");
    assert!(now["refusal"]["reason"].as_str().unwrap().contains("rolled back by hand"), "{now:#}");
    // In force when the answer is there.
    assert_eq!(model(gateway).await, "model-a");

    let again = ask(gateway, "POST", "/plugins/rule/rollback").await;
    assert_eq!((again.status, again.error().code.as_deref()), (409, Some("nothing_to_roll_back")));
    assert!(again.error().message.contains("no earlier generation"), "{}", again.text());
    // The bytes that were left are not taken again, under whatever name; others are.
    put(dir, "other.wasm", &b);
    gateway.log().wait_for_text("other.wasm").await;
    assert_eq!(model(gateway).await, "model-a");
    put(dir, "rule.wasm", &c);
    until(gateway, "model-default").await;
    assert_eq!(plugin(gateway, "rule").await["generation"], 3);
    let reply = ask(gateway, "POST", "/plugins/rule/rollback").await;
    assert_eq!((reply.status, reply.json()["generation"].clone()), (200, json!(1)), "{}", reply.text());
}

/// A gateway whose rule has this generation on trial, beside one that leads to `model-a`.
async fn on_trial(canary: &[u8]) -> World {
    let yaml = format!("{YAML}plugins: {{ dir: PLUGINS, settings: {{ rule: {{ canary: 50% }} }} }}\n");
    let world = World::with_plugins(&yaml, &[("rule.wasm", &router_to("model-a"))]).await;
    world.upstream.always(openai::chat("ok"));
    until(&world.gateway, "model-a").await;
    put(world.plugins(), "rule.wasm", canary);
    let seen = async { while plugin(&world.gateway, "rule").await["canary"].is_null() {} };
    soon("the canary", seen).await;
    world
}

#[tokio::test]
async fn a_canary_is_told_apart_and_promoted_by_hand() {
    let world = on_trial(&router_to("model-b")).await;
    let gateway = &world.gateway;
    until(gateway, "model-b").await;
    let first = plugin(gateway, "rule").await;
    assert_eq!((&first["generation"], &first["state"]), (&json!(1), &json!("serves")), "{first:#}");
    let canary = &first["canary"];
    assert_eq!((&canary["generation"], &canary["share"]), (&json!(2), &json!("50%")), "{first:#}");
    assert_ne!(canary["digest"], first["digest"], "{first:#}");
    assert!(canary["calls"].as_u64().unwrap() >= 1 && canary["since"].as_u64() >= first["since"].as_u64());
    assert_eq!(canary["faults"], json!({}), "{first:#}");
    let text = ask(gateway, "GET", "/metrics").await.text();
    for (canary, generation) in [(false, 1), (true, 2)] {
        let line =
            format!("jackfield_plugin_generation{{plugin=\"rule\",canary=\"{canary}\"}} {generation}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(!text.contains("{plugin=\"rule\",canary=\"true\",outcome=\"ok\"} 0\n"), "{text}");

    let reply = ask(gateway, "POST", "/plugins/rule/promote").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let now = reply.json();
    assert_eq!((&now["generation"], &now["digest"]), (&json!(2), &canary["digest"]), "{now:#}");
    assert_eq!(now["canary"], Value::Null, "{now:#}");
    assert_eq!(now["calls"].as_u64(), canary["calls"].as_u64(), "its calls are its own");
    for _ in 0..20 {
        assert_eq!(model(gateway).await, "model-b");
    }
    let text = ask(gateway, "GET", "/metrics").await.text();
    assert!(text.contains("jackfield_reload_changes_total{change=\"canary_promoted\"} 1\n"), "{text}");
    assert!(!text.contains("canary=\"true\""), "{text}");
    let again = ask(gateway, "POST", "/plugins/rule/promote").await;
    assert_eq!((again.status, again.error().code.as_deref()), (409, Some("nothing_to_promote")));
    // What it took the place of is there to go back to.
    let back = ask(gateway, "POST", "/plugins/rule/rollback").await;
    assert_eq!((back.status, &back.json()["digest"]), (200, &first["digest"]), "{}", back.text());
    assert_eq!(model(gateway).await, "model-a");
}

#[tokio::test]
async fn a_rollback_by_hand_withdraws_a_canary_first() {
    let world = on_trial(&trapping()).await;
    let gateway = &world.gateway;
    let failing = async {
        while plugin(gateway, "rule").await["canary"]["faults"] != json!({ "trap": 1 }) {
            assert_eq!(model(gateway).await, "model-a");
        }
    };
    soon("a fault of the canary", failing).await;
    let before = plugin(gateway, "rule").await;
    assert_eq!(before["faults"], json!({}), "{before:#}");
    let reply = ask(gateway, "POST", "/plugins/rule/rollback").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let now = reply.json();
    assert_eq!((&now["generation"], &now["canary"]), (&json!(1), &Value::Null), "{now:#}");
    assert!(now["refusal"]["reason"].as_str().unwrap().contains("withdrawn by hand"), "{now:#}");
    assert_eq!(now["refusal"]["digest"], before["canary"]["digest"], "{now:#}");
    let again = ask(gateway, "POST", "/plugins/rule/rollback").await;
    assert_eq!(again.status, 409, "{}", again.text());
    let text = ask(gateway, "GET", "/metrics").await.text();
    assert!(text.contains("jackfield_reload_changes_total{change=\"canary_withdrawn\"} 1\n"), "{text}");
}

#[tokio::test]
async fn a_shadow_shows_what_came_of_it() {
    let yaml = format!("{YAML}plugins: {{ dir: PLUGINS, settings: {{ rule: {{ shadow: true }} }} }}\n");
    let world = World::with_plugins(&yaml, &[("rule.wasm", &router_to("model-a"))]).await;
    world.upstream.always(openai::chat("ok"));
    let gateway = &world.gateway;
    for model in ["model-a", "model-b", "model-b"] {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]}}"#);
        assert_eq!(gateway.chat(body).await.header("x-jackfield-model"), Some(model));
    }
    let want = json!({ "agreed": 1, "disagreed": 2, "abstained": 0, "failed": 0, "skipped": 0 });
    soon("the shadow's tally", async { while plugin(gateway, "rule").await["shadow"] != want {} }).await;
    let seen = plugin(gateway, "rule").await;
    assert_eq!((&seen["state"], &seen["calls"]), (&json!("shadow"), &json!(3)), "{seen:#}");
    let text = ask(gateway, "GET", "/metrics").await.text();
    for (outcome, count) in [("agreed", 1), ("disagreed", 2), ("abstained", 0), ("failed", 0), ("skipped", 0)]
    {
        let line = format!("jackfield_shadow_total{{plugin=\"rule\",outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}

#[tokio::test]
async fn the_last_requests_are_told_newest_first() {
    let world = World::with_plugins(YAML, &[("rule.wasm", &router_to("model-a"))]).await;
    world.upstream.always(openai::chat("ok"));
    let gateway = &world.gateway;
    let mut ids = Vec::new();
    for _ in 0..52 {
        let reply = gateway.chat(r#"{"messages":[{"role":"user","content":"my secret plan"}]}"#).await;
        ids.push(reply.header("x-jackfield-request-id").unwrap().to_owned());
        gateway.record(&ids[ids.len() - 1]).await;
    }
    ids.reverse();
    let told = async |query: &str| {
        let reply = ask(gateway, "GET", &format!("/requests{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(!reply.text().contains("secret plan"), "{}", reply.text());
        let requests = reply.json()["requests"].as_array().unwrap().clone();
        requests.iter().map(|request| request["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told("").await, ids[..50]);
    assert_eq!(told("?limit=2").await, ids[..2]);
    assert_eq!(told("?limit=1000").await, ids);
    let reply = ask(gateway, "GET", &format!("/requests/{}", ids[7])).await;
    assert_eq!((reply.status, reply.json()), (200, gateway.record(&ids[7]).await));
    let seen = reply.json();
    assert_eq!((&seen["outcome"], &seen["model"]), (&json!("answered"), &json!("model-a")), "{seen:#}");
    assert_eq!(seen["steps"][0]["step"], "router", "{seen:#}");
}

#[tokio::test]
async fn commands_are_answered_when_nothing_is_watched() {
    let yaml = format!("{YAML}plugins: {{ dir: PLUGINS, watch: false }}\n");
    let world = World::with_plugins(&yaml, &[("rule.wasm", &router_to("model-a"))]).await;
    let reply = ask(&world.gateway, "POST", "/plugins/rule/rollback").await;
    assert_eq!(reply.status, 409, "{}", reply.text());
    assert_eq!(ask(&world.gateway, "POST", "/plugins/nobody/rollback").await.status, 404);
    assert_eq!(ask(&world.gateway, "POST", "/plugins/rule/promote").await.status, 409);
    assert_eq!(world.gateway.stop().await, Stopped::Drained);
}

#[tokio::test]
async fn the_port_answers_until_the_api_has_drained() {
    let World { upstream, mut gateway, .. } = World::start(YAML).await;
    let frames = openai::stream_frames(&["Hel", "lo"]);
    let (before, after) = frames.split_at(2);
    upstream.push(after.iter().cloned().fold(Answer::sse(before.to_vec()).gate("rest"), Answer::bytes));
    let mut stream = gateway.open_stream(STREAM.replace("test-model", "model-a")).await;
    stream.next_frame().await.unwrap();
    gateway.ask_to_stop();
    // A command is refused once the drain has begun; what is there is told for as long as it lasts.
    soon("the drain to begin", async {
        while ask(&gateway, "POST", "/plugins/rule/rollback").await.status != 503 {}
    })
    .await;
    let reply = ask(&gateway, "GET", "/metrics").await;
    assert!(reply.text().contains("\njackfield_requests_in_flight 1\n"), "{}", reply.text());
    upstream.open("rest");
    assert_eq!(stream.collect().await.text(), "Hello");
    assert_eq!(gateway.stopped().await, Stopped::Drained);
}

#[tokio::test]
async fn a_new_token_holds_at_once() {
    let upstream = Upstream::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jackfield.yaml");
    let text = |token: &str| {
        format!(
            "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0, {token} }}\nmodels: {{ m: {{ provider: up }} }}\n\
             providers: {{ up: {{ kind: openai, base_url: \"{}\" }} }}\nplugins: {{ dir: \"{}\" }}\n",
            upstream.base_url(),
            dir.path().display()
        )
    };
    std::fs::write(&file, text(&format!("admin_token: {TOKEN}"))).unwrap();
    let gateway = Setup::file(&file).start().await;
    assert_eq!(ask(&gateway, "GET", "/plugins").await.status, 200);
    let new = "jf-admin-another-0123456789";
    std::fs::write(&file, text(&format!("admin_token: {new}"))).unwrap();
    let reaches = |token: &'static str, status: u16| {
        let gateway = &gateway;
        let header = format!("Bearer {token}");
        soon("the new token to hold", async move {
            while gateway.admin("GET", "/plugins", &[("authorization", &header)]).await.status != status {}
        })
    };
    reaches(new, 200).await;
    reaches(TOKEN, 401).await;
    // Without a token nobody gets in: the port is not open to all.
    std::fs::write(&file, text("drain: 1s")).unwrap();
    reaches(new, 401).await;
}

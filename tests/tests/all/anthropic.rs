//! Anthropic's API for clients: its errors, keys and headers, the counting of tokens, tasks, and the list of models.

use jackfield_tests::gateway::{CHAT, Line, Reply};
use jackfield_tests::upstream::{Answer, Match, anthropic, openai};
use serde_json::{Value, json};

use crate::dialects::{ANTH_KEY, MESSAGES, MODELS, OPEN_KEY, world};

const COUNT: &str = "/v1/messages/count_tokens";
const CLIENT_KEY: &str = "jf-client-5f0e9d8c7b6a";
const ASK: &str = r#"{"model":"anth-model","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}"#;

/// Headers of a request.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// An error's type, its shape checked.
fn kind(reply: &Reply) -> String {
    let body = reply.json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (keys(&body), keys(&body["error"])),
        (vec!["error".into(), "type".into()], vec!["message".into(), "type".into()])
    );
    assert!(body["type"] == "error" && body["error"]["message"] != "", "{body}");
    body["error"]["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_refusal_is_in_the_clients_api() {
    let yaml = format!(
        "keys:\n  - {{ key: {CLIENT_KEY}, models: [anth-model] }}\nserver: {{ listen: 127.0.0.1:0, limits: {{ body: 1KiB }} }}\n{MODELS}"
    );
    let (upstream, gateway) = world(&yaml).await;
    let key = ("x-api-key", CLIENT_KEY);
    let long = ASK.replace("hello", &"x".repeat(2_000));
    let other = ASK.replace("anth-model", "open-model");
    let no_bound = r#"{"model":"anth-model","messages":[{"role":"user","content":"x"}]}"#;
    let text = ("content-type", "text/plain");
    let rows: &[(&str, &str, &str, Headers<'_>, u16, &str)] = &[
        ("POST", MESSAGES, ASK, &[], 401, "authentication_error"),
        ("POST", MESSAGES, ASK, &[("x-api-key", "wrong")], 401, "authentication_error"),
        ("POST", COUNT, ASK, &[], 401, "authentication_error"),
        ("POST", MESSAGES, "{", &[key], 400, "invalid_request_error"),
        ("POST", MESSAGES, "[]", &[key], 400, "invalid_request_error"),
        ("POST", MESSAGES, no_bound, &[key], 400, "invalid_request_error"),
        ("POST", COUNT, "{}", &[key], 400, "invalid_request_error"),
        ("POST", MESSAGES, ASK, &[key, text], 415, "invalid_request_error"),
        ("POST", MESSAGES, &long, &[key], 413, "request_too_large"),
        ("POST", MESSAGES, &other, &[key], 403, "permission_error"),
        ("GET", MESSAGES, "", &[key], 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", ASK, &[key], 404, "not_found_error"),
        ("GET", "/v1/files", "", &[key, ("anthropic-version", "2023-06-01")], 404, "not_found_error"),
        ("GET", "/v1/models", "", &[("anthropic-version", "2023-06-01")], 401, "authentication_error"),
        ("GET", "/v1/models/none", "", &[key, ("anthropic-version", "2023-06-01")], 404, "not_found_error"),
    ];
    for (method, path, body, headers, status, want) in rows {
        let reply = gateway.send(method, path, headers, body.to_string()).await;
        let name = format!("{method} {path} {headers:?}: {}", reply.text());
        assert_eq!((reply.status, kind(&reply).as_str()), (*status, *want), "{name}");
    }
    let reply = gateway.send("GET", "/v1/messagesx", &[], "").await;
    assert!(reply.error().message.contains("unknown path"), "other paths are OpenAI's");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_key_may_come_in_either_header_and_goes_no_further() {
    let (upstream, gateway) = world(&format!("keys:\n  - {{ key: {CLIENT_KEY} }}\n{MODELS}")).await;
    let bearer = format!("Bearer {CLIENT_KEY}");
    let rows: &[(Headers<'_>, u16)] = &[
        (&[("x-api-key", CLIENT_KEY)], 200),
        (&[("authorization", &bearer)], 200),
        (&[("authorization", "Bearer for-somebody-else"), ("x-api-key", CLIENT_KEY)], 200),
        (&[("authorization", &bearer), ("x-api-key", "for-somebody-else")], 200),
        (&[("authorization", "Bearer for-somebody-else"), ("x-api-key", "wrong")], 401),
        (&[("x-api-key", "")], 401),
        (&[("x-api-key", ANTH_KEY)], 401),
    ];
    for path in [MESSAGES, CHAT] {
        for (headers, status) in rows {
            upstream.always(anthropic::message("ok"));
            let reply = gateway.send("POST", path, headers, ASK).await;
            assert_eq!(reply.status, *status, "{path} {headers:?}: {}", reply.text());
        }
    }
    for got in upstream.requests() {
        assert_eq!((got.header("x-api-key"), got.header("authorization")), (Some(ANTH_KEY), None));
    }
}

#[tokio::test]
async fn no_key_is_logged_or_answered_whatever_happens() {
    let (upstream, gateway) = world(&format!("keys:\n  - {{ key: {CLIENT_KEY} }}\n{MODELS}")).await;
    let echo = format!("invalid x-api-key: {ANTH_KEY}");
    let event = json!({"type": "error", "error": {"type": "authentication_error", "message": echo}});
    let stream = ASK.replacen('{', r#"{"stream":true,"#, 1);
    let broken =
        Answer::sse(anthropic::stream_frames(&["a"]).into_iter().take(4)).bytes(anthropic::frame(&event));
    let rows = [
        ("served", Some(anthropic::message("ok")), ASK, CLIENT_KEY),
        ("refused", Some(anthropic::error(401, "authentication_error", &echo)), ASK, CLIENT_KEY),
        ("odd", Some(anthropic::error(400, "invalid_request_error", &echo)), ASK, CLIENT_KEY),
        ("down", Some(anthropic::error(500, "api_error", &echo)), ASK, CLIENT_KEY),
        ("an error event", Some(broken), &stream, CLIENT_KEY),
        ("cut", Some(Answer::cut()), ASK, CLIENT_KEY),
        ("no body", None, "{", CLIENT_KEY),
        ("a stranger", None, ASK, "jf-client-5f0e9d8c7b6ax"),
    ];
    let secrets = [ANTH_KEY, OPEN_KEY, CLIENT_KEY];
    let mut leaks = Vec::new();
    let count = rows.len();
    for (name, answer, body, key) in rows {
        if let Some(answer) = answer {
            upstream.always(answer);
        }
        for path in [MESSAGES, CHAT] {
            let reply = gateway.post_raw(path, body.to_owned(), &[("x-api-key", key)]).await;
            let said = format!("{:?} {}", reply.headers, reply.text());
            if secrets.iter().any(|secret| said.contains(secret)) {
                leaks.push(format!("{name}: {said}"));
            }
        }
    }
    gateway.log().wait_for_requests(2 * count).await;
    let leaking = |line: &&Line| secrets.iter().any(|secret| format!("{line:?}").contains(secret));
    leaks.extend(gateway.log().lines().iter().filter(leaking).map(|line| format!("{line:?}")));
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test]
async fn the_apis_own_headers_go_with_its_own_requests() {
    let yaml = format!(
        "orchestrator: {{ routes: [{{ task: warm, model: anth-model, temperature: 0.5 }}] }}\n{MODELS}"
    );
    let (upstream, gateway) = world(&yaml).await;
    upstream.always(anthropic::message("ok"));
    let own =
        [("anthropic-version", "2026-10-21"), ("anthropic-beta", "one,two"), ("anthropic-beta", "three")];
    let chat = r#"{"model":"anth-model","messages":[{"role":"user","content":"x"}]}"#;
    let warm = ASK.replace("anth-model", "task/warm");
    // A version that takes no temperature is not asked for one.
    let rows: &[(&str, &str, Headers<'_>, &str, &[&str])] = &[
        (MESSAGES, ASK, &[], "2023-06-01", &[]),
        (MESSAGES, ASK, &own, "2026-10-21", &["one,two", "three"]),
        (MESSAGES, &warm, &own, "2023-06-01", &["one,two", "three"]),
        (CHAT, chat, &own, "2023-06-01", &[]),
    ];
    for (path, body, headers, version, beta) in rows {
        let reply = gateway.post_raw(path, body.to_string(), headers).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let got = upstream.requests().pop().unwrap();
        let all = |name: &str| {
            got.headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            (all("anthropic-version"), all("anthropic-beta")),
            (vec![version.to_string()], beta.iter().map(|b| b.to_string()).collect()),
            "{path} {body}"
        );
    }
    assert_eq!(upstream.requests()[2].json()["temperature"], 0.5);
}

#[tokio::test]
async fn a_task_is_named_in_three_ways_and_never_forwarded() {
    let yaml = format!(
        "orchestrator:\n  default_model: open-model\n  routes: [{{ task: code, model: anth-model }}]\n{MODELS}"
    );
    let (upstream, gateway) = world(&yaml).await;
    upstream.always(anthropic::message("ok"));
    let rest = r#""max_tokens":5,"messages":[{"role":"user","content":"x"}]"#;
    let sent = format!(r#"{{{rest},"model":"claude-haiku-4-5"}}"#);
    let rows: &[(String, Headers<'_>, String)] = &[
        (format!("{{{rest}}}"), &[("x-jackfield-task", "code")], sent.clone()),
        (
            format!(r#"{{"model":"task/code",{rest}}}"#),
            &[],
            format!(r#"{{"model":"claude-haiku-4-5",{rest}}}"#),
        ),
        (format!(r#"{{{rest},"metadata":{{"task":"code"}}}}"#), &[], sent.clone()),
        (
            format!(r#"{{"metadata":{{"user_id":"u","task":"code"}},{rest}}}"#),
            &[],
            format!(r#"{{"metadata":{{"user_id":"u"}},{rest},"model":"claude-haiku-4-5"}}"#),
        ),
    ];
    for (body, headers, want) in rows {
        let reply = gateway.post_raw(MESSAGES, body.clone(), headers).await;
        assert_eq!(reply.header("x-jackfield-route"), Some("static"), "{body}: {}", reply.text());
        assert_eq!(upstream.requests().pop().unwrap().text(), want, "{body}");
    }
}

#[tokio::test]
async fn tokens_are_counted_by_who_counts_and_estimated_elsewhere() {
    let yaml = format!(
        "orchestrator:\n  default_model: anth-model\n  validators: [{{ regex: never }}]\n  router: {{ model: open-model, thresholds: {{ complexity: {{ high: open-model, low: open-model }} }} }}\n  routes: [{{ task: json, model: anth-model, result: json }}]\n{MODELS}  sim-model: {{ provider: sim }}\n"
    );
    let (upstream, gateway) = world(&yaml).await;
    let count =
        r#"{"model":"anth-model", "system":"be brief","messages":[{"role":"user","content":"hello"}]}"#;
    let answer = "{\"input_tokens\" : 14, \"x\":1}";
    // No model: nothing is rated. A task that wants JSON: nothing is judged.
    let unnamed = count.replace(r#""model":"anth-model", "#, "");
    let task = count.replace("anth-model", "task/json");
    let native = count.replace("anth-model", "claude-haiku-4-5");
    let appended = format!(r#"{},"model":"claude-haiku-4-5"}}"#, unnamed.strip_suffix('}').unwrap());
    for (body, want) in [(count, native.as_str()), (&task, &native), (&unnamed, &appended)] {
        upstream.push(Answer::raw(200, "application/json", answer));
        let reply = gateway.post_raw(COUNT, body.to_owned(), &[]).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, answer), "{body}");
        let got = upstream.requests().pop().unwrap();
        assert_eq!((got.path.as_str(), got.text()), (COUNT, want));
        let record = gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
        assert!(record["usage"].is_null(), "counting costs nothing: {record}");
    }
    assert_eq!(upstream.requests().len(), 3, "no rating was asked for");
    for model in ["open-model", "sim-model"] {
        let reply = gateway.post_raw(COUNT, count.replace("anth-model", model), &[]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.json();
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        // Eight and five bytes in two messages.
        assert_eq!(body["input_tokens"], 4 + 8, "{model}: {body}");
    }
    assert_eq!(upstream.requests().len(), 3, "an estimate needs no call");
    let tools = json!({"model": "open-model", "messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "url", "url": "https://x"}}]}], "tools": [{"name": "f", "input_schema": {}}]});
    let reply = gateway.post_json(COUNT, &tools).await;
    assert!(reply.json()["input_tokens"].as_u64().unwrap() > 1_600, "{}", reply.text());
    let reply = gateway.post_raw(COUNT, count, &[("x-jackfield-validators", "not_empty")]).await;
    assert_eq!((reply.status, kind(&reply).as_str()), (400, "invalid_request_error"));
    upstream.push(anthropic::error(404, "not_found_error", "no such model"));
    let reply = gateway.post_raw(COUNT, count, &[]).await;
    assert_eq!(
        (reply.status, &reply.json()["request_id"]),
        (404, &json!("req_1")),
        "as the provider said it"
    );
    upstream.push(openai::chat("not a count"));
    assert_eq!(gateway.post_raw(COUNT, count, &[]).await.status, 502);
}

#[tokio::test]
async fn models_are_listed_in_the_shape_of_who_asks() {
    let (_upstream, gateway) = world(MODELS).await;
    let version = [("anthropic-version", "2023-06-01")];
    let list = gateway.send("GET", "/v1/models", &version, "").await.json();
    assert_eq!(
        (&list["has_more"], &list["first_id"], &list["last_id"]),
        (&json!(false), &json!("anth-model"), &json!("open-model"))
    );
    let one = gateway.send("GET", "/v1/models/anth-model", &version, "").await.json();
    assert_eq!(list["data"][0], one);
    assert_eq!(
        (&one["type"], &one["id"], &one["display_name"]),
        (&json!("model"), &json!("anth-model"), &json!("anth-model"))
    );
    assert_eq!(one["max_tokens"], 64_000, "as the catalogue knows it");
    assert_eq!(gateway.get("/v1/models").await.json()["object"], "list");
}

#[tokio::test]
async fn a_model_that_takes_no_temperature_rates_prompts_all_the_same() {
    let yaml = format!(
        "orchestrator:\n  router: {{ model: rater, thresholds: {{ complexity: {{ high: anth-model, low: open-model }} }} }}\n{MODELS}  rater: {{ provider: anth, id: claude-opus-5 }}\n"
    );
    let (upstream, gateway) = world(&yaml).await;
    upstream.push_for(&Match::model("claude-opus-5"), anthropic::message("high"));
    upstream.push_for(&Match::model("claude-haiku-4-5"), anthropic::message("ok"));
    let reply = gateway.post_raw(MESSAGES, ASK.replace(r#""model":"anth-model","#, ""), &[]).await;
    assert_eq!(reply.header("x-jackfield-model"), Some("anth-model"), "{}", reply.text());
    let question = upstream.requests()[0].json();
    assert_eq!((&question["temperature"], &question["max_tokens"]), (&Value::Null, &json!(16)));
}

#[tokio::test]
async fn a_router_and_the_simulation_answer_in_the_clients_api() {
    let (_upstream, gateway) = world("models: { sim-model: { provider: sim } }\n").await;
    let ask = ASK.replace("anth-model", "sim-model").replace("\"max_tokens\":5", "\"max_tokens\":50");
    let reply = gateway.post_raw(MESSAGES, ask.clone(), &[]).await.json();
    assert!(reply["content"][0]["text"].as_str().unwrap().contains("simulated"), "{reply}");
    assert_eq!((&reply["stop_reason"], &reply["type"]), (&json!("end_turn"), &json!("message")));
    let body = gateway.post_raw(MESSAGES, ask.replacen('{', r#"{"stream":true,"#, 1), &[]).await.body;
    let events = crate::dialects::events(&body);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["message_start", "content_block_start"]);
    assert_eq!(kinds[kinds.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
}

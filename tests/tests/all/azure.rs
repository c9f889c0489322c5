//! OpenAI's clients before Azure OpenAI: the same bytes at other addresses, with and without a version of the API.

use jackfield_tests::gateway::{Gateway, Setup};
use jackfield_tests::upstream::{Answer, Received, Upstream, openai};
use serde_json::{Value, json};

const KEY: &str = "azure-provider-0c9d41e2";

/// The same resource in both of its APIs.
const MODELS: &str = r#"
models:
  v1: { provider: v1, id: gpt-of-mine, retries: 0 }
  dated: { provider: dated, id: ../of:mine, retries: 0 }
  rescued: { provider: dated, id: mine, retries: 0 }
  spare: { provider: other, retries: 0 }
orchestrator: { default_model: v1, fallback: { rescued: [spare] } }
plugins: { dir: /nonexistent }
"#;

/// A model, its id, and where it is asked.
const PLACES: &[(&str, &str, &str)] = &[
    ("v1", "gpt-of-mine", "/openai/v1/chat/completions"),
    ("dated", "../of:mine", "/openai/deployments/..%2Fof%3Amine/chat/completions?api-version=2024-10-21"),
];

struct World {
    upstream: Upstream,
    gateway: Gateway,
}

impl World {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let address = upstream.address();
        let azure = format!("kind: azure, base_url: \"http://{address}/\", api_key: \"${{KEY}}\"");
        let providers = format!(
            "providers:\n  v1: {{ {azure} }}\n  dated: {{ {azure}, api_version: 2024-10-21 }}\n  other: {{ kind: openai, base_url: \"http://{address}/v1\" }}\n"
        );
        let gateway = Setup::yaml(&format!("{providers}{MODELS}")).env("KEY", KEY).start().await;
        Self { upstream, gateway }
    }

    fn last(&self) -> Received {
        self.upstream.requests().pop().unwrap()
    }
}

/// What clients say beside the model, to the byte.
const WISHES: &[(&str, &str)] = &[
    ("plain", r#""messages":[{"role":"user","content":"caf\u00e9"}], "seed":1.0e+2"#),
    (
        "a picture",
        r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]}]"#,
    ),
    (
        "structured output",
        r#""messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object","b":1,"a":2}}}"#,
    ),
    (
        "tools and the results of two calls made at once",
        r#""messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{ }"}}]},{"role":"tool","tool_call_id":"b","content":"2"},{"role":"tool","tool_call_id":"a","content":"1"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"z":1,"a":2}}}]"#,
    ),
];

#[tokio::test]
async fn requests_keep_their_bytes_at_both_addresses() {
    let world = World::start().await;
    for (model, id, path) in PLACES {
        for (name, wish) in WISHES {
            let answer = json!({"choices": [{"message": {"content": "{}"}, "finish_reason": "stop",
                "content_filter_results": {"hate": {"filtered": false}}}], "prompt_filter_results": []});
            world.upstream.push(Answer::json(200, &answer));
            let reply = world.gateway.chat(format!(r#"{{"model":"{model}",{wish}}}"#)).await;
            assert_eq!((reply.status, reply.json()), (200, answer), "{model}, {name}");
            let got = world.last();
            assert_eq!(got.text(), format!(r#"{{"model":"{id}",{wish}}}"#), "{model}, {name}");
            assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", *path), "{name}");
            assert_eq!(got.header("api-key"), Some(KEY), "{name}");
            assert_eq!(got.header("authorization"), None, "{name}");
        }
    }
}

/// What Azure says before the model speaks, and beside its words.
const FILTERED: &str = "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]}\n\n";
const OFFSETS: &str = "data: {\"choices\":[{\"content_filter_offsets\":{\"check_offset\":1},\"content_filter_results\":{},\"finish_reason\":null,\"index\":0}],\"id\":\"\",\"object\":\"\"}\n\n";

#[tokio::test]
async fn streams_keep_what_azure_says_of_its_filters() {
    let world = World::start().await;
    for (model, id, path) in PLACES {
        let mut frames: Vec<_> = openai::stream_frames(&["he", "llo"]);
        frames.insert(0, FILTERED.into());
        frames.insert(3, OFFSETS.into());
        world.upstream.push(Answer::sse(frames.clone()));
        let wish = r#""messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}"#;
        let got = world.gateway.stream(format!(r#"{{"model":"{model}",{wish}}}"#)).await;
        assert_eq!((got.status, got.body.as_ref()), (200, frames.concat().as_slice()), "{model}");
        assert_eq!(got.text(), "hello");
        let sent = world.last();
        assert_eq!(
            (sent.path.as_str(), sent.text()),
            (*path, format!(r#"{{"model":"{id}",{wish}}}"#).as_str())
        );
    }
}

#[tokio::test]
async fn errors_keep_their_class_and_azures_words() {
    let world = World::start().await;
    let filtered = json!({"error": {"message": "The response was filtered", "type": null, "param": "prompt",
        "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
    let lost =
        json!({"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}});
    let denied = json!({"error": {"code": "401", "message": format!("Access denied: {KEY}")}});
    let limited = json!({"error": {"code": "429", "message": "call rate limit"}});
    let unknown = json!({"error": {"message": "Unrecognized request argument supplied: odd", "param": null,
        "type": "invalid_request_error", "code": null}});
    let cases: Vec<(Answer, u16, Option<&Value>, &str)> = vec![
        (Answer::json(400, &filtered), 400, Some(&filtered), ""),
        (Answer::json(400, &unknown), 400, Some(&unknown), ""),
        (Answer::json(404, &lost), 404, Some(&lost), ""),
        (Answer::json(401, &denied), 502, None, "upstream_auth"),
        (Answer::json(429, &limited).header("retry-after", "7"), 429, None, "upstream_rate_limited"),
        (Answer::status(503), 502, None, "upstream_failed"),
    ];
    for (model, ..) in PLACES {
        for (answer, status, body, code) in &cases {
            world.upstream.push(answer.clone());
            let asked = json!({"model": model, "messages": [{"role": "user", "content": "x"}], "odd": 1});
            let reply = world.gateway.chat(asked.to_string()).await;
            assert_eq!(reply.status, *status, "{model}: {}", reply.text());
            match body {
                Some(body) => assert_eq!(&reply.json(), *body, "{model}"),
                None => assert_eq!(reply.error().code.as_deref(), Some(*code), "{model}"),
            }
            assert_eq!(reply.header("retry-after"), (*status == 429).then_some("7"), "{model}");
            assert!(!reply.text().contains(KEY), "{model}: {}", reply.text());
        }
    }
    world.upstream.push(Answer::status(503));
    world.upstream.push(openai::chat("ok"));
    let reply = world.gateway.chat(r#"{"model":"rescued","messages":[{"role":"user","content":"x"}]}"#).await;
    assert_eq!((reply.status, world.last().path.as_str()), (200, "/v1/chat/completions"), "{}", reply.text());
}

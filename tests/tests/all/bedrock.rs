//! OpenAI's clients and models on Amazon Bedrock: what is sent there, who asks, and what comes back.

use bytes::Bytes;
use jackfield_tests::gateway::{CHAT, Ending, Gateway, Setup};
use jackfield_tests::upstream::{Answer, Received, Upstream, bedrock, openai};
use serde_json::{Value, json};

const KEY_ID: &str = "AKIDEXAMPLE7QW2";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLEtoken==";
const MODEL: &str = "anthropic.claude-3-haiku-20240307-v1:0";

/// A provider that speaks Converse, and one that speaks OpenAI's API for when it does not.
struct World {
    bedrock: Upstream,
    other: Upstream,
    gateway: Gateway,
}

impl World {
    async fn start() -> Self {
        let credentials =
            r#"access_key_id: "${ID}", secret_access_key: "${SECRET}", session_token: "${TOKEN}""#;
        Self::with(credentials).await
    }

    async fn with(credentials: &str) -> Self {
        let (bedrock, other) = (Upstream::start().await, Upstream::start().await);
        let (address, url) = (bedrock.address(), other.base_url());
        let yaml = format!(
            r#"
providers:
  aws: {{ kind: bedrock, region: eu-central-1, base_url: "http://{address}", {credentials}, headers: {{ x-team: "${{TEAM}}" }} }}
  other: {{ kind: openai, base_url: "{url}" }}
models:
  haiku: {{ provider: aws, id: "{MODEL}", retries: 0 }}
  profile: {{ provider: aws, id: "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.x.y-v1:0", retries: 0 }}
  safe: {{ provider: aws, id: "{MODEL}", retries: 0 }}
  rescue: {{ provider: other, retries: 0 }}
orchestrator: {{ default_model: haiku, fallback: {{ safe: [rescue] }} }}
plugins: {{ dir: /nonexistent }}
"#
        );
        let variables = [("ID", KEY_ID), ("SECRET", SECRET), ("TOKEN", TOKEN), ("TEAM", "blue-team")];
        let setup =
            variables.into_iter().fold(Setup::yaml(&yaml), |setup, (name, value)| setup.env(name, value));
        Self {
            bedrock,
            other,
            gateway: setup.env("B1", "bedrock-api-key-1").env("B2", "bedrock-api-key-2").start().await,
        }
    }

    async fn ask(&self, body: &Value) -> (u16, Value) {
        let reply = self.gateway.chat(body.to_string()).await;
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }

    fn last(&self) -> Received {
        self.bedrock.requests().pop().unwrap()
    }
}

fn plain(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] })
}

fn streamed(model: &str) -> Value {
    let mut body = plain(model);
    body["stream"] = json!(true);
    body
}

/// Checks that a request is signed, as far as one can who does not know the secret.
fn check_signature(request: &Received) {
    let date = request.header("x-amz-date").unwrap();
    assert_eq!((date.len(), &date[8..9], &date[15..]), (16, "T", "Z"), "{date}");
    let authorization = request.header("authorization").unwrap();
    let beginning = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/{}/eu-central-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=",
        &date[..8]
    );
    let signature = authorization.strip_prefix(&beginning).unwrap_or_else(|| panic!("{authorization}"));
    assert!(signature.len() == 64 && signature.bytes().all(|b| b.is_ascii_hexdigit()), "{signature}");
    assert_eq!(request.header("x-amz-security-token"), Some(TOKEN));
    assert_eq!(
        (request.header("content-type"), request.header("x-team")),
        (Some("application/json"), Some("blue-team"))
    );
    let all = format!("{:?}{}", request.headers, request.text());
    assert!(!all.contains(SECRET), "the secret stays here");
}

#[tokio::test]
async fn a_whole_answer_is_asked_for_signed_and_comes_back_as_a_chat_completion() {
    let world = World::start().await;
    world.bedrock.always(bedrock::text("Hello, é."));
    let (status, reply) = world.ask(&plain("haiku")).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["choices"][0]["message"]["content"], "Hello, é.");
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&reply["usage"]["prompt_tokens"], &reply["usage"]["completion_tokens"]),
        (&json!(11), &json!(7))
    );
    assert_eq!(reply["usage"]["prompt_tokens_details"]["cached_tokens"], 2);
    assert!(reply["created"].as_u64() > Some(0) && reply["id"] != "", "{reply}");
    let request = world.bedrock.only_request();
    assert_eq!(request.path, "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse");
    assert_eq!(request.json(), json!({ "messages": [{ "role": "user", "content": [{ "text": "hello" }] }] }));
    check_signature(&request);
    let (status, _) = world.ask(&plain("profile")).await;
    let path = "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.x.y-v1%3A0/converse";
    assert_eq!((status, world.last().path.as_str()), (200, path));
    check_signature(&world.last());
}

#[tokio::test]
async fn a_streamed_answer_may_be_cut_anywhere_on_its_way() {
    let world = World::start().await;
    let frames = bedrock::text_frames(&["Hel", "lo, ", "é 漢."]);
    let bytes = frames.concat();
    let sevens = bytes.chunks(7).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    for pieces in [frames, vec![Bytes::from(bytes)], sevens] {
        world.bedrock.push(bedrock::stream(pieces));
        let mut body = streamed("haiku");
        body["stream_options"] = json!({ "include_usage": true });
        let got = world.gateway.stream(body.to_string()).await;
        assert_eq!((got.status, got.text().as_str(), &got.ending), (200, "Hello, é 漢.", &Ending::Whole));
        assert_eq!(got.header("content-type"), Some("text/event-stream"));
        assert_eq!(got.frames.last().unwrap(), openai::DONE);
        let chunks = got.chunks();
        assert_eq!(chunks[chunks.len() - 1]["usage"]["prompt_tokens"], 11);
        assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop");
        assert!(world.last().path.ends_with("/converse-stream"));
        check_signature(&world.last());
    }
}

/// Two functions, and what the client says of them in its second turn.
fn tools() -> Value {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    json!([
        { "type": "function", "function": { "name": "weather", "description": "The weather.", "parameters": schema } },
        { "type": "function", "function": { "name": "now" } },
    ])
}

#[tokio::test]
async fn tools_are_called_side_by_side_and_their_results_go_back() {
    let world = World::start().await;
    let call = |id: &str, name: &str, input: Value| json!({ "toolUse": { "toolUseId": id, "name": name, "input": input } });
    let calls = [call("t1", "weather", json!({ "city": "Ghent" })), call("t2", "now", json!({}))];
    let mut body = plain("haiku");
    body["tools"] = tools();
    body["tool_choice"] = json!("required");

    world.bedrock.push(bedrock::whole(&json!([{ "text": "Let me see." }, calls[0], calls[1]]), "tool_use"));
    let (status, reply) = world.ask(&body).await;
    let message = &reply["choices"][0]["message"];
    assert_eq!((status, &reply["choices"][0]["finish_reason"]), (200, &json!("tool_calls")), "{reply}");
    let config = &world.last().json()["toolConfig"];
    assert_eq!(config["toolChoice"], json!({ "any": {} }));
    assert_eq!(config["tools"][0]["toolSpec"]["inputSchema"]["json"]["properties"]["city"]["type"], "string");

    let mut frames = bedrock::text_frames(&["Let me see."]);
    frames.truncate(3);
    frames.extend(bedrock::call_frames(1, "t1", "weather", &["{\"city\":", "\"Ghent\"}"]));
    frames.extend(bedrock::call_frames(2, "t2", "now", &[""]));
    frames.extend(bedrock::end("tool_use"));
    world.bedrock.push(bedrock::stream(frames));
    body["stream"] = json!(true);
    let got = world.gateway.stream(body.to_string()).await;
    let mut told = vec![(String::new(), String::new(), String::new()); 2];
    for delta in
        got.chunks().iter().flat_map(|c| c["choices"][0]["delta"]["tool_calls"].as_array().cloned()).flatten()
    {
        let call = &mut told[delta["index"].as_u64().unwrap() as usize];
        call.0.push_str(delta["id"].as_str().unwrap_or_default());
        call.1.push_str(delta["function"]["name"].as_str().unwrap_or_default());
        call.2.push_str(delta["function"]["arguments"].as_str().unwrap_or_default());
    }
    let whole: Vec<_> = message["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&call["id"]), text(&call["function"]["name"]), text(&call["function"]["arguments"]))
        })
        .collect();
    assert_eq!(told, whole, "streamed and whole say the same");
    assert_eq!(told[0].2, r#"{"city":"Ghent"}"#);

    world.bedrock.push(bedrock::text("Rain at noon."));
    let second = json!({ "model": "haiku", "tools": tools(), "messages": [
        { "role": "user", "content": "hello" }, message,
        { "role": "tool", "tool_call_id": "t1", "content": "rain" },
        { "role": "tool", "tool_call_id": "t2", "content": "12:00" },
    ] });
    let (status, reply) = world.ask(&second).await;
    assert_eq!(
        (status, &reply["choices"][0]["message"]["content"]),
        (200, &json!("Rain at noon.")),
        "{reply}"
    );
    let sent = world.last().json();
    assert_eq!(sent["messages"][1]["content"], json!([{ "text": "Let me see." }, calls[0], calls[1]]));
    let result =
        |id: &str, text: &str| json!({ "toolResult": { "toolUseId": id, "content": [{ "text": text }] } });
    assert_eq!(
        sent["messages"][2],
        json!({ "role": "user", "content": [result("t1", "rain"), result("t2", "12:00")] })
    );
}

fn picture(url: &str) -> Value {
    let part = json!({ "type": "image_url", "image_url": { "url": url } });
    json!({ "model": "haiku", "messages": [{ "role": "user", "content": [{ "type": "text", "text": "What?" }, part] }] })
}

#[tokio::test]
async fn pictures_go_in_the_request_or_not_at_all() {
    let world = World::start().await;
    world.bedrock.always(bedrock::text("A dot."));
    let (status, _) = world.ask(&picture("data:image/png;base64,QUJD")).await;
    let image = json!({ "image": { "format": "png", "source": { "bytes": "QUJD" } } });
    assert_eq!((status, &world.last().json()["messages"][0]["content"][1]), (200, &image));
    let (status, reply) = world.ask(&picture("https://example.com/a.png")).await;
    assert_eq!((status, &reply["error"]["param"]), (400, &json!("image_url")), "{reply}");
    assert_eq!(world.bedrock.requests().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn a_wish_without_a_word_is_refused_unless_another_model_has_one() {
    let world = World::start().await;
    world.other.always(openai::chat("rescued"));
    for (field, value) in [
        ("seed", json!(7)),
        ("logprobs", json!(true)),
        ("temperature", json!(1.5)),
        ("top_logprobs", json!(2)),
    ] {
        let mut body = plain("haiku");
        body[field] = value;
        let (status, reply) = world.ask(&body).await;
        let error = &reply["error"];
        assert_eq!(
            (status, &error["code"], &error["param"]),
            (400, &json!("unsupported_parameter"), &json!(field))
        );
        body["model"] = json!("safe");
        let (status, reply) = world.ask(&body).await;
        assert_eq!((status, &reply["choices"][0]["message"]["content"]), (200, &json!("rescued")), "{reply}");
    }
    assert!(world.bedrock.requests().is_empty());
}

#[tokio::test]
async fn errors_keep_their_class() {
    let world = World::start().await;
    let cases = [
        (429, "ThrottlingException", "Too many requests", 429, "upstream_rate_limited", true),
        (429, "ModelNotReadyException", "warming up", 502, "upstream_failed", true),
        (408, "ModelTimeoutException", "too slow", 502, "upstream_failed", true),
        (424, "ModelErrorException", "it broke", 502, "upstream_failed", true),
        (500, "InternalServerException", "we broke", 502, "upstream_failed", true),
        (503, "ServiceUnavailableException", "later", 502, "upstream_failed", true),
        (403, "AccessDeniedException", "arn:aws:iam::1:user/x may not", 502, "upstream_auth", false),
        (403, "ExpiredTokenException:http://internal/", "expired", 502, "upstream_auth", false),
        (404, "ResourceNotFoundException", "no such model", 400, "upstream_refused", true),
        (400, "ValidationException", "toolConfig is odd", 400, "upstream_refused", true),
        (
            400,
            "ValidationException",
            "Input is too long for requested model.",
            400,
            "context_length_exceeded",
            true,
        ),
    ];
    for (status, name, message, want, code, quoted) in cases {
        for body in [plain("haiku"), streamed("haiku")] {
            world.bedrock.push(bedrock::error(status, name, message));
            let (got, reply) = world.ask(&body).await;
            assert_eq!((got, &reply["error"]["code"]), (want, &json!(code)), "{name} {reply}");
            let said = reply["error"]["message"].as_str().unwrap();
            assert_eq!(said.contains(message), quoted, "{said}");
            assert!(quoted || said.contains(name.split(':').next().unwrap()), "{said}");
        }
    }
}

#[tokio::test]
async fn an_exception_before_the_answer_moves_on_and_one_in_it_ends_it() {
    let world = World::start().await;
    world.other.always(openai::stream(&["rescued"]));
    let start = bedrock::text_frames(&["Hel"]);
    let slow = bedrock::exception("throttlingException", "Too many tokens, please wait.");

    world.bedrock.push(bedrock::stream([start[0].clone(), slow.clone()]));
    let got = world.gateway.stream(streamed("safe").to_string()).await;
    assert_eq!((got.status, got.text().as_str()), (200, "rescued"));

    world.bedrock.push(bedrock::stream([start[0].clone(), slow.clone()]));
    let (status, reply) = world.ask(&streamed("haiku")).await;
    assert_eq!((status, &reply["error"]["code"]), (429, &json!("upstream_rate_limited")), "{reply}");

    let mut damaged = start[1].to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let broken = bedrock::exception("modelStreamErrorException", "it broke");
    let cases = [
        (
            vec![slow],
            "upstream_rate_limited",
            "`aws` ended its stream with throttlingException: Too many tokens",
        ),
        (vec![broken], "upstream_failed", "modelStreamErrorException: it broke"),
        (vec![damaged.into()], "upstream_broken", "damaged"),
        (vec![], "upstream_broken", "before the answer was complete"),
    ];
    for (rest, code, says) in cases {
        world.bedrock.push(bedrock::stream(start[..2].iter().cloned().chain(rest)));
        let got = world.gateway.stream(streamed("safe").to_string()).await;
        assert_eq!((got.status, got.text().as_str(), &got.ending), (200, "Hel", &Ending::Whole), "{code}");
        let error = got.error();
        assert_eq!(error.code.as_deref(), Some(code));
        assert!(error.message.contains(says), "{}", error.message);
    }
    world.bedrock.push(Answer::sse(["data: {}\n\n"]));
    let (status, reply) = world.ask(&streamed("haiku")).await;
    assert_eq!((status, &reply["error"]["code"]), (502, &json!("upstream_broken")), "{reply}");
}

#[tokio::test]
async fn api_keys_are_shown_and_take_turns_when_one_is_refused() {
    let world = World::with(r#"api_key: "${B1}", api_keys: ["${B2}"]"#).await;
    world.bedrock.push(bedrock::error(403, "AccessDeniedException", "no"));
    world.bedrock.always(bedrock::text("ok"));
    let mut body = plain("rescue");
    body["model"] = json!("haiku");
    let (status, _) = world.ask(&body).await;
    assert_eq!(status, 200);
    let shown: Vec<_> =
        world.bedrock.requests().iter().map(|r| r.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(shown, ["Bearer bedrock-api-key-1", "Bearer bedrock-api-key-2"]);
    assert!(world.last().header("x-amz-date").is_none());
}

#[tokio::test]
async fn no_credential_is_answered_or_logged_however_loud_the_log_is() {
    let world = World::start().await;
    let leak = format!("the string to sign was {SECRET} with {TOKEN} for {KEY_ID}");
    let start = bedrock::text_frames(&["a"]);
    let exception = |name: &str| bedrock::exception(name, &leak);
    let answers = [
        bedrock::text("ok"),
        bedrock::error(400, "ValidationException", &leak),
        bedrock::error(403, "InvalidSignatureException", &leak),
        bedrock::error(500, &leak, &leak),
        Answer::raw(200, "application/json", format!("{{\"output\":\"{leak}\"}}")),
        bedrock::stream([exception("validationException")]),
        bedrock::stream([start[1].clone(), exception("internalServerException")]),
        bedrock::stream([start[1].clone(), exception(SECRET)]),
        Answer::cut(),
    ];
    let mut said = String::new();
    let mut count = 0;
    for answer in answers {
        for body in [plain("haiku"), streamed("haiku")] {
            world.bedrock.push(answer.clone());
            let reply = world.gateway.post_raw(CHAT, body.to_string(), &[]).await;
            said.push_str(&format!("{:?} {}\n", reply.headers, reply.text()));
            count += 1;
        }
    }
    world.gateway.log().wait_for_requests(count).await;
    let log = world.gateway.log().text();
    assert!(log.contains("aws_sigv4"), "the signer's own words are heard:\n{log}");
    for (what, text) in
        [("answers", said), ("log", log), ("records", format!("{:?}", world.gateway.records()))]
    {
        for secret in [SECRET, TOKEN] {
            let leaking: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
            assert!(leaking.is_empty(), "{what}: {leaking:#?}");
        }
    }
}

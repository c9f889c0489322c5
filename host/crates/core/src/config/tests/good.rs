//! What is written takes effect, and what is left out has its default.

use std::time::Duration;

use serde_json::json;

use crate::base::NanoUsd;
use crate::config::{
    Cache, CacheScope, Complexity, DEFAULT_STATE, Fallback, Limits, OnError, OnExceeded, OnStoreError,
    PluginCache, ProviderKind, StreamMode, ValidatorOnError, ValidatorRule, Window,
};
use crate::contract::{AnswerFormat, ReasoningLevel};
use crate::telemetry::{LogFormat, LogLevel};

use super::*;

#[test]
fn an_empty_file_is_all_defaults() {
    for text in ["", "# nothing\n", "{}", "---\n", "server:\nmodels:\nkeys:\nplugins: { settings: }\n"] {
        let config = parse(text).unwrap();
        assert_eq!(config.server().listen().to_string(), "127.0.0.1:8787");
        assert_eq!(config.server().drain(), Duration::from_secs(30));
        let limits = config.server().limits();
        assert_eq!(
            (limits.body, limits.headers, limits.connections, limits.in_flight),
            (32 << 20, 64 << 10, 4096, 1024)
        );
        assert_eq!(limits.request_timeout, Duration::from_secs(600));
        assert!(config.keys().is_empty() && config.warnings().is_empty());
        let plugin = config.plugins().settings("any");
        assert_eq!((plugin.enabled, plugin.on_error, plugin.limits.memory), (true, OnError::Next, 64 << 20));
        assert_eq!((config.telemetry().log, config.telemetry().level), (LogFormat::Pretty, LogLevel::Info));
    }
}

#[test]
fn the_seeds_block_loads_word_for_word() {
    let guide = "orchestrator:
  routes:
    - task: \"code_generation\"
      model: \"claude-3-opus\"
    - task: \"summarization\"
      model: \"gpt-3.5-turbo\"
";
    let example = std::fs::read_to_string(path("../../../config/examples/seed-static-routing.yaml")).unwrap();
    assert!(example.contains(guide), "the example is to hold the guide's own text");
    let config = with(&example, &[("OPENAI_API_KEY", "sk-test")]).unwrap();
    let goes_to = |task| config.orchestrator().route(task).map(|route| route.target.model.as_str());
    assert_eq!(goes_to("code_generation"), Some("claude-3-opus"));
    assert_eq!(goes_to("summarization"), Some("gpt-3.5-turbo"));
    assert_eq!(config.resolve("claude-3-opus").unwrap().provider, "local");
    assert_eq!(config.resolve("gpt-3.5-turbo").unwrap().provider, "openai");
}

#[test]
fn routes_carry_what_they_override() {
    let config = parse(
        "providers: { sim: { kind: simulated } }
models: { m: { provider: sim } }
orchestrator:
  routes: [ { task: recipe_scaling, model: m, reasoning: medium, temperature: 0.3, max_tokens: 2k } ]",
    )
    .unwrap();
    let target = &config.orchestrator().route("recipe_scaling").unwrap().target;
    assert_eq!(target.overrides.reasoning, Some(ReasoningLevel::Medium));
    assert_eq!((target.overrides.temperature, target.overrides.max_output_tokens), (Some(0.3), Some(2000)));
    assert!(config.orchestrator().route("other").is_none());
}

/// A template is not looked through for variables; its `${…}` are its own.
#[test]
fn what_a_task_makes_of_words_is_read_and_shown() {
    let text = "providers: { sim: { kind: simulated } }
models: { m: { provider: sim, capabilities: [tools] } }
orchestrator:
  routes:
    - { task: a, model: m, template: \"Scale $${x} in\\n${input}\", result: json, schema: { type: object, required: [n] } }
    - { task: b, model: m, result: json, reasoning: high }
    - { task: c, model: m, result: text }";
    let config = parse(text).unwrap();
    let of = |task| &config.orchestrator().route(task).unwrap().target;
    assert_eq!(of("a").overrides.prompt_template.as_deref(), Some("Scale $${x} in\n${input}"));
    let Some(AnswerFormat::Schema(schema)) = &of("a").overrides.answer_format else {
        panic!("{:?}", of("a"))
    };
    assert_eq!(schema.source(), &json!({ "type": "object", "required": ["n"] }));
    let properties = r#""properties":{"why":{"type":"string"},"answer":{"enum":[{"z":1,"a":{}}]}}"#;
    let written = text.replace(
        "required: [n] }",
        "required: [n], properties: { why: { type: string }, answer: { enum: [ { z: 1, a: {} } ] } } }",
    );
    let ordered = parse(&written).unwrap();
    let ordered = &ordered.orchestrator().route("a").unwrap().target.overrides.answer_format;
    let Some(AnswerFormat::Schema(schema)) = ordered else { panic!("{ordered:?}") };
    assert_eq!(schema.text(), format!(r#"{{"type":"object","required":["n"],{properties}}}"#));
    assert_eq!(of("b").overrides.answer_format, Some(AnswerFormat::Json));
    assert_eq!((&of("c").overrides.answer_format, of("c").task.as_deref()), (&None, Some("c")));
    let [warning] = config.warnings() else { panic!("{:?}", config.warnings()) };
    assert!(warning.message().contains("`m` is not told how much to think"), "{warning}");
    let again = parse(&config.show().unwrap()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(again.orchestrator(), config.orchestrator());
}

#[test]
fn a_template_is_no_longer_than_a_prompt_should_have_around_it() {
    let route = |length: usize| {
        let template = format!("{}${{input}}", "x".repeat(length - "${input}".len()));
        parse(&format!(
            "providers: {{ sim: {{ kind: simulated }} }}\nmodels: {{ m: {{ provider: sim }} }}\n\
             orchestrator: {{ routes: [{{ task: t, model: m, template: \"{template}\" }}] }}"
        ))
    };
    assert!(route(64 << 10).is_ok());
    let report = route((64 << 10) + 1).unwrap_err().to_string();
    assert!(report.contains("has 65537 bytes") && report.contains("use at most 64 KiB"), "{report}");
}

#[test]
fn what_is_tried_when_a_model_fails_is_read_and_shown() {
    let text = "providers: { api: { kind: openai, api_key: \"${A}\", api_keys: [\"${B}\", \"${C}\"] } }
models: { claude-3-opus: { provider: api, retries: 0, hedge: false }, fast-model: { provider: api, backoff: 1s } }
orchestrator:
  hedge: true
  routes:
    - { task: recipe_scaling, model: fast-model, fallback: [task/unit_conversion, gpt-4o-mini] }
    - { task: unit_conversion, model: fast-model }
  fallback: { claude-3-opus: [gpt-4], \"*\": [fast-model] }";
    let variables = [("A", "k1"), ("C", "k3"), ("OPENAI_API_KEY", "k")];
    let config = with(text, &variables).unwrap();
    let orchestrator = config.orchestrator();
    assert_eq!(orchestrator.fallback_of("claude-3-opus"), ["gpt-4"]);
    assert_eq!(orchestrator.fallback_of("gpt-4"), ["fast-model"]);
    let tried = [Fallback::Task("unit_conversion".into()), Fallback::Model("gpt-4o-mini".into())];
    assert_eq!(orchestrator.route("recipe_scaling").unwrap().fallback, tried);
    let (opus, fast) = (config.resolve("claude-3-opus").unwrap(), config.resolve("fast-model").unwrap());
    assert_eq!((opus.retries, opus.backoff, opus.hedge), (0, Duration::from_millis(100), Some(false)));
    assert_eq!((fast.retries, fast.backoff, fast.hedge), (2, Duration::from_secs(1), None));
    let ProviderKind::Api(api) = config.providers()["api"].kind() else { panic!() };
    let keys: Vec<&str> = api.api_keys.iter().map(|key| key.expose()).collect();
    assert_eq!(keys, ["k1", "k3"]);
    let [left_out] = config.warnings() else { panic!("{:?}", config.warnings()) };
    assert!(left_out.message().contains("`B` is not set"), "{left_out:?}");
    assert!(config.providers()["api"].disabled().is_none());
    let shown = config.show().unwrap();
    let again = with(&shown, &variables).unwrap_or_else(|report| panic!("{report}\n{shown}"));
    assert_eq!(again.show().unwrap(), shown);
    for said in ["hedge: true", "hedge: false", "task/unit_conversion", "retries: 0", "backoff: 1s"] {
        assert!(shown.contains(said), "{said} is not in\n{shown}");
    }
    assert!(!shown.contains("k1"), "{shown}");
}

#[test]
fn plugin_settings_fill_up_from_the_defaults() {
    let config = with(
        "plugins:
  router_defaults: { on_error: fail, limits: { cpu: 20ms } }
  settings:
    a: { limits: { wall: 1s }, config: { n: 1.0, empty: null, text: \"${A}\", prompt: \"${input}\" } }
    b: { enabled: false, on_error: default_route }",
        &[("A", "alpha")],
    )
    .unwrap();
    let a = config.plugins().settings("a");
    assert_eq!(
        (a.on_error, a.limits.cpu, a.limits.wall),
        (OnError::Fail, Duration::from_millis(20), Duration::from_secs(1))
    );
    assert_eq!(a.config, json!({ "n": 1.0, "empty": null, "text": "alpha", "prompt": "${input}" }));
    let b = config.plugins().settings("b");
    assert_eq!((b.enabled, b.on_error), (false, OnError::DefaultRoute));
    assert!(!config.to_value().to_string().contains("alpha"), "what came from the environment is not shown");
}

#[test]
fn a_plugins_rollout_fills_up_from_the_defaults() {
    let config = parse(
        "plugins:
  router_defaults: { probation: 1h, rollback: { faults: 3 } }
  settings:
    a: { canary: 0.5%, rollback: { within: 1m } }
    b: { shadow: true, probation: 0, on_error: next }",
    )
    .unwrap();
    let rollout = |name| config.plugins().settings(name).rollout;
    let (a, b, other) = (rollout("a"), rollout("b"), rollout("other"));
    assert_eq!(a.canary.unwrap().to_string(), "0.5%");
    assert_eq!((a.rollback.faults, a.rollback.within), (3, Duration::from_secs(60)));
    assert_eq!((a.probation, b.probation), (Duration::from_secs(3600), Duration::ZERO));
    assert_eq!((a.shadow, b.shadow, b.canary), (false, true, None));
    assert_eq!((other.rollback.faults, other.rollback.within), (3, Duration::from_secs(10)));
    let [warning] = config.warnings() else { panic!("{:?}", config.warnings()) };
    assert!(warning.message().contains("`on_error` means nothing while the plugin is a shadow"));
    // What is shown loads again and means the same.
    let again = parse(&config.show().unwrap()).unwrap();
    assert_eq!(again.plugins().settings("a").rollout, a);
    let nothing = parse("").unwrap().plugins().settings("any").rollout;
    assert_eq!((nothing.rollback.faults, nothing.probation), (5, Duration::from_secs(600)));
}

#[test]
fn keys_are_known_by_their_digest_alone() {
    let text = "keys:
  - { key: \"${SEARCH_KEY}\", project: search, user: ana }
  - { sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, project: reports }";
    let config = with(text, &[("SEARCH_KEY", "a-key-from-outside")]).unwrap();
    let caller = config.keys().caller("a-key-from-outside").unwrap();
    assert_eq!((caller.project.as_deref(), caller.user.as_deref()), (Some("search"), Some("ana")));
    assert!(config.keys().caller("a-key-from-outsidf").is_none());
    let everything = format!("{config:?}{}", config.show().unwrap());
    assert!(!everything.contains("a-key-from-outside"), "{everything}");
}

#[test]
fn the_digest_of_a_key_lets_that_key_in() {
    // printf %s correct-horse-battery | sha256sum
    let config =
        parse("keys: [ { sha256: 62249369389075490555a758353aec61500c6218fa597252d52dc4bd0148f12d } ]")
            .unwrap();
    assert!(config.keys().caller("correct-horse-battery").is_some());
}

#[test]
fn providers_keep_their_secrets() {
    let text = "providers:
  api: { kind: openai, base_url: https://example.com/v1/, api_key: \"${K}\", headers: { X-Team: \"${T}\" } }";
    let config = with(text, &[("K", "sk-secret"), ("T", "team-secret")]).unwrap();
    let ProviderKind::Api(api) = config.providers()["api"].kind() else { panic!() };
    assert_eq!(api.base_url.as_str(), "https://example.com/v1");
    assert_eq!(api.api_keys[0].expose(), "sk-secret");
    assert_eq!(api.headers[0].1, "team-secret");
    let everything = format!("{config:?}{}", config.show().unwrap());
    assert!(!everything.contains("secret"), "{everything}");
}

#[test]
fn bedrock_is_asked_with_an_access_key_or_an_api_key() {
    let text = "providers:
  signed: { kind: bedrock, region: eu-central-1, access_key_id: \"${ID}\", secret_access_key: \"${S}\", session_token: \"${T}\" }
  keyed: { kind: bedrock, region: us-east-1, api_key: \"${B}\" }
  elsewhere: { kind: bedrock, base_url: \"http://127.0.0.1:1\", api_key: \"${B}\" }
  without: { kind: bedrock, region: us-east-1, access_key_id: \"${NO}\", secret_access_key: \"${S}\" }
  long-term: { kind: bedrock, region: us-east-1, access_key_id: \"${ID}\", secret_access_key: \"${S}\", session_token: \"${NO:-}\" }
  empty: { kind: bedrock, region: us-east-1, api_key: \"${NO:-}\" }";
    let variables = [("ID", "AKID-secret"), ("S", "the-secret"), ("T", "token-secret"), ("B", "key-secret")];
    let config = with(text, &variables).unwrap();
    let api = |name: &str| {
        let ProviderKind::Api(api) = config.providers()[name].kind() else { panic!() };
        api.clone()
    };
    let disabled = |name: &str| config.providers()[name].disabled().map(str::to_owned);
    let signed = api("signed");
    assert_eq!(signed.base_url.as_str(), "https://bedrock-runtime.eu-central-1.amazonaws.com");
    let aws = signed.aws.unwrap();
    let secrets: Vec<&str> = aws.secrets().map(|secret| secret.expose()).collect();
    assert_eq!(
        (&*aws.region, &secrets[..]),
        ("eu-central-1", &["AKID-secret", "the-secret", "token-secret"][..])
    );
    let keyed = api("keyed");
    assert_eq!((keyed.api_keys[0].expose(), keyed.aws.is_none()), ("key-secret", true));
    assert_eq!(api("elsewhere").base_url.as_str(), "http://127.0.0.1:1");
    assert_eq!(disabled("without").as_deref(), Some("its key's environment variable `NO` is not set"));
    assert!(disabled("long-term").is_none() && api("long-term").aws.unwrap().session_token.is_none());
    assert_eq!(disabled("empty").as_deref(), Some("its credentials are empty"));
    assert_eq!(config.warnings().len(), 2, "{:?}", config.warnings());
    let shown = config.show().unwrap();
    let everything = format!("{config:?}{shown}{:?}", config.warnings());
    assert!(variables.iter().all(|(_, value)| !everything.contains(value)), "{everything}");
    assert!(shown.contains("region: eu-central-1") && shown.contains("session_token: '***'"), "{shown}");
    let again = parse(&shown).unwrap_or_else(|report| panic!("{report}\n{shown}"));
    assert_eq!(again.show().unwrap(), shown);
}

#[test]
fn a_missing_provider_key_disables_the_provider_and_nothing_else() {
    let config = parse(
        "providers: { api: { kind: openai, api_key: \"${NOT_SET}\" } }\nmodels: { m: { provider: api } }",
    )
    .unwrap();
    assert_eq!(
        config.providers()["api"].disabled(),
        Some("its key's environment variable `NOT_SET` is not set")
    );
    assert_eq!(config.resolve("m").unwrap().provider, "api");
    let [warning] = config.warnings() else { panic!() };
    assert!(warning.at().starts_with("jackfield.yaml:1:"), "{warning:?}");
    let keyless = parse("providers: { api: { kind: openai, base_url: http://127.0.0.1:1/v1 } }").unwrap();
    assert_eq!(keyless.providers()["api"].disabled(), None);
}

#[test]
fn a_key_over_plain_http_is_warned_about() {
    let config =
        parse("providers: { api: { kind: openai, base_url: \"http://example.com\", api_key: k } }").unwrap();
    assert!(config.warnings()[0].message().contains("unencrypted"));
}

#[test]
fn an_open_address_needs_keys_or_a_word() {
    let mut config = parse("server: { listen: 0.0.0.0:1, auth: none }").unwrap();
    assert!(config.listen_on("0.0.0.0:2".parse().unwrap()).is_ok());
    let mut config = parse("").unwrap();
    assert!(config.listen_on("127.0.0.2:0".parse().unwrap()).is_ok());
    assert!(config.listen_on("0.0.0.0:2".parse().unwrap()).is_err());
    assert_eq!(config.server().listen().to_string(), "127.0.0.2:0");
}

#[test]
fn the_admin_port_is_open_behind_a_token_and_closed_without_one() {
    let listen = |text: &str, token: &str| {
        let config = with(text, &[("T", token)]).unwrap_or_else(|report| panic!("{report}"));
        let warned = config.warnings().iter().any(|warning| warning.message().contains("stays closed"));
        (config.server().admin().listen().map(|at| at.to_string()), warned)
    };
    let token = "a-token-of-the-test";
    let open = |at: &str| (Some(at.to_owned()), false);
    for (text, token, want) in [
        ("", "", (None, false)),
        ("server: { admin_token: \"${T}\" }", token, open("127.0.0.1:8788")),
        ("server: { admin: 0.0.0.0:1, admin_token: \"${T}\" }", token, open("0.0.0.0:1")),
        ("server: { admin: 127.0.0.1:1 }", "", (None, true)),
        ("server: { admin_token: \"${T:-}\" }", "", (None, true)),
        ("server: { admin_token: \"${T}\" }", "", (None, true)),
    ] {
        assert_eq!(listen(text, token), want, "{text}");
    }
}

#[test]
fn the_admin_token_is_known_by_its_digest_alone() {
    let text = "server: { admin_token: \"${T}\", admin_hosts: [Gateway.Internal, \"fe80::1\"] }";
    let config = with(text, &[("T", "a-token-of-the-test")]).unwrap();
    let admin = config.server().admin();
    assert!(admin.admits("a-token-of-the-test"));
    for wrong in ["", "a-token-of-the-tesu", "a-token-of-the-test ", "***"] {
        assert!(!admin.admits(wrong), "{wrong}");
    }
    assert!(!parse("").unwrap().server().admin().admits(""));
    assert_eq!(admin.hosts(), ["gateway.internal", "fe80::1"]);
    let everything = format!("{config:?}{}", config.show().unwrap());
    assert!(!everything.contains("a-token-of"), "{everything}");
    assert!(everything.contains("admin_token: '***'"), "{everything}");
}

#[test]
fn what_is_shown_loads_again_and_shows_the_same() {
    let config = parse(Config::default_text()).unwrap();
    let shown = config.show().unwrap();
    let again = parse(&shown).unwrap_or_else(|report| panic!("{report}\n{shown}"));
    assert_eq!(again.show().unwrap(), shown);
}

#[test]
fn sections_are_shown_in_the_order_people_read_them() {
    let shown = parse("").unwrap().show().unwrap();
    let sections: Vec<&str> =
        shown.lines().filter_map(|l| l.split(':').next()).filter(|l| !l.starts_with([' ', '-'])).collect();
    assert_eq!(
        sections,
        [
            "server",
            "state",
            "shared_state",
            "providers",
            "models",
            "keys",
            "orchestrator",
            "plugins",
            "workflows",
            "telemetry"
        ]
    );
    let all: usize = crate::config::schema()["properties"].as_object().unwrap().len();
    assert_eq!(sections.len(), all, "a section is not shown");
}

#[test]
fn a_shared_state_has_defaults_and_never_shows_its_password() {
    let config = parse("state: redis://:must-not-be-shown@redis.internal:7000/3").unwrap();
    let shared = config.state().shared().unwrap();
    assert_eq!(shared.url.expose(), "redis://:must-not-be-shown@redis.internal:7000/3");
    assert_eq!((shared.timeout.as_millis(), shared.lease.as_secs(), &*shared.name), (250, 30, "jackfield"));
    assert_eq!(shared.on_store_error, OnStoreError::Fail);
    assert_eq!(shared.file.as_ref().unwrap().0, std::path::Path::new(DEFAULT_STATE));
    let shown = config.show().unwrap();
    assert!(shown.contains("state: redis://redis.internal:7000/3\n"), "{shown}");
    assert!(!format!("{shown}{config:?}").contains("must-not-be-shown"), "{shown}");
    let section = "{ on_store_error: local, timeout: 40ms, lease: 5s, name: staging, file: ':memory:' }";
    let config = parse(&format!("state: rediss://h\nshared_state: {section}")).unwrap();
    let shown = config.show().unwrap();
    for line in
        ["  on_store_error: local", "  timeout: 40ms", "  lease: 5s", "  name: staging", "  file: ':memory:'"]
    {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    assert_eq!(parse(&shown).unwrap().show().unwrap(), shown);
    assert!(config.state().shared().unwrap().file.is_none());
}

#[test]
fn every_limit_of_a_plugin_can_be_written_and_shows() {
    let written = "{ cpu: 11ms, wall: 51ms, check_config: 2s, memory: 65MiB, table_elements: 3, instances: 4, memories: 5, \
        handles: 6, host_calls: 7, host_call_size: 8KiB, host_calls_size: 9KiB, log_lines: 10, log_line_size: 20, \
        log_rate: 30, llm_calls: 31, llm_timeout: 32s, llm_output_tokens: 33, kv: 40KiB, kv_value: 50KiB, compile_cpu: 1m10s, compile_memory: 300MiB, file: 60KiB }";
    let config = parse(&format!("plugins: {{ settings: {{ a: {{ limits: {written} }} }} }}")).unwrap();
    let shown = config.plugins().settings("a").limits.show();
    let names: Vec<&String> = shown.as_object().unwrap().keys().collect();
    for (name, value) in shown.as_object().unwrap() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert!(written.contains(&format!(" {name}: {value}")), "{name} is {value}");
    }
    let defaults = config.plugins().settings("b").limits.show();
    assert_eq!(names.len(), 22);
    for name in names {
        assert_ne!(shown[name], defaults[name], "{name}");
    }
}

#[test]
fn what_was_compiled_has_a_folder() {
    let plugins = parse("plugins: { cache: /var/cache/jackfield }").unwrap().plugins().clone();
    assert_eq!(*plugins.cache(), PluginCache::Folder("/var/cache/jackfield".into()));

    let cache =
        |text: &str, environment: &[(&str, &str)]| with(text, environment).unwrap().plugins().cache().clone();
    let folder = |path: &str| PluginCache::Folder(path.into());
    let (xdg, home) = (("XDG_CACHE_HOME", "/caches"), ("HOME", "/home/ana"));
    assert_eq!(cache("", &[xdg, home]), folder("/caches/jackfield/plugins"));
    assert_eq!(cache("", &[home]), folder("/home/ana/.cache/jackfield/plugins"));
    assert_eq!(
        cache("", &[("XDG_CACHE_HOME", "relative"), home]),
        folder("/home/ana/.cache/jackfield/plugins")
    );
    assert_eq!(cache("", &[]), PluginCache::Homeless);
    assert_eq!(cache("plugins: { cache: none }", &[xdg, home]), PluginCache::Off);
}

#[test]
fn nothing_is_granted_that_is_not_written() {
    let text = "plugins: { settings: { a: { grants: [llm] }, b: { grants: [] }, c: {}, d: { grants: [llm, llm] } } }";
    let config = parse(text).unwrap();
    let granted = |name: &str| config.plugins().settings(name).grants.iter().map(|g| g.name()).collect();
    let granted: Vec<Vec<&str>> = ["a", "b", "c", "d", "e"].map(granted).into();
    assert_eq!(granted, [vec!["llm"], vec![], vec![], vec!["llm"], vec![]]);
    assert!(config.show().unwrap().contains("grants:\n      - llm\n"), "{}", config.show().unwrap());
}

#[test]
fn a_plugin_may_be_pinned_to_a_digest() {
    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for written in [DIGEST.to_owned(), DIGEST.to_uppercase(), format!("sha256:{DIGEST}")] {
        let text =
            format!("plugins: {{ settings: {{ a: {{ sha256: \"{written}\" }}, b: {{ sha256: null }} }} }}");
        let plugins = parse(&text).unwrap().plugins().clone();
        assert_eq!(plugins.settings("a").sha256.as_deref(), Some(DIGEST));
        assert_eq!((&plugins.settings("b").sha256, &plugins.settings("c").sha256), (&None, &None));
    }
}

#[test]
fn validators_are_read_compiled_and_shown() {
    let config = parse(
        "providers: { sim: { kind: simulated } }
models: { m: { provider: sim } }
orchestrator:
  validators: [not_empty, { max_length: 4k }, tone]
  max_repairs: 0
  routes: [ { task: t, model: m, validators: [{ regex: '^\\{' }, { json_schema: { type: object } }] } ]
plugins:
  router_defaults: { instances: warm, limits: { memory: 1MiB } }
  validator_defaults: { limits: { wall: 1s } }
  settings: { tone: { on_error: accept, limits: { host_calls: 5 } }, other: {} }",
    )
    .unwrap();
    let orchestrator = config.orchestrator();
    let names = |rules: &[ValidatorRule]| rules.iter().map(|rule| rule.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(orchestrator.validators()), ["not_empty", "max_length", "tone"]);
    let route = orchestrator.route("t").unwrap();
    assert_eq!(names(&route.validators), ["regex", "json_schema"]);
    let [ValidatorRule::Regex(pattern), ValidatorRule::JsonSchema(schema)] = &route.validators[..] else {
        panic!("{route:?}")
    };
    assert!(pattern.is_in("{}") && !pattern.is_in(" {}"));
    assert!(schema.issues("{}").is_empty() && !schema.issues("[]").is_empty());
    assert_eq!(orchestrator.max_repairs(), 0);
    let tone = config.plugins().settings("tone");
    assert_eq!(tone.validator_on_error, Some(ValidatorOnError::Accept));
    let limits = tone.limits;
    assert_eq!((limits.cpu, limits.wall), (Duration::from_millis(50), Duration::from_secs(1)));
    assert_eq!((limits.host_calls, limits.memory), (5, 64 << 20), "routers' defaults are not validators'");
    let other = config.plugins().settings("other");
    assert_eq!((other.validator_on_error, other.limits.memory), (None, 1 << 20));
    let shown = config.to_value();
    assert_eq!(shown["orchestrator"]["validators"], json!(["not_empty", { "max_length": "4k" }, "tone"]));
    assert_eq!(shown["plugins"]["settings"]["tone"]["on_error"], "accept");
    let again = parse(&config.show().unwrap()).unwrap();
    assert_eq!(again.orchestrator(), orchestrator);
    assert_eq!(parse("").unwrap().orchestrator().max_repairs(), 1);
}

#[test]
fn what_validators_do_with_streams_is_read_shown_and_held_against_the_lists() {
    let text = |list: &str, of_task: &str| {
        format!(
            "providers: {{ sim: {{ kind: simulated }} }}
models: {{ m: {{ provider: sim }} }}
orchestrator: {{ validators: [{list}], routes: [{{ task: t, model: m, validators: [{of_task}] }}] }}
plugins:
  validator_defaults: {{ stream: after }}
  settings: {{ w: {{ on_error: accept, stream: window }}, a: {{ on_error: reject }}, other: {{}} }}"
        )
    };
    let config = parse(&text("w, a", "")).unwrap();
    let modes = ["w", "a", "other"].map(|name| config.plugins().settings(name).stream);
    assert_eq!(modes, [StreamMode::Window, StreamMode::After, StreamMode::Hold]);
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    let again = parse(&config.show().unwrap()).unwrap();
    assert_eq!(again.plugins(), config.plugins());
    // One that holds makes a window useless, in the same list and in a task's, and is told once.
    let rows = [
        ("w, not_empty", "a"),
        ("w, a", "not_empty"),
        ("w, not_empty", "a, { max_length: 4 }, { regex: a }"),
    ];
    for (list, of_task) in rows {
        let config = parse(&text(list, of_task)).unwrap_or_else(|report| panic!("{report}"));
        let [warning] = config.warnings() else { panic!("{:?}", config.warnings()) };
        assert!(warning.message().starts_with("`w` lets streams through by and by, and `"), "{warning:?}");
    }
}

#[test]
fn the_seeds_dynamic_router_loads_to_the_letter_with_its_defaults() {
    let seed = "orchestrator:
  router:
    model: \"gpt-4o-mini\"
    thresholds:
      complexity:
        high: \"claude-3-opus\"
        low: \"gpt-3.5-turbo\"
";
    let models =
        "providers: { api: { kind: openai, api_key: k } }\nmodels: { claude-3-opus: { provider: api } }\n";
    let variables = [("OPENAI_API_KEY", "k")];
    let config = with(&format!("{seed}{models}"), &variables).unwrap();
    let router = config.orchestrator().router().unwrap();
    let answers = [Complexity::High, Complexity::Low].map(|rated| router.answers(rated));
    assert_eq!((&*router.model, answers), ("gpt-4o-mini", ["claude-3-opus", "gpt-3.5-turbo"]));
    assert_eq!((router.on_failure, router.timeout), (Complexity::Low, Duration::from_secs(2)));
    assert_eq!((router.ttl, router.entries), (Duration::from_secs(3_600), 10_000));
    // Models that only the router names can be called like any other.
    assert!(config.warnings().is_empty() && config.resolve("gpt-4o-mini").is_some());

    let rest = "    on_failure: high\n    timeout: 250ms\n    cache: { ttl: 0, entries: 5k }\n";
    let config = with(&format!("{seed}{rest}{models}"), &variables).unwrap();
    let router = config.orchestrator().router().unwrap();
    assert_eq!((router.on_failure, router.timeout), (Complexity::High, Duration::from_millis(250)));
    assert_eq!((router.ttl, router.entries), (Duration::ZERO, 5_000));
    let shown = config.show().unwrap();
    let again = with(&shown, &variables).unwrap_or_else(|report| panic!("{report}\n{shown}"));
    assert_eq!(again.orchestrator().router(), Some(router), "{shown}");
}

#[test]
fn gemini_has_an_address_of_its_own_and_azure_a_version() {
    let text = "providers:
  google: { kind: gemini, api_key: k }
  one: { kind: azure, base_url: \"https://r.openai.azure.com/\", api_key: k }
  dated: { kind: azure, base_url: \"https://proxy.test/azure\", api_version: 2025-04-01-preview, api_keys: [a, b] }
";
    let config = parse(text).unwrap();
    let api = |name: &str| match config.providers()[name].kind() {
        crate::config::ProviderKind::Api(api) => api.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(api("google").base_url.as_str(), "https://generativelanguage.googleapis.com/v1beta");
    assert_eq!((api("one").base_url.as_str(), api("one").api_version), ("https://r.openai.azure.com", None));
    assert_eq!(api("dated").api_version.as_deref(), Some("2025-04-01-preview"));
    assert_eq!(api("dated").api_keys.len(), 2);
    let shown = config.show().unwrap();
    assert!(shown.contains("api_version: 2025-04-01-preview") && shown.contains("kind: gemini"), "{shown}");
    parse(&shown).unwrap_or_else(|report| panic!("{report}\n{shown}"));
}

#[test]
fn the_seeds_budget_loads_word_for_word() {
    let seed = "orchestrator:
  budgets:
    daily_limit_usd: 50.00
    alert_threshold: 0.8
";
    let config = parse(seed).unwrap();
    let budgets = config.orchestrator().budgets().unwrap();
    let day = Window::Day.index();
    assert_eq!(budgets.everyone.usd[day], Some(NanoUsd::new(50_000_000_000)));
    assert_eq!((&budgets.thresholds[..], &budgets.on_exceeded), (&[800_000][..], &OnExceeded::Reject));
    assert!(parse("").unwrap().orchestrator().budgets().is_none());
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
}

#[test]
fn budgets_are_read_exactly_and_shown_so_that_they_read_back() {
    let text = "providers: { sim: { kind: simulated }, api: { kind: openai, base_url: http://127.0.0.1:1/v1 } }
models: { m: { provider: sim }, unpriced: { provider: api }, priced: { provider: api, price: { input: 1, output: 2 } } }
keys:
  - { key: sixteen-letters-a, name: search-key, project: search, user: ana }
  - { key: sixteen-letters-b, project: search }
orchestrator:
  budgets:
    hourly_limit_usd: 0.123456789
    monthly_limit_usd: 12345678.123456789
    daily_limit_tokens: 20M
    alert_threshold: [1, 50%, 0.8, 0.8]
    on_exceeded: { downgrade: m }
    timezone: Europe/Berlin
    projects: { '*': { daily_limit_usd: 5 }, search: { daily_limit_usd: 20, monthly_limit_usd: 300 }, serch: {} }
    users: { ana: { weekly_limit_tokens: 5k } }
    keys: { search-key: { daily_limit_usd: 1 } }
    models: { m: { hourly_limit_tokens: 10 } }
    alerts: { webhook: 'https://hooks.example/must-not-be-shown' }
";
    let config = parse(text).unwrap();
    let budgets = config.orchestrator().budgets().unwrap();
    let usd = |limits: &Limits, window: Window| limits.usd[window.index()].map(NanoUsd::nanos);
    assert_eq!(usd(&budgets.everyone, Window::Hour), Some(123_456_789));
    assert_eq!(usd(&budgets.everyone, Window::Month), Some(12_345_678_123_456_789));
    assert_eq!(budgets.everyone.tokens, [None, Some(20_000_000), None, None]);
    assert_eq!(usd(budgets.projects.of("search").unwrap(), Window::Day), Some(20_000_000_000));
    assert_eq!(usd(budgets.projects.of("other").unwrap(), Window::Day), Some(5_000_000_000));
    assert!(budgets.users.of("bob").is_none());
    assert_eq!(budgets.thresholds, [500_000, 800_000, 1_000_000]);
    assert_eq!(budgets.on_exceeded, OnExceeded::Downgrade("m".into()));
    assert_eq!(budgets.timezone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(budgets.webhook.as_ref().unwrap().expose(), "https://hooks.example/must-not-be-shown");
    let names = |key: &str| config.keys().caller(key).unwrap().key.clone().unwrap();
    assert_eq!(&*names("sixteen-letters-a"), "search-key");
    // printf %s sixteen-letters-b | sha256sum | cut -c1-12
    assert_eq!(&*names("sixteen-letters-b"), "a48508a3a5a5");
    let warned: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warned.len(), 2, "{warned:?}");
    assert!(warned[0].contains("no entry of `keys` has the project `serch`"), "{warned:?}");
    assert!(warned[1].contains("`unpriced` has no known price"), "{warned:?}");
    let shown = config.to_value();
    assert!(!shown.to_string().contains("must-not-be-shown"));
    let mut shown = shown["orchestrator"]["budgets"].clone();
    shown["alerts"]["webhook"] = json!("https://hooks.example/must-not-be-shown");
    let (head, _) = text.split_once("  budgets:").unwrap();
    let again = parse(&format!("{head}  budgets: {shown}")).unwrap();
    assert_eq!(again.orchestrator().budgets(), config.orchestrator().budgets());
}

#[test]
fn the_seeds_cache_loads_word_for_word_and_the_rest_has_defaults() {
    let cache = |text: &str| *parse(text).unwrap().orchestrator().cache();
    assert_eq!(cache(""), Cache::default());
    assert!(!cache("").enabled && !cache("orchestrator: { cache: { ttl: 60 } }").enabled);
    let seed = cache("orchestrator:\n  cache:\n    enabled: true\n    ttl: 3600  # 1 hour\n");
    assert!(seed.enabled && !seed.tools);
    assert_eq!((seed.ttl, seed.max_size), (Duration::from_secs(3_600), 256 << 20));
    assert_eq!((seed.scope, seed.max_temperature), (CacheScope::Project, 0.3));
    let text = "orchestrator: { cache: { enabled: true, ttl: 90s, max_size: 1GiB, scope: user, max_temperature: 1, tools: true, embeddings: { per_input: false, batch: 7, wait: 1s } } }";
    let all = cache(text);
    assert_eq!((all.ttl, all.max_size, all.scope), (Duration::from_secs(90), 1 << 30, CacheScope::User));
    assert!(all.tools && all.max_temperature == 1.0);
    let kept = |of: Cache| (of.embeddings.per_input, of.embeddings.batch, of.embeddings.wait.as_millis());
    assert_eq!((kept(seed), kept(all)), ((true, 32, 20), (false, 7, 1_000)));
    let shown = parse(text).unwrap().to_value()["orchestrator"]["cache"].clone();
    assert_eq!(
        shown,
        json!({ "enabled": true, "ttl": "1m30s", "max_size": "1GiB", "scope": "user", "max_temperature": 1.0, "tools": true,
            "embeddings": { "per_input": false, "batch": 7, "wait": "1s" } })
    );
}

//! What is counted, as a scraper reads it: every line is valid OpenMetrics text, and every number moves with what it
//! counts.

use std::collections::{BTreeMap, BTreeSet};

use jackfield_tests::gateway::Gateway;
use jackfield_tests::guest::{consulting, endless, router_to, trapping};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Upstream, openai};

use crate::admin::{YAML, ask};
use crate::world::{World, model, put, until};

/// Every series and its value.
pub(crate) type Series = BTreeMap<String, f64>;

pub(crate) async fn scrape(gateway: &Gateway) -> Series {
    let reply = ask(gateway, "GET", "/metrics").await;
    assert_eq!(reply.status, 200);
    let content_type = reply.header("content-type").unwrap();
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    parse(&reply.text())
}

/// Reads an exposition line by line.
///
/// # Panics
/// At the first line that is none.
fn parse(text: &str) -> Series {
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end:\n{text}"));
    let name_fits = |name: &str| {
        name.starts_with("jackfield_")
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut current, mut series) = ("", Series::new());
    for line in body.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let (what, name, rest) =
                (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""));
            assert!(name_fits(name) && !rest.is_empty(), "{line}");
            match what {
                // It begins a family, and no family comes twice.
                "HELP" => {
                    assert!(!types.contains_key(name) && rest.ends_with('.'), "{line}");
                    current = name;
                }
                "TYPE" => {
                    assert!(
                        name == current && ["counter", "gauge", "histogram", "info"].contains(&rest),
                        "{line}"
                    );
                    types.insert(name, rest);
                }
                "UNIT" => assert!(name == current && name.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (id, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = id.split_once('{').map_or((id, ""), |(name, labels)| {
            (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}")))
        });
        let suffix = name.strip_prefix(current).unwrap_or_else(|| panic!("not of {current}: {line}"));
        let fits: &[&str] = match types[current] {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            _ => &["_sum", "_count", "_bucket"],
        };
        assert!(fits.contains(&suffix), "{line}");
        let mut seen = BTreeSet::new();
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, text) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
            let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            assert!(text.is_some_and(|text| !text.is_empty() && !text.contains(['"', '\\'])), "{line}");
            assert!(seen.insert(key) && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
        }
        let value: f64 = value.parse().unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value >= 0.0, "{line}");
        assert_eq!(series.insert(id.to_owned(), value), None, "twice: {line}");
    }
    // Buckets never fall, and the last one is the count.
    for (id, count) in series.iter().filter(|(id, _)| id.split('{').next().unwrap().ends_with("_count")) {
        let all = id.replacen("_count", "_bucket", 1);
        let all = match all.strip_suffix('}') {
            Some(labelled) => format!("{labelled},le=\"+Inf\"}}"),
            None => format!("{all}{{le=\"+Inf\"}}"),
        };
        let alike = series.get(&all).or_else(|| {
            let (name, labels) = all.split_once('{').unwrap();
            let labels = labels.strip_suffix(",le=\"+Inf\"}").unwrap_or("");
            series.get(&format!("{name}{{le=\"+Inf\",{labels}}}"))
        });
        assert_eq!(alike, Some(count), "{id}");
    }
    series
}

pub(crate) fn get(series: &Series, id: &str) -> f64 {
    let id = format!("jackfield_{id}");
    series.get(&id).copied().unwrap_or_else(|| panic!("no {id} in {series:#?}"))
}

/// Asks until every one of these series has its value.
pub(crate) async fn reaches(gateway: &Gateway, want: &[(&str, f64)]) -> Series {
    let last = std::sync::Mutex::new(Series::new());
    let reached = async {
        loop {
            let now = scrape(gateway).await;
            let all = want.iter().all(|(id, value)| now.get(&format!("jackfield_{id}")) == Some(value));
            *last.lock().unwrap() = now.clone();
            if all {
                return now;
            }
        }
    };
    match tokio::time::timeout(jackfield_tests::PATIENCE, reached).await {
        Ok(series) => series,
        Err(_) => panic!("{want:?} not in {:#?}", last.lock().unwrap()),
    }
}

#[tokio::test]
async fn requests_and_model_calls_move_their_numbers() {
    let yaml = YAML.replace("model-b: { provider: up }", "model-b: { provider: up, retries: 0 }");
    let world = World::start(&format!("{yaml}  gpt-4o: {{ provider: up }}\n")).await;
    let gateway = &world.gateway;
    let start = scrape(gateway).await;
    assert_eq!(get(&start, r#"requests_total{outcome="answered",reason="none"}"#), 0.0);
    assert_eq!(get(&start, r#"upstream_calls_total{provider="up",model="model-a",outcome="ok"}"#), 0.0);
    assert!(start.keys().any(|id| id.starts_with("jackfield_build_info{")), "{start:#?}");

    let ask_for = |model: &str, stream: bool| {
        format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#)
    };
    world.upstream.push(openai::chat("ok"));
    assert_eq!(gateway.chat(ask_for("model-a", false)).await.status, 200);
    world.upstream.push(openai::stream(&["a", "b"]));
    assert_eq!(gateway.stream(ask_for("model-a", true)).await.text(), "ab");
    world.upstream.push(Answer::status(500));
    assert_eq!(gateway.chat(ask_for("model-b", false)).await.status, 502);
    // Broken off after its beginning.
    let frames = openai::stream_frames(&["a"]);
    world
        .upstream
        .push(Answer::sse(frames[..2].to_vec()).bytes("data: {\"error\":{\"message\":\"no\"}}\n\n"));
    gateway.stream(ask_for("model-b", true)).await;
    // Refused before they are understood, and by whom they ask for: names of clients never become labels.
    assert_eq!(gateway.chat("{").await.status, 400);
    assert_eq!(gateway.get("/v1/secret-path").await.status, 404);
    assert_eq!(gateway.chat(ask_for("nobody-has-this", false)).await.status, 404);
    // Under way, and given up.
    world.upstream.push(Answer::sse(frames[..2].to_vec()).gate("never"));
    let mut left = gateway.open_stream(ask_for("model-default", true)).await;
    left.next_frame().await.unwrap();
    assert_eq!(get(&scrape(gateway).await, "requests_in_flight"), 1.0);
    drop(left);

    let end = reaches(
        gateway,
        &[
            (r#"requests_total{outcome="answered",reason="none"}"#, 2.0),
            (r#"requests_total{outcome="failed",reason="upstream_failed"}"#, 1.0),
            (r#"requests_total{outcome="failed",reason="model_not_found"}"#, 1.0),
            (r#"requests_total{outcome="refused",reason="malformed_body"}"#, 1.0),
            (r#"requests_total{outcome="refused",reason="unknown_path"}"#, 1.0),
            (r#"requests_total{outcome="client_left",reason="none"}"#, 1.0),
            (r#"upstream_calls_total{provider="up",model="model-a",outcome="ok"}"#, 2.0),
            (r#"upstream_calls_total{provider="up",model="model-b",outcome="upstream_failed"}"#, 2.0),
            (r#"upstream_calls_total{provider="up",model="model-default",outcome="client_left"}"#, 1.0),
            ("request_duration_seconds_count", 8.0),
            ("time_to_first_token_seconds_count", 4.0),
            ("requests_in_flight", 0.0),
        ],
    )
    .await;
    let broken: f64 =
        end.iter().filter(|(id, _)| id.contains(r#"outcome="broken_off""#)).map(|(_, count)| count).sum();
    assert_eq!(broken, 1.0, "{end:#?}");
    assert!(
        get(&end, "request_overhead_seconds_count") >= 5.0 && get(&end, "request_overhead_seconds_sum") > 0.0
    );
    assert!(get(&end, "request_duration_seconds_sum") > 0.0);
    assert!(get(&end, "time_to_first_token_seconds_sum") > 0.0);
    for direction in ["input", "output"] {
        assert!(
            get(&end, &format!(r#"tokens_total{{provider="up",model="model-a",direction="{direction}"}}"#))
                > 0.0
        );
        // Given up in the middle, it is charged at its estimate.
        let given_up =
            format!(r#"tokens_total{{provider="up",model="model-default",direction="{direction}"}}"#);
        assert!(get(&end, &given_up) > 0.0);
    }
    let labels: String = end.keys().cloned().collect();
    assert!(!labels.contains("nobody") && !labels.contains("secret-path"), "{labels}");
}

#[tokio::test]
async fn the_tokens_of_an_answer_that_is_rejected_are_counted_too() {
    let yaml = YAML.replace(
        "orchestrator:\n",
        "orchestrator:\n  validators: [{ max_length: 3 }]\n  fallback: { model-a: [model-b] }\n",
    );
    let world = World::start(&yaml).await;
    for stream in [false, true] {
        let answer = |text: &str| if stream { openai::stream(&[text]) } else { openai::chat(text) };
        world.upstream.push(answer("too long"));
        world.upstream.push(answer("ok"));
        let body = format!(
            r#"{{"model":"model-a","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        assert_eq!(world.gateway.chat(body).await.status, 200);
    }
    let series = scrape(&world.gateway).await;
    let counted = |model: &str| {
        get(&series, &format!(r#"tokens_total{{provider="up",model="{model}",direction="output"}}"#))
    };
    assert!(counted("model-a") > 0.0);
    assert_eq!(counted("model-a"), counted("model-b"), "what was thrown away cost as much");
}

#[tokio::test]
async fn a_well_known_model_that_only_a_client_names_has_no_label_of_its_own() {
    let upstream = Upstream::start().await;
    let yaml = YAML.replace("models:", "models:\n  gpt-4o: { provider: openai }");
    let yaml = format!(
        "{yaml}\nproviders:\n  up: {{ kind: simulated }}\n  openai: {{ kind: openai, base_url: \"{}\", api_key: sk-x }}\nplugins: {{ dir: none }}\n",
        upstream.base_url()
    );
    let gateway = Gateway::start(&yaml).await;
    upstream.always(openai::chat("ok"));
    for model in ["gpt-4o", "gpt-4o-mini", "gpt-5-of-a-client"] {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#);
        let reply = gateway.chat(body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let end = scrape(&gateway).await;
    assert_eq!(get(&end, r#"upstream_calls_total{provider="openai",model="gpt-4o",outcome="ok"}"#), 1.0);
    assert_eq!(get(&end, r#"upstream_calls_total{provider="openai",model="any other",outcome="ok"}"#), 2.0);
    assert!(!end.keys().any(|id| id.contains("gpt-5")), "{end:#?}");
}

#[tokio::test]
async fn plugin_calls_faults_swaps_and_refusals_move_their_numbers() {
    let world = World::with_plugins(YAML, &[("rule.wasm", &router_to("model-a"))]).await;
    world.upstream.always(openai::chat("ok"));
    let (gateway, dir) = (&world.gateway, world.plugins());
    for _ in 0..3 {
        assert_eq!(model(gateway).await, "model-a");
    }
    let one = scrape(gateway).await;
    for (id, want) in [
        (r#"plugin_calls_total{plugin="rule",canary="false",outcome="ok"}"#, 3.0),
        (r#"plugin_call_duration_seconds_count{plugin="rule",canary="false"}"#, 3.0),
        (r#"plugin_peak_memory_bytes{plugin="rule",canary="false"}"#, 65_536.0),
        (r#"plugin_generation{plugin="rule",canary="false"}"#, 1.0),
        (r#"plugin_breaker_open{plugin="rule",canary="false"}"#, 0.0),
        ("plugin_refusals", 0.0),
        ("world_generation", 1.0),
        (r#"reload_changes_total{change="plugin_added"}"#, 1.0),
    ] {
        assert_eq!(get(&one, id), want, "{id} in {one:#?}");
    }
    assert!(get(&one, r#"plugin_call_duration_seconds_sum{plugin="rule",canary="false"}"#) > 0.0);

    // A swap; then a broken file; then one that fails from the start, under another name.
    put(dir, "rule.wasm", &router_to("model-b"));
    until(gateway, "model-b").await;
    put(dir, "rule.wasm", b"half a file");
    put(dir, "failing.wasm", &trapping());
    let failing = soon("the breaker to open", async {
        loop {
            model(gateway).await;
            let now = scrape(gateway).await;
            if now.get(r#"jackfield_plugin_breaker_open{plugin="failing",canary="false"}"#) == Some(&1.0) {
                return now;
            }
        }
    });
    let two = failing.await;
    assert_eq!(get(&two, r#"plugin_calls_total{plugin="failing",canary="false",outcome="trap"}"#), 5.0);
    model(gateway).await;
    let two = reaches(
        gateway,
        &[
            ("plugin_refusals", 1.0),
            (r#"plugin_generation{plugin="rule",canary="false"}"#, 2.0),
            (r#"plugin_generation{plugin="failing",canary="false"}"#, 1.0),
            (r#"reload_changes_total{change="plugin_added"}"#, 2.0),
            (r#"reload_changes_total{change="plugin_replaced"}"#, 1.0),
            (r#"reload_changes_total{change="plugin_refused"}"#, 1.0),
        ],
    )
    .await;
    assert!(
        get(&two, r#"plugin_calls_total{plugin="failing",canary="false",outcome="breaker_open"}"#) >= 1.0
    );
    assert!(get(&two, "world_generation") >= 3.0);

    // Back, by hand; and one that leaves takes its series along.
    assert_eq!(ask(gateway, "POST", "/plugins/rule/rollback").await.status, 200);
    std::fs::remove_file(dir.join("failing.wasm")).unwrap();
    let three = reaches(
        gateway,
        &[
            (r#"plugin_generation{plugin="rule",canary="false"}"#, 1.0),
            (r#"reload_changes_total{change="plugin_rolled_back"}"#, 1.0),
            (r#"reload_changes_total{change="plugin_removed"}"#, 1.0),
        ],
    )
    .await;
    // Its series go with the last world that has it: a moment after the change is counted.
    soon("the series of what left to go", async {
        while scrape(gateway).await.keys().any(|id| id.contains(r#"plugin="failing""#)) {}
    })
    .await;
    // What was counted under its name goes on over its generations.
    assert!(get(&three, r#"plugin_calls_total{plugin="rule",canary="false",outcome="ok"}"#) > 3.0);
}

#[tokio::test]
async fn guests_that_run_and_calls_that_wait_are_seen() {
    let yaml = format!(
        "{YAML}plugins:\n  dir: PLUGINS\n  concurrency: {{ running: 1, queue: 4 }}\n  \
         router_defaults: {{ limits: {{ cpu: 10s, wall: 60s }} }}\n"
    );
    let world = World::with_plugins(&yaml, &[("endless.wasm", &endless())]).await;
    let body = r#"{"messages":[{"role":"user","content":"hello"}]}"#;
    {
        let gateway = &world.gateway;
        let asked = async { tokio::join!(gateway.chat(body), gateway.chat(body), gateway.chat(body)) };
        tokio::select! {
            _ = asked => panic!("a rule that never ends has ended"),
            _ = reaches(gateway, &[("plugin_running_guests", 1.0), ("plugin_queue_length", 2.0)]) => {}
        }
    }
    // The clients are gone, and so are the calls.
    let none = [("plugin_running_guests", 0.0), ("plugin_queue_length", 0.0), ("requests_in_flight", 0.0)];
    reaches(&world.gateway, &none).await;
}

#[tokio::test]
async fn configurations_that_are_taken_and_rejected_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jackfield.yaml");
    let text = |models: &str, default: &str| {
        format!(
            "{}\nproviders: {{ sim: {{ kind: simulated }} }}\nmodels: {{ {models} }}\norchestrator: {{ default_model: {default} }}\n\
             plugins: {{ dir: \"{}\" }}\n",
            YAML.lines().find(|line| line.starts_with("server:")).unwrap(),
            dir.path().display()
        )
    };
    std::fs::write(&file, text("m: { provider: sim }, gone: { provider: sim }", "m")).unwrap();
    let gateway = jackfield_tests::gateway::Setup::file(&file).start().await;
    let gone = r#"jackfield_upstream_calls_total{provider="sim",model="gone",outcome="ok"}"#;
    assert!(scrape(&gateway).await.contains_key(gone));
    std::fs::write(&file, text("m: { provider: sim }", "nowhere")).unwrap();
    reaches(&gateway, &[(r#"reload_changes_total{change="config_rejected"}"#, 1.0)]).await;
    std::fs::write(&file, text("m: { provider: sim }, new: { provider: sim }", "new")).unwrap();
    let taken = [(r#"reload_changes_total{change="config_taken"}"#, 1.0), ("world_generation", 2.0)];
    let end = reaches(&gateway, &taken).await;
    assert!(!end.contains_key(gone), "{end:#?}");
    assert_eq!(get(&end, r#"upstream_calls_total{provider="sim",model="new",outcome="ok"}"#), 0.0);
}

#[tokio::test]
async fn what_plugins_ask_of_models_moves_its_own_numbers_and_those_of_the_model() {
    let settings = "plugins:\n  dir: PLUGINS\n  settings:\n    rule: { grants: [llm], limits: { cpu: 5s, wall: 30s } }\n";
    let guest =
        consulting("(drop (call $ask (i32.const 3080) (i32.const 7))) (call $route (i32.const 3072))");
    let world = World::with_plugins(&format!("{YAML}{settings}"), &[("rule.wasm", &guest)]).await;
    let gateway = &world.gateway;
    world.upstream.always(openai::chat("ok"));
    assert_eq!(model(gateway).await, "model-a");
    world.upstream.push(Answer::status(401));
    assert_eq!(model(gateway).await, "model-a");
    let series = scrape(gateway).await;
    for (id, value) in [
        (r#"plugin_llm_calls_total{plugin="rule",canary="false",outcome="answered"}"#, 1.0),
        (r#"plugin_llm_calls_total{plugin="rule",canary="false",outcome="upstream_auth"}"#, 1.0),
        (r#"plugin_llm_tokens_total{plugin="rule",canary="false",direction="input"}"#, 11.0),
        (r#"plugin_llm_tokens_total{plugin="rule",canary="false",direction="output"}"#, 7.0),
        (r#"upstream_calls_total{provider="up",model="model-b",outcome="ok"}"#, 1.0),
        (r#"tokens_total{provider="up",model="model-b",direction="output"}"#, 7.0),
        (r#"tokens_total{provider="up",model="model-a",direction="output"}"#, 14.0),
    ] {
        assert_eq!(get(&series, id), value, "{id}");
    }
    let shown = ask(gateway, "GET", "/plugins/rule").await.json();
    assert_eq!(
        (&shown["wants"], &shown["grants"]),
        (&serde_json::json!(["llm"]), &serde_json::json!(["llm"]))
    );
    assert_eq!(shown["limits"]["llm_calls"], 4);
}

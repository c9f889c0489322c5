//! One contract, every language: routers from the real toolchains of Rust, JavaScript, Python and C decide alike.
//!
//! The components are built by `tests/guests/build.sh` and found through `JACKFIELD_GUESTS`; without that
//! variable these tests say so and pass, because `cargo test` has to work with cargo alone. CI sets it.

use std::path::{Path, PathBuf};

use jackfield_tests::gateway::{Line, Reply};
use jackfield_tests::upstream::{Match, openai};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::World;

/// A language's components, by file name: the seed's rule, and the tour of the contract.
#[derive(Clone, Copy)]
struct Guest {
    rule: &'static str,
    tour: &'static str,
}

/// In Rust the rule is the example plugin; in the others one guest is both.
const GUESTS: [Guest; 5] = [
    Guest { rule: "rust", tour: "rust-bench" },
    Guest { rule: "js", tour: "js" },
    Guest { rule: "python", tour: "python" },
    Guest { rule: "python-sdk", tour: "python-sdk" },
    Guest { rule: "c", tour: "c" },
];

/// Generous: nothing timed is asserted, and the machine may be busy compiling the other guests.
const LIMITS: &str = "{ cpu: 5s, wall: 20s, memory: 128MiB }";

const MODELS: &str = r#"
models:
  fast-model: { provider: up, tags: [fast, small], price: { input: 0.25, output: 1.25 }, context: 128k }
  smart-model: { provider: up }
"#;

/// Where the components are, if somebody built them.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("JACKFIELD_GUESTS").map(PathBuf::from);
    if folder.is_none() {
        say("skipped: build the guests with tests/guests/build.sh and set JACKFIELD_GUESTS to their folder");
    }
    folder
}

#[expect(clippy::print_stderr, reason = "a test that tests nothing tells its reader")]
fn say(what: &str) {
    eprintln!("{what}");
}

pub(crate) fn component(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run tests/guests/build.sh", path.display()))
}

impl Guest {
    /// A gateway with these components, both with this `config:`.
    async fn world(self, folder: &Path, config: &Value, orchestrator: &str) -> World {
        // The tour has no opinion on what the rule decides, so the order matters for the tour alone.
        let mut names = vec![self.tour, self.rule];
        names.dedup();
        let mut yaml =
            format!("orchestrator:\n  default_model: smart-model\n  routers: {names:?}\n{orchestrator}");
        yaml.push_str(MODELS);
        yaml.push_str("plugins:\n  dir: PLUGINS\n  settings:\n");
        for name in &names {
            yaml.push_str(&format!(
                "    {name}: {{ config: {config}, on_error: default_route, limits: {LIMITS} }}\n"
            ));
        }
        let files: Vec<_> = names.iter().map(|n| (format!("{n}.wasm"), component(folder, n))).collect();
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let world = World::with_plugins(&yaml, &files).await;
        world.upstream.always(openai::chat("ok"));
        world
    }
}

/// Runs one check a language, all at once: most of the time goes into compiling, one guest a processor.
async fn in_every_language<F>(check: impl Fn(Guest, PathBuf) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(folder) = folder() else { return };
    let mut checks = JoinSet::new();
    for guest in GUESTS {
        checks.spawn(check(guest, folder.clone()));
    }
    while let Some(done) = checks.join_next().await {
        done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    }
}

fn user(prompt: &str) -> Value {
    json!({"role": "user", "content": prompt})
}

#[tokio::test]
async fn every_language_decides_alike() {
    in_every_language(|guest, folder| async move {
        let config = json!({"keyword": "dringend: é😀", "model": "fast-model", "otherwise": "smart-model"});
        // The host knows the task that the tour fails at, so that somebody decides after it.
        let routes = "  routes: [{ task: fail, model: smart-model }]\n";
        let world = guest.world(&folder, &config, routes).await;
        the_rule_decides(guest, &world).await;
        the_tour_sees_everything(guest, &world).await;
    })
    .await;
}

/// Whatever the language: the prompt has the word or has not.
async fn the_rule_decides(guest: Guest, world: &World) {
    let (yes, no) = ("fast-model", "smart-model");
    let rows: &[(Value, &str)] = &[
        (json!([user("it is dringend: é😀!")]), yes),
        (json!([user("it is calm")]), no),
        (json!([user("")]), no),
        (json!([user("it is Dringend: é😀")]), no),
        (json!([user(&format!("{}dringend: é😀", "word ".repeat(200_000)))]), yes),
        (json!([user("dringend: é😀"), {"role": "assistant", "content": "done"}, user("thanks")]), no),
        (json!([{"role": "user", "content": [{"type": "text", "text": "dringend: é😀"}]}]), yes),
    ];
    for (messages, model) in rows {
        let before = world.gateway.log().requests().len();
        let reply = world.gateway.chat(json!({"messages": messages}).to_string()).await;
        let complaints = world.gateway.log().complaints();
        let case = format!("{}: {:.80}: {complaints}", guest.rule, messages.to_string());
        assert_eq!(reply.status, 200, "{case}: {}", reply.text());
        assert_eq!(reply.header("x-jackfield-route"), Some(guest.rule), "{case}");
        assert_eq!(reply.header("x-jackfield-model"), Some(*model), "{case}");
        let verb = if *model == yes { "contains" } else { "does not contain" };
        let reason = format!("the prompt {verb} `dringend: é😀`");
        assert_eq!(next_line(world, before).await.get("route_reason"), &json!(reason), "{case}");
    }
}

/// What the task `probe` must have seen through every function that a plugin may call.
const SEEN: &str = "contains=yes,no; prompt=9; system=be brief; first=system,be brief,no; beyond=none; \
    messages=system,user; header=seen,none; label=none; body=yes; pointer=\"system\",none; \
    names=fast-model,smart-model; info=fast-model,up,128000,25,fast+small; unknown=none,none; \
    live=yes,0,yes; load=yes,0,yes; budget=yes,yes,yes; kv=none,kept,-7,-7; \
    refused=not-a-counter,too-large; config={\"keyword\":\"dringend: é😀\",\"model\":\"fast-model\",\"otherwise\":\"smart-model\"}; clock=yes,yes";

/// Whatever the language: each function, each kind of decision and each failure means the same.
async fn the_tour_sees_everything(guest: Guest, world: &World) {
    let responds = format!("router/{}", guest.tour);
    let rows: &[(&str, u16, Option<&str>, &str)] = &[
        ("probe", 200, Some("fast-model"), SEEN),
        ("refuse", 403, None, "refused"),
        ("respond", 200, Some(&responds), "answered"),
        ("override", 200, Some("smart-model"), "changed"),
        ("fail", 200, Some("smart-model"), "the task is fail"),
        ("unread", 200, Some("fast-model"), "2 messages, tools: no"),
        ("text", 200, Some("fast-model"), "found: yes"),
        ("calls", 200, Some("fast-model"), "called 1000 times"),
    ];
    for (task, status, model, reason) in rows {
        let before = world.gateway.log().requests().len();
        let reply = ask(world, task).await;
        let case = format!("{} {task}: {}", guest.tour, world.gateway.log().complaints());
        assert_eq!(reply.status, *status, "{case}: {}", reply.text());
        let route = if *task == "fail" { "static" } else { guest.tour };
        assert_eq!(reply.header("x-jackfield-route"), Some(route), "{case}");
        assert_eq!(reply.header("x-jackfield-model"), *model, "{case}");
        assert_eq!(next_line(world, before).await.get("route_reason"), &json!(reason), "{case}");
        look_closer(world, task, &reply, guest.tour);
    }
    world.gateway.log().wait_for_text("the tour passed here: é😀").await;
    assert!(world.gateway.log().complaints().contains("the plugin blames its input: the tour fails"));
}

/// The line about the request after so many; the log has room for a reason that a header has not.
async fn next_line(world: &World, before: usize) -> Line {
    world.gateway.log().wait_for_requests(before + 1).await[before].clone()
}

async fn ask(world: &World, task: &str) -> Reply {
    let messages = json!([{"role": "system", "content": "be brief"}, user("a tour é😀")]);
    let body = json!({"messages": messages, "metadata": {"task": task}});
    let headers = [("x-tour", "seen"), ("authorization", "Bearer nobody")];
    world.gateway.post_raw("/v1/chat/completions", body.to_string(), &headers).await
}

/// What a decision changed, where a header cannot show it.
fn look_closer(world: &World, task: &str, reply: &Reply, guest: &str) {
    match task {
        "refuse" => assert_eq!(reply.error().message, "not on the tour", "{guest}"),
        "respond" => {
            assert_eq!(reply.json()["choices"][0]["message"]["content"], "the tour answers é😀", "{guest}");
        }
        "override" => {
            let sent = world.upstream.requests().last().unwrap().json();
            assert_eq!(sent["temperature"], 0.5, "{guest}: {sent}");
            assert_eq!(sent["reasoning_effort"], "low", "{guest}: {sent}");
            assert_eq!(sent["max_tokens"], 64, "{guest}: {sent}");
            assert_eq!(sent["messages"][1]["content"], "In short: a tour é😀", "{guest}: {sent}");
        }
        _ => {}
    }
}

#[tokio::test]
async fn a_misspelt_setting_is_refused_in_every_language() {
    in_every_language(|guest, folder| async move {
        let world = guest.world(&folder, &json!({"keywrod": "urgent"}), "").await;
        let reply = world.gateway.chat(json!({"messages": [user("urgent")]}).to_string()).await;
        assert_eq!(reply.header("x-jackfield-route"), Some("default"), "{}", guest.rule);
        let complaints = world.gateway.log().complaints();
        assert!(complaints.contains("keywrod"), "{}: {complaints}", guest.rule);
    })
    .await;
}

/// One plugin that is a router and a validator, both of which ask a model.
#[tokio::test]
async fn plugins_of_an_sdk_ask_models() {
    let Some(folder) = folder() else { return };
    for guest in ["rust-llm", "python-llm", "c-llm"] {
        asks_models(&folder, guest).await;
    }
}

async fn asks_models(folder: &Path, guest: &str) {
    let models =
        ["easy", "hard", "other", "judge"].map(|m| format!("  {m}: {{ provider: up, retries: 0 }}\n"));
    let yaml = format!(
        "orchestrator:\n  default_model: easy\n  fallback: {{ hard: [other] }}\n  validators: [{guest}]\nmodels:\n{}\
         plugins:\n  dir: PLUGINS\n  settings:\n    {guest}: {{ grants: [llm], on_error: fail, limits: {LIMITS}, \
         config: {{ judge: judge, hard: hard }} }}\n",
        models.concat()
    );
    let world = World::with_plugins(&yaml, &[(&format!("{guest}.wasm"), &component(folder, guest))]).await;
    world.upstream.always(openai::chat("an answer"));
    for (words, model) in
        [(["easy", "yes"].as_slice(), "easy"), (&["hard", "yes"], "hard"), (&["hard", "no", "yes"], "other")]
    {
        for word in words {
            world.upstream.push_for(&Match::model("judge"), openai::chat(word));
        }
        let reply = world.gateway.chat(json!({"messages": [user("a prompt")]}).to_string()).await;
        assert_eq!(reply.status, 200, "{}: {}", reply.text(), world.gateway.log().complaints());
        assert_eq!(reply.header("x-jackfield-model"), Some(model), "{words:?}");
        let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
        assert_eq!(record["llm_calls"], words.len(), "{record:#}");
    }
    // A judge that fails fails no request.
    world.upstream.always_for(&Match::model("judge"), openai::error(500, "error", None, "it broke"));
    let reply = world.gateway.chat(json!({"messages": [user("a prompt")]}).to_string()).await;
    assert_eq!(reply.header("x-jackfield-model"), Some("easy"));
    let record = world.gateway.record(reply.header("x-jackfield-request-id").unwrap()).await;
    let mut issues = record["steps"].as_array().unwrap().iter().filter_map(|step| step["issues"][0].as_str());
    assert!(issues.next_back().unwrap().starts_with("not judged: "), "{record:#}");
}

/// The seed's class, to the letter but for its import line.
const SEED: &str = r#"from lattice_lock.orchestrator import Router

class MyRouter(Router):
    def route(self, prompt: str) -> str:
        if "urgent" in prompt:
            return "fast-model"
        return "smart-model"
"#;

#[test]
fn the_guest_is_the_seeds_class() {
    let guest = include_str!("../../guests/python-seed/router.py");
    assert_eq!(guest, SEED.replace("lattice_lock.orchestrator", "jackfield"));
}

#[tokio::test]
async fn the_seeds_class_routes() {
    let Some(folder) = folder() else { return };
    let yaml = format!(
        "orchestrator:\n  routers: [python-seed]\n{MODELS}plugins:\n  dir: PLUGINS\n  settings:\n    \
         python-seed: {{ limits: {LIMITS} }}\n"
    );
    let world = World::with_plugins(&yaml, &[("python-seed.wasm", &component(&folder, "python-seed"))]).await;
    world.upstream.always(openai::chat("ok"));
    for (prompt, model) in [("this is urgent", "fast-model"), ("this can wait", "smart-model")] {
        let reply = world.gateway.chat(json!({"messages": [user(prompt)]}).to_string()).await;
        assert_eq!(reply.status, 200, "{}: {}", reply.text(), world.gateway.log().complaints());
        assert_eq!(reply.header("x-jackfield-model"), Some(model), "{prompt}");
        assert_eq!(reply.header("x-jackfield-route"), Some("python-seed"), "{prompt}");
    }
}

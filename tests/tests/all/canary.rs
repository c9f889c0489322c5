//! New generations on trial with a share of the requests, and rules that are only compared: whatever they do, no request
//! fails and none is decided by anybody who should not.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use jackfield::app::Stopped;
use jackfield_core::config::Share;
use jackfield_tests::gateway::{Gateway, Line, Reply, Setup};
use jackfield_tests::guest::{counting, endless, router_to, trapping};
use jackfield_tests::soon;
use jackfield_tests::upstream::openai;

use crate::world::{ASK, World, example_plugin, put};

/// A gateway with these settings of its plugins, and these files.
async fn world(settings: &str, files: &[(&str, &[u8])]) -> World {
    let models: String = ["default", "a", "b", "c"]
        .iter()
        .map(|name| format!("  model-{name}: {{ provider: up }}\n"))
        .collect();
    let yaml = format!(
        "orchestrator: {{ default_model: model-default }}\nmodels:\n{models}plugins:\n  dir: PLUGINS\n  \
         concurrency: {{ running: 2 }}\n  router_defaults: {{ limits: {{ cpu: 5s, wall: 30s }} }}\n  settings:\n{settings}"
    );
    let world = World::with_plugins(&yaml, files).await;
    world.upstream.always(openai::chat("ok"));
    world
}

/// An answer; every request must get one.
async fn ask(gateway: &Gateway) -> Reply {
    let reply = gateway.chat(ASK).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn model(reply: &Reply) -> &str {
    reply.header("x-jackfield-model").unwrap()
}

fn id(reply: &Reply) -> &str {
    reply.header("x-jackfield-request-id").unwrap()
}

/// Asks until this model answers; the others that answered until then.
async fn until(gateway: &Gateway, want: &str) -> BTreeSet<String> {
    let mut others = BTreeSet::new();
    let asking = async {
        loop {
            match model(&ask(gateway).await) {
                model if model == want => return,
                other => others.insert(other.to_owned()),
            };
        }
    };
    soon(&format!("{want} to answer"), asking).await;
    others
}

/// Asks until the log holds this text.
async fn until_told(gateway: &Gateway, text: &str) -> BTreeSet<String> {
    let mut models = BTreeSet::new();
    let asking = async {
        while !gateway.log().text().contains(text) {
            models.insert(model(&ask(gateway).await).to_owned());
        }
    };
    soon(&format!("the log to say {text}"), asking).await;
    models
}

/// Whether a request is one of the canary's.
fn is_canarys(share: &str, reply: &Reply) -> bool {
    share.parse::<Share>().unwrap().takes("rule", id(reply))
}

/// Asks so often, and checks that the canary's requests, and only they, go to its model.
async fn shared(gateway: &Gateway, share: &str, base: &str, canary: &str) {
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        let reply = ask(gateway).await;
        assert_eq!(model(&reply), if is_canarys(share, &reply) { canary } else { base }, "{}", id(&reply));
        assert_eq!(reply.header("x-jackfield-route"), Some("rule"));
        seen.insert(model(&reply).to_owned());
    }
    // At one half, sixty requests go the same way once in 10^17 runs.
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[tokio::test]
async fn a_new_file_gets_its_share_of_the_requests_and_the_log_says_which() {
    let world = world("    rule: { canary: 50% }\n", &[("rule.wasm", &router_to("model-a"))]).await;
    let gateway = &world.gateway;
    assert_eq!(model(&ask(gateway).await), "model-a");
    put(world.plugins(), "rule.wasm", &router_to("model-b"));
    assert_eq!(until(gateway, "model-b").await.into_iter().filter(|m| m != "model-a").count(), 0);
    shared(gateway, "50%", "model-a", "model-b").await;

    let reply = ask(gateway).await;
    line(gateway, "the last request's line", |line| {
        line.target == "jackfield::request" && line.get("request_id") == id(&reply)
    })
    .await;
    for line in gateway.log().requests() {
        assert_eq!(line.get("canary") == true, line.get("model") == "model-b", "{line:?}");
        assert_eq!(line.get("route"), "rule");
    }
}

#[tokio::test]
async fn a_canary_that_keeps_failing_is_withdrawn_and_no_request_notices() {
    // The rule's failures fail requests: a canary's must not.
    let settings = "    rule: { canary: 50%, on_error: fail, rollback: { faults: 3, within: 1m } }\n";
    let world = world(settings, &[("rule.wasm", &router_to("model-a"))]).await;
    let (gateway, dir) = (&world.gateway, world.plugins());
    put(dir, "rule.wasm", &trapping());
    let models = until_told(gateway, "was withdrawn").await;
    assert_eq!(models, BTreeSet::from(["model-a".to_owned()]));
    let traps = gateway.log().lines().iter().filter(|line| line.get("fault") == "trap").count();
    // Not the five that it takes where nothing is said. One more may have tried before the withdrawal was heard.
    assert!((3..5).contains(&traps), "{}", gateway.log().complaints());

    // Nobody is asked any more, and the same bytes are not tried again under any name.
    let lines = gateway.log().lines().len();
    put(dir, "other.wasm", &trapping());
    gateway.log().wait_for_text("other.wasm").await;
    for _ in 0..10 {
        assert_eq!(model(&ask(gateway).await), "model-a");
    }
    let later = &gateway.log().lines()[lines..];
    assert!(later.iter().all(|line| line.get("on_error") != "base"), "{later:?}");
    // Other bytes are.
    put(dir, "rule.wasm", &router_to("model-b"));
    until(gateway, "model-b").await;
    shared(gateway, "50%", "model-a", "model-b").await;
}

#[tokio::test]
async fn a_canary_that_lives_through_its_probation_gets_every_request() {
    // One request in a million would be the canary's.
    let settings = "    rule: { canary: 0.0001%, probation: 200ms }\n";
    let world = world(settings, &[("rule.wasm", &router_to("model-a"))]).await;
    put(world.plugins(), "rule.wasm", &router_to("model-b"));
    world.gateway.log().wait_for_text("a canary is on trial").await;
    until(&world.gateway, "model-b").await;
    assert!(world.gateway.log().text().contains("the canary is promoted"), "{}", world.gateway.log().text());
    for _ in 0..10 {
        assert_eq!(model(&ask(&world.gateway).await), "model-b");
    }
    // What is new by name has nothing beside which it could be tried.
    std::fs::remove_file(world.plugins().join("rule.wasm")).unwrap();
    until(&world.gateway, "model-default").await;
    put(world.plugins(), "rule.wasm", &router_to("model-c"));
    until(&world.gateway, "model-c").await;
    assert_eq!(world.gateway.log().text().matches("a canary is on trial").count(), 1);
}

#[tokio::test]
async fn a_newer_file_replaces_the_canary_and_the_old_one_put_back_ends_it() {
    let world = world("    rule: { canary: 50% }\n", &[("rule.wasm", &router_to("model-a"))]).await;
    let (gateway, dir) = (&world.gateway, world.plugins());
    put(dir, "rule.wasm", &router_to("model-b"));
    until(gateway, "model-b").await;
    put(dir, "rule.wasm", &router_to("model-c"));
    until(gateway, "model-c").await;
    shared(gateway, "50%", "model-a", "model-c").await;
    // A broken file changes nothing, not even the canary.
    put(dir, "rule.wasm", b"no plugin");
    gateway.log().wait_for_text("the last good one goes on serving").await;
    shared(gateway, "50%", "model-a", "model-c").await;
    put(dir, "rule.wasm", &router_to("model-a"));
    gateway.log().wait_for_text("what serves was put back").await;
    // The line comes before the world it announces.
    let asking = async {
        let mut in_a_row = 0;
        while in_a_row < 60 {
            in_a_row = if model(&ask(gateway).await) == "model-a" { in_a_row + 1 } else { 0 };
        }
    };
    soon("the base to get every request", asking).await;
}

/// A gateway that watches this file, whose plugin folder is beside it.
struct Watched {
    folder: tempfile::TempDir,
    gateway: Gateway,
    round: AtomicU32,
}

impl Watched {
    async fn start(settings: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join("plugins").join(name), bytes).unwrap();
        }
        configure(folder.path(), settings, 0);
        let gateway = Setup::file(&folder.path().join("jackfield.yaml")).start().await;
        Self { folder, gateway, round: AtomicU32::new(1) }
    }

    /// Changes the plugins' settings and waits until they are in force. No plugin is asked meanwhile.
    async fn configure(&self, settings: &str) {
        let round = self.round.fetch_add(1, Ordering::Relaxed);
        configure(self.folder.path(), settings, round);
        let mark = format!("round-{round}");
        let looking = async { while !self.gateway.get("/v1/models").await.text().contains(&mark) {} };
        soon("the new configuration", looking).await;
    }
}

/// Each round has a model of its own, so that a test can see which one is in force.
fn configure(folder: &Path, settings: &str, round: u32) {
    let models: String = ["default", "a", "b", "1", "2", "3"]
        .iter()
        .map(|name| format!("  model-{name}: {{ provider: sim }}\n"))
        .chain([format!("  round-{round}: {{ provider: sim }}\n")])
        .collect();
    let yaml = format!(
        "server: {{ listen: 127.0.0.1:0 }}\nproviders: {{ sim: {{ kind: simulated, latency: 0, chunk_latency: 0 }} }}\nmodels:\n{models}\
         orchestrator: {{ default_model: model-default }}\nplugins:\n  dir: \"{}\"\n  router_defaults: {{ limits: {{ cpu: 5s, wall: 30s }} }}\n  settings:\n{settings}",
        folder.join("plugins").display()
    );
    let beside = folder.join(".jackfield.yaml");
    std::fs::write(&beside, yaml).unwrap();
    std::fs::rename(beside, folder.join("jackfield.yaml")).unwrap();
}

#[tokio::test]
async fn new_settings_are_a_canary_too_and_their_failures_do_not_condemn_the_bytes() {
    let settings = |model: &str| {
        format!(
            "    rule: {{ canary: 50%, rollback: {{ faults: 2 }}, config: {{ keyword: hello, model: {model} }} }}\n"
        )
    };
    let plugin = example_plugin("urgent-router.wasm");
    let world = Watched::start(&settings("model-a"), &[("rule.wasm", &plugin)]).await;
    until(&world.gateway, "model-a").await;
    world.configure(&settings("model-b")).await;
    shared(&world.gateway, "50%", "model-a", "model-b").await;
    // The plugin cannot know that there is no such model.
    world.configure(&settings("nowhere")).await;
    let models = until_told(&world.gateway, "these settings are not tried again until they change").await;
    assert_eq!(models, BTreeSet::from(["model-a".to_owned()]));
    world.configure(&settings("model-b")).await;
    shared(&world.gateway, "50%", "model-a", "model-b").await;
    // Without the setting there is nothing to wait for.
    world.configure("    rule: { config: { keyword: hello, model: model-b } }\n").await;
    assert!(world.gateway.log().text().contains("the canary is promoted"));
    for _ in 0..20 {
        assert_eq!(model(&ask(&world.gateway).await), "model-b");
    }
}

#[tokio::test]
async fn how_many_failures_it_takes_and_for_how_long_they_count_is_each_plugins_own() {
    let settings = "    rule: { rollback: { faults: 2, within: 1m } }\n    swapped: { probation: 0, rollback: { faults: 3 } }\n";
    let world = world(settings, &[("rule.wasm", &trapping()), ("swapped.wasm", &router_to("model-a"))]).await;
    let gateway = &world.gateway;
    let faults = |plugin: &str| -> Vec<String> {
        let lines = gateway.log().lines();
        let of = lines.iter().filter(|line| line.get("plugin") == plugin);
        of.filter_map(|line| line.get("fault").as_str().map(str::to_owned)).collect()
    };
    for _ in 0..3 {
        assert_eq!(model(&ask(gateway).await), "model-a");
    }
    assert_eq!(faults("rule"), ["trap", "trap", "breaker_open"]);
    // The breaker of `swapped` opens as well, but nothing is held against the swap.
    put(world.plugins(), "swapped.wasm", &[trapping(), vec![0, 2, 1, b'x']].concat());
    until(gateway, "model-default").await;
    for _ in 0..3 {
        assert_eq!(model(&ask(gateway).await), "model-default");
    }
    assert_eq!(faults("swapped")[..4], ["trap", "trap", "trap", "breaker_open"]);
    let alone = "it keeps failing and is left alone for a while";
    line(gateway, alone, |line| line.get("plugin") == "swapped" && line.get("message") == alone).await;
    assert!(!gateway.log().complaints().contains("rolled back"), "{}", gateway.log().complaints());
    assert_eq!(model(&ask(gateway).await), "model-default");
}

/// Waits for a line of the log.
async fn line(gateway: &Gateway, what: &str, is: impl Fn(&Line) -> bool) -> Line {
    let waiting = async {
        loop {
            if let Some(line) = gateway.log().lines().into_iter().find(&is) {
                return line;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(what, waiting).await
}

/// What a shadow says about a request.
async fn said(gateway: &Gateway, plugin: &str, request: &str) -> Line {
    let what = format!("what {plugin} would have done about {request}");
    let about = |line: &Line| line.get("plugin") == plugin && line.get("request_id") == request;
    line(gateway, &what, |line| line.target == "jackfield::shadow" && about(line)).await
}

#[tokio::test]
async fn shadows_are_compared_and_the_answer_is_the_same_without_them() {
    let plain = [("middle.wasm", &router_to("model-a")[..])];
    let without = world("    middle: {}\n", &plain).await;
    let files = [
        ("aaa.wasm", router_to("model-b")),
        ("middle.wasm", router_to("model-a")),
        ("same.wasm", router_to("model-a")),
        ("trap.wasm", trapping()),
    ];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    let settings = "    aaa: { shadow: true }\n    same: { shadow: true }\n    trap: { shadow: true, rollback: { faults: 1 } }\n";
    let with = world(settings, &files).await;
    let headers = |reply: &Reply| -> BTreeSet<String> {
        // Each request has an id of its own, under three names.
        let told = |name: &str| {
            !(name == "date" || name.ends_with("request-id") || name == "x-jackfield-overhead-us")
        };
        let pairs = reply.headers.iter().filter(|(name, _)| told(name.as_str()));
        pairs.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    };
    let (one, other) = (ask(&without.gateway).await, ask(&with.gateway).await);
    assert_eq!((headers(&one), &one.body), (headers(&other), &other.body));

    let gateway = &with.gateway;
    let disagrees = said(gateway, "aaa", id(&other)).await;
    assert_eq!(disagrees.level, "INFO");
    for (field, want) in [
        ("would", "route"),
        ("would_model", "model-b"),
        ("done", "route"),
        ("done_model", "model-a"),
        ("done_by", "middle"),
        ("message", "a shadow disagrees"),
    ] {
        assert_eq!(disagrees.get(field), want, "{disagrees:?}");
    }
    assert_eq!(said(gateway, "same", id(&other)).await.get("message"), "a shadow agrees");
    assert_eq!(said(gateway, "trap", id(&other)).await.get("fault"), "trap");
    // Its breaker is open now: it is left alone, and nothing is rolled back.
    let next = ask(gateway).await;
    assert_eq!(said(gateway, "trap", id(&next)).await.get("message"), "a shadow was not asked");
    // No step of the request's own story is a shadow's.
    let requests = gateway.log().wait_for_requests(2).await;
    assert!(requests.iter().all(|line| line.get("route") == "middle" && line.get("canary").is_null()));
}

#[tokio::test]
async fn a_shadow_that_changes_is_the_newest_at_once_and_one_that_serves_has_nothing_beside_it() {
    let settings = |how: &str| format!("    rule: {{ {how} }}\n");
    let files = [("rule.wasm", &router_to("model-a")[..])];
    let world = Watched::start(&settings("shadow: true"), &files).await;
    let gateway = &world.gateway;
    let would = async |want: &str| {
        let asking = async {
            loop {
                let reply = ask(gateway).await;
                assert_eq!(model(&reply), "model-default");
                if said(gateway, "rule", id(&reply)).await.get("would_model") == want {
                    return;
                }
            }
        };
        soon(&format!("the shadow to want {want}"), asking).await;
    };
    would("model-a").await;
    put(&world.folder.path().join("plugins"), "rule.wasm", &router_to("model-b"));
    would("model-b").await;
    world.configure(&settings("canary: 0.0001%")).await;
    assert_eq!(model(&ask(gateway).await), "model-b");
    world.configure(&settings("shadow: true, rollback: { faults: 1 }")).await;
    would("model-b").await;
    // One that fails is left alone: nothing better is to be gone back to while it decides nothing.
    put(&world.folder.path().join("plugins"), "rule.wasm", &trapping());
    let asking =
        async { while said(gateway, "rule", id(&ask(gateway).await)).await.get("fault") != "trap" {} };
    soon("the new shadow to be asked", asking).await;
    line(gateway, "the verdict", |line| {
        let message = line.get("message").as_str().unwrap_or_default();
        message.contains("keeps failing") || message.contains("kept failing")
    })
    .await;
    assert!(!gateway.log().complaints().contains("rolled back"), "{}", gateway.log().complaints());
}

#[tokio::test]
async fn what_a_shadow_writes_is_answered_and_not_kept() {
    let settings = |shadow: bool| format!("    rule: {{ shadow: {shadow} }}\n");
    let world = Watched::start(&settings(false), &[("rule.wasm", &counting())]).await;
    let gateway = &world.gateway;
    assert_eq!(model(&ask(gateway).await), "model-1");
    world.configure(&settings(true)).await;
    for _ in 0..5 {
        // It counts to two and forgets the count: neither is kept.
        let line = said(gateway, "rule", id(&ask(gateway).await)).await;
        assert_eq!(line.get("would_model"), "model-2", "{line:?}");
    }
    // It decides again, and what it writes is kept.
    world.configure(&settings(false)).await;
    for want in ["model-2", "model-1", "model-2"] {
        assert_eq!(model(&ask(gateway).await), want);
    }
}

#[tokio::test]
async fn shadows_that_never_end_hold_nobody_up_and_end_with_the_gateway() {
    let files = [("decider.wasm", router_to("model-a")), ("slow.wasm", endless())];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    let settings = "    slow: { shadow: true, limits: { cpu: 10s, wall: 60s } }\n";
    let world = world(settings, &files).await;
    let mut skipped = 0;
    // 64 questions run or wait; by the time of the last one at most a few of them have ended.
    for _ in 0..100 {
        let reply = ask(&world.gateway).await;
        assert_eq!(model(&reply), "model-a");
        skipped += usize::from(world.gateway.log().text().contains("a shadow was not asked"));
    }
    assert!(skipped > 0, "nothing was skipped");
    assert_eq!(soon("the end", world.gateway.stop()).await, Stopped::Drained);
}

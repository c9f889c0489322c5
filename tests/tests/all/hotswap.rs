//! Plugins and configuration change while traffic flows: what is good serves soon, what is bad changes
//! nothing, and no request fails or goes astray.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jackfield_tests::gateway::Setup;
use jackfield_tests::guest::{router_to, trapping};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Upstream, openai};

use crate::world::{ASK, THREE, World, model, put, until};

#[tokio::test]
async fn a_plugin_comes_changes_breaks_and_goes_while_the_gateway_serves() {
    let world = World::start(THREE).await;
    world.upstream.always(openai::chat("ok"));
    let (gateway, dir) = (&world.gateway, world.plugins());
    until(gateway, "model-default").await;

    // Written in place, as `cp` does.
    std::fs::write(dir.join("rule.wasm"), router_to("model-a")).unwrap();
    until(gateway, "model-a").await;
    // Renamed into place.
    put(dir, "rule.wasm", &router_to("model-b"));
    until(gateway, "model-b").await;

    // Broken: refused with a reason, and the last good one goes on.
    let good = router_to("model-a");
    put(dir, "rule.wasm", &good[..good.len() / 2]);
    gateway.log().wait_for_text("the last good one goes on serving").await;
    assert_eq!(model(gateway).await, "model-b");
    // An editor's leavings are not plugins.
    for name in [".rule.wasm.swp", "rule.wasm~", "4913", "rule.wasm.tmp"] {
        std::fs::write(dir.join(name), "x").unwrap();
    }
    // Grown piece by piece, as a slow copy does: never half of it serves.
    for end in (0..=good.len()).step_by(good.len() / 5).chain([good.len()]) {
        std::fs::write(dir.join("rule.wasm"), &good[..end]).unwrap();
        let now = model(gateway).await;
        assert!(["model-a", "model-b"].contains(&now.as_str()), "{now}");
    }
    until(gateway, "model-a").await;

    std::fs::rename(dir.join("rule.wasm"), dir.join("zz-renamed.wasm")).unwrap();
    put(dir, "rule.wasm", &router_to("model-b"));
    until(gateway, "model-b").await;
    std::fs::remove_file(dir.join("rule.wasm")).unwrap();
    until(gateway, "model-a").await;
    std::fs::remove_file(dir.join("zz-renamed.wasm")).unwrap();
    until(gateway, "model-default").await;
}

#[tokio::test]
async fn a_rotated_data_link_is_a_swap() {
    use std::os::unix::fs::symlink;
    let world = World::start(THREE).await;
    world.upstream.always(openai::chat("ok"));
    let dir = world.plugins();
    // What Kubernetes makes of a config map: the file is a link through `..data`, which is rotated.
    for (stamp, to) in [("..1", "model-a"), ("..2", "model-b")] {
        std::fs::create_dir(dir.join(stamp)).unwrap();
        std::fs::write(dir.join(stamp).join("rule.wasm"), router_to(to)).unwrap();
    }
    symlink("..1", dir.join("..data")).unwrap();
    symlink("..data/rule.wasm", dir.join("rule.wasm")).unwrap();
    until(&world.gateway, "model-a").await;
    symlink("..2", dir.join("..data_tmp")).unwrap();
    std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    until(&world.gateway, "model-b").await;
}

#[tokio::test]
async fn a_folder_that_appears_later_is_watched() {
    let world = World::start(&format!("{THREE}plugins: {{ dir: PLUGINS/later }}\n")).await;
    world.upstream.always(openai::chat("ok"));
    until(&world.gateway, "model-default").await;
    let dir = world.plugins().join("later");
    std::fs::create_dir(&dir).unwrap();
    put(&dir, "rule.wasm", &router_to("model-a"));
    until(&world.gateway, "model-a").await;
    put(&dir, "rule.wasm", &router_to("model-b"));
    until(&world.gateway, "model-b").await;
}

#[tokio::test]
async fn a_folder_that_is_removed_and_made_again_is_watched() {
    let world = World::start(&format!("{THREE}plugins: {{ dir: PLUGINS/again }}\n")).await;
    world.upstream.always(openai::chat("ok"));
    let dir = world.plugins().join("again");
    std::fs::create_dir(&dir).unwrap();
    put(&dir, "rule.wasm", &router_to("model-b"));
    until(&world.gateway, "model-b").await;
    for to in ["model-a", "model-b", "model-a"] {
        // Many file systems give the new folder the number of the old one.
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::create_dir(&dir).unwrap();
        until(&world.gateway, "model-default").await;
        // What is looked at once more after a change is over.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        put(&dir, "rule.wasm", &router_to(to));
        until(&world.gateway, to).await;
    }
}

#[tokio::test]
async fn the_configuration_file_reloads_by_the_same_path() {
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("ok"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("plugins")).unwrap();
    let file = dir.path().join("jackfield.yaml");
    let text = |default: &str| {
        format!(
            "server: {{ listen: 127.0.0.1:0 }}\norchestrator: {{ default_model: {default} }}\n\
             models: {{ model-a: {{ provider: up }}, model-b: {{ provider: up }} }}\n\
             providers: {{ up: {{ kind: openai, base_url: \"{}\" }} }}\nplugins: {{ dir: \"{}\" }}\n",
            upstream.base_url(),
            dir.path().join("plugins").display()
        )
    };
    std::fs::write(&file, text("model-a")).unwrap();
    let gateway = Setup::file(&file).start().await;
    until(&gateway, "model-a").await;
    std::fs::write(&file, text("model-b")).unwrap();
    until(&gateway, "model-b").await;
    // A faulty file changes nothing and is told whole.
    std::fs::write(&file, text("model-c")).unwrap();
    gateway.log().wait_for_text("the last good one goes on").await;
    assert_eq!(model(&gateway).await, "model-b");
    std::fs::write(&file, text("model-a")).unwrap();
    until(&gateway, "model-a").await;
}

#[tokio::test]
async fn a_prompt_in_a_file_of_its_own_is_read_and_read_again_when_it_changes() {
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("ok"));
    let dir = tempfile::tempdir().unwrap();
    for folder in ["plugins", "prompts"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let file = dir.path().join("jackfield.yaml");
    let text = format!(
        "server: {{ listen: 127.0.0.1:0 }}\nproviders: {{ up: {{ kind: openai, base_url: \"{}\" }} }}\n\
         models: {{ model-a: {{ provider: up }} }}\nplugins: {{ dir: \"{}\" }}\n\
         orchestrator: {{ routes: [{{ task: t, model: model-a, template: {{ file: prompts/task.md }} }}] }}\n\
         workflows: {{ one: {{ steps: [{{ name: a, model: model-a, system: {{ file: prompts/system.md }}, prompt: {{ file: prompts/plan.md }} }}] }} }}\n",
        upstream.base_url(),
        dir.path().join("plugins").display()
    );
    let prompt =
        |name: &str, text: &str| std::fs::write(dir.path().join("prompts").join(name), text).unwrap();
    prompt("plan.md", "Plan ${input}.");
    prompt("system.md", "Be brief.");
    prompt("task.md", "Format: ${input}");
    std::fs::write(&file, &text).unwrap();
    let gateway = Setup::file(&file).start().await;
    // The last request's messages, once a run was made.
    let said = async || {
        let reply =
            gateway.post_json("/v1/workflows/one/runs", &serde_json::json!({ "input": "soup" })).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let sent = upstream.requests().last().unwrap().json();
        [sent["messages"][0]["content"].clone(), sent["messages"][1]["content"].clone()]
    };
    assert_eq!(said().await, ["Be brief.", "Plan soup."]);
    let task =
        serde_json::json!({ "messages": [{ "role": "user", "content": "x" }], "metadata": { "task": "t" } });
    gateway.post_json("/v1/chat/completions", &task).await;
    assert_eq!(upstream.requests().last().unwrap().json()["messages"][0]["content"], "Format: x");
    prompt("plan.md", "Think of ${input}.");
    jackfield_tests::soon("the new prompt", async { while said().await[1] != "Think of soup." {} }).await;
    // What is wrong in one is told, and the last good one goes on.
    prompt("plan.md", "Think of ${input.");
    gateway.log().wait_for_text("the last good one goes on").await;
    assert_eq!(said().await[1], "Think of soup.");
    std::fs::remove_file(dir.path().join("prompts/system.md")).unwrap();
    gateway.log().wait_for_text("prompts/system.md cannot be read").await;
}

#[tokio::test]
async fn prompts_that_come_late_and_folders_of_prompts_that_are_replaced_are_followed() {
    use std::os::unix::fs::symlink;
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("ok"));
    let dir = tempfile::tempdir().unwrap();
    let (base, file) = (dir.path(), dir.path().join("jackfield.yaml"));
    std::fs::create_dir(base.join("plugins")).unwrap();
    let text = |prompt: &str| {
        format!(
            "server: {{ listen: 127.0.0.1:0 }}\nproviders: {{ up: {{ kind: openai, base_url: \"{}\" }} }}\n\
             models: {{ model-a: {{ provider: up }} }}\nplugins: {{ dir: \"{}\" }}\n\
             workflows: {{ one: {{ steps: [{{ name: a, model: model-a, prompt: {prompt} }}] }} }}\n",
            upstream.base_url(),
            base.join("plugins").display()
        )
    };
    let fill = |folder: &str, text: &str| {
        std::fs::create_dir_all(base.join(folder)).unwrap();
        std::fs::write(base.join(folder).join("plan.md"), text).unwrap();
    };
    std::fs::write(&file, text("none")).unwrap();
    let gateway = Setup::file(&file).start().await;
    let becomes = async |prompt: &str| {
        let said = async {
            loop {
                let run = serde_json::json!({ "input": "soup" });
                assert_eq!(gateway.post_json("/v1/workflows/one/runs", &run).await.status, 200);
                let sent = upstream.requests().last().unwrap().json();
                if sent["messages"][0]["content"].as_str().unwrap().starts_with(prompt) {
                    return;
                }
            }
        };
        soon(prompt, said).await;
    };
    // What is looked at once more after a change is over.
    let quiet = async || tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    becomes("none").await;

    // Named before it is there.
    std::fs::write(&file, text("{ file: texts/prompts/plan.md }")).unwrap();
    gateway.log().wait_for_text("texts/prompts/plan.md cannot be read").await;
    quiet().await;
    fill("texts/prompts", "late");
    becomes("late").await;
    quiet().await;
    // Its folder goes, and comes again later.
    std::fs::remove_dir_all(base.join("texts/prompts")).unwrap();
    quiet().await;
    fill("texts/prompts", "again");
    becomes("again").await;
    // Its folder becomes a link, which is turned.
    fill("releases/1", "first");
    fill("releases/2", "second");
    std::fs::remove_dir_all(base.join("texts/prompts")).unwrap();
    symlink("../releases/1", base.join("texts/prompts")).unwrap();
    becomes("first").await;
    quiet().await;
    symlink("../releases/2", base.join("texts/turned")).unwrap();
    std::fs::rename(base.join("texts/turned"), base.join("texts/prompts")).unwrap();
    becomes("second").await;
    quiet().await;
    fill("releases/2", "third");
    becomes("third").await;
}

#[tokio::test]
async fn a_swap_to_a_router_that_keeps_failing_is_undone() {
    let world = World::start(THREE).await;
    world.upstream.always(openai::chat("ok"));
    let (gateway, dir) = (&world.gateway, world.plugins());
    put(dir, "rule.wasm", &router_to("model-a"));
    until(gateway, "model-a").await;

    put(dir, "rule.wasm", &trapping());
    // Its failures fail no request: `on_error: next` leads to the default, until the old rule is back.
    until(gateway, "model-default").await;
    until(gateway, "model-a").await;
    gateway.log().wait_for_text("was rolled back to").await;
    assert!(gateway.log().count("WARN", "jackfield::plugin") <= 8, "{}", gateway.log().complaints());

    // The same bytes are not tried again, under their name or another; other bytes are.
    put(dir, "rule.wasm", &trapping());
    put(dir, "other.wasm", &trapping());
    gateway.log().wait_for_text("other.wasm").await;
    assert_eq!(model(gateway).await, "model-a");
    put(dir, "rule.wasm", &router_to("model-b"));
    until(gateway, "model-b").await;
}

#[tokio::test]
async fn a_router_that_fails_from_the_start_is_left_alone_for_a_while() {
    let world = World::with_plugins(THREE, &[("rule.wasm", &trapping())]).await;
    world.upstream.always(openai::chat("ok"));
    for _ in 0..8 {
        assert_eq!(model(&world.gateway).await, "model-default");
    }
    let faults = |kind: &str| {
        let lines = world.gateway.log().lines();
        lines.iter().filter(|line| line.get("fault") == kind).count()
    };
    assert_eq!((faults("trap"), faults("breaker_open")), (5, 3), "{}", world.gateway.log().complaints());
}

#[tokio::test]
async fn a_folder_that_is_replaced_as_a_whole_is_followed() {
    use std::os::unix::fs::symlink;
    let world = World::start(&format!("{THREE}plugins: {{ dir: PLUGINS/live }}\n")).await;
    world.upstream.always(openai::chat("ok"));
    let base = world.plugins();
    for (version, to) in [("v1", "model-a"), ("v2", "model-b"), ("v3", "model-a")] {
        std::fs::create_dir(base.join(version)).unwrap();
        std::fs::write(base.join(version).join("rule.wasm"), router_to(to)).unwrap();
    }
    // Moved into place, moved away for another, then a link that is turned.
    std::fs::rename(base.join("v1"), base.join("live")).unwrap();
    until(&world.gateway, "model-a").await;
    std::fs::rename(base.join("live"), base.join("old")).unwrap();
    std::fs::rename(base.join("v2"), base.join("live")).unwrap();
    until(&world.gateway, "model-b").await;
    std::fs::remove_file(base.join("live/rule.wasm")).unwrap();
    until(&world.gateway, "model-default").await;
    std::fs::rename(base.join("live"), base.join("older")).unwrap();
    symlink("v3", base.join("live")).unwrap();
    until(&world.gateway, "model-a").await;
    symlink("old", base.join("link")).unwrap();
    std::fs::rename(base.join("link"), base.join("live")).unwrap();
    put(&base.join("old"), "rule.wasm", &router_to("model-b"));
    until(&world.gateway, "model-b").await;
}

#[tokio::test]
async fn a_broken_configuration_is_told_once_and_an_open_address_keeps_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jackfield.yaml");
    let text = |rest: &str| {
        format!("server: {{ listen: 127.0.0.1:0 }}\nplugins: {{ dir: \"{}\" }}\n{rest}", dir.path().display())
    };
    let good = "orchestrator: { default_model: m }\nmodels: { m: { provider: sim } }\nproviders: { sim: { kind: simulated } }\n";
    std::fs::write(&file, text(good)).unwrap();
    let gateway = Setup::file(&file).start().await;
    std::fs::write(&file, text("orchestrator: { defualt_model: m }\n")).unwrap();
    gateway.log().wait_for_text("the last good one goes on").await;
    // Something else changes in the same folder, over and over: the fault is not told again.
    for number in 0..5 {
        put(dir.path(), &format!("rule-{number}.wasm"), b"no plugin");
        gateway.log().wait_for_text(&format!("rule-{number}.wasm")).await;
    }
    assert_eq!(gateway.log().count("WARN", "jackfield::world"), 1, "{}", gateway.log().complaints());
    std::fs::write(&file, text(&format!("{good}# again\n"))).unwrap();
    gateway.log().wait_for_text("a new world serves").await;
}

/// The process's resident memory, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_swaps_under_load_fail_no_request() {
    const SWAPS: u32 = 1_000;
    const CLIENTS: usize = 50;
    let yaml = THREE.replace("provider: up", "provider: slow");
    let slow = "\nproviders:\n  slow: { kind: simulated, latency: 40ms, chunk_latency: 2ms }\n";
    let plugins = tempfile::tempdir().unwrap();
    let dir = plugins.path().to_owned();
    let good = [router_to("model-a"), router_to("model-b")];
    put(&dir, "rule.wasm", &good[0]);
    // A call that a busy machine delays is not what this test is about.
    let limits = "router_defaults: { limits: { cpu: 5s, wall: 20s } }";
    let yaml = format!("{yaml}{slow}plugins: {{ dir: \"{}\", {limits} }}\n", dir.display());
    let gateway = Arc::new(Setup::yaml(&yaml).quiet().start().await);

    let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (gateway, over, served) = (Arc::clone(&gateway), Arc::clone(&over), Arc::clone(&served));
            tokio::spawn(async move {
                // Every fifth client streams.
                let body =
                    if client % 5 == 0 { ASK.replacen('{', r#"{"stream":true,"#, 1) } else { ASK.to_owned() };
                while !over.load(Ordering::Relaxed) {
                    let reply = gateway.chat(body.clone()).await;
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    let model = reply.header("x-jackfield-model").unwrap();
                    assert!(["model-a", "model-b"].contains(&model), "went astray to {model}");
                    assert_eq!(reply.header("x-jackfield-route"), Some("rule"), "decided by somebody else");
                    assert!(
                        client % 5 != 0 || reply.text().ends_with("data: [DONE]\n\n"),
                        "{}",
                        reply.text()
                    );
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();

    let mut before = 0;
    let (mut serving, mut broken) = (0, 0);
    for swap in 1..=SWAPS {
        if swap % 10 == 0 {
            // Each broken file differs, so that each is told.
            broken += 1;
            put(&dir, "rule.wasm", &good[1 - serving][..good[0].len() / 2 - broken]);
            let refused = async {
                while gateway.log().count("WARN", "jackfield::plugin") < broken {
                    model(&gateway).await;
                }
            };
            soon("the refusal to be told", refused).await;
        } else {
            serving = 1 - serving;
            put(&dir, "rule.wasm", &good[serving]);
            until(&gateway, ["model-a", "model-b"][serving]).await;
        }
        if swap == SWAPS / 5 {
            before = resident();
        }
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let (after, served) = (resident(), served.load(Ordering::Relaxed));
    println!("{SWAPS} swaps, {broken} of them broken; {served} requests; resident {before} -> {after} MiB");
    assert!(served > u64::from(SWAPS), "{served} requests are no load");
    assert!(after < before + 100, "resident memory grew from {before} to {after} MiB");
}

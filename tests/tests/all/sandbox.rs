//! What plugins do to each other and to the gateway, over real HTTP: a guest that computes, waits, leaves or fails is
//! felt by its own requests alone. The plugin host's own suite has the cases that need no gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jackfield_tests::gateway::RawClient;
use jackfield_tests::guest::{component_of, router_to};
use jackfield_tests::soon;
use jackfield_tests::upstream::openai;

use crate::world::{THREE, World};

/// Limits that no guest here meets, and few permits.
const PATIENT: &str = r#"
plugins:
  dir: "PLUGINS"
  concurrency: { running: 2, queue: 64 }
  router_defaults: { instances: INSTANCES, limits: { cpu: 10s, wall: 60s, host_calls: 10M } }
"#;

const WIT: &str = "package test:guest;
    world guest {
        import jackfield:plugin/request@1.0.0;
        import jackfield:plugin/clock@1.0.0;
        import jackfield:plugin/log@1.0.0;
        import wasi:clocks/monotonic-clock@0.2.0;
        import wasi:cli/exit@0.2.0;
        import wasi:io/poll@0.2.0;
        export jackfield:plugin/routing@1.0.0;
        EXPORTS
    }
    package wasi:io@0.2.0 { interface poll { resource pollable { block: func(); } } }
    package wasi:cli@0.2.0 { interface exit { exit: func(status: result); } }
    package wasi:clocks@0.2.0 { interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable}; subscribe-duration: func(when: u64) -> pollable; } }";

/// A router to `model-a` that does this first when the prompt contains "odd", and says "odd" in the log.
fn odd(body: &str) -> Vec<u8> {
    with_check(body, "", "")
}

/// The same with a check of its settings.
fn with_check(body: &str, exports: &str, fields: &str) -> Vec<u8> {
    component_of(
        &WIT.replace("EXPORTS", exports),
        &format!(
            r#"(module
            (import "jackfield:plugin/request@1.0.0" "contains" (func $contains (param i32 i32) (result i32)))
            (import "jackfield:plugin/clock@1.0.0" "monotonic-ns" (func $now (result i64)))
            (import "jackfield:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
            (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
            (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
            (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 3072) "model-a") (data (i32.const 3200) "odd") (data (i32.const 3300) "no keyword")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))
            {fields}
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32)
                (local $i i32) (local $until i64)
                (if (call $contains (i32.const 3200) (i32.const 3)) (then
                    (call $log (i32.const 1) (i32.const 3200) (i32.const 3))
                    {body}))
                (i32.store (i32.const 1032) (i32.const 2048)) (i32.store (i32.const 1036) (i32.const 1))
                (i32.store (i32.const 2048) (i32.const 3072)) (i32.store (i32.const 2052) (i32.const 7))
                (i32.const 1024)))"#
        ),
    )
}

/// Computes for 100 ms, which is legal here.
const SLOW: &str = "(local.set $until (i64.add (call $now) (i64.const 100000000)))
    (loop $l
        (local.set $i (i32.const 100000))
        (loop $m (br_if $m (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        (br_if $l (i64.lt_u (call $now) (local.get $until))))";

/// Waits for a clock that never gets there.
const WAITS: &str = "(call $block (call $timer (i64.const -1)))";

fn asks(prompt: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":"{prompt}"}}]}}"#)
}

async fn patient(instances: &str, guest: &[u8]) -> World {
    let yaml = format!("{THREE}{}", PATIENT.replace("INSTANCES", instances));
    let world = World::with_plugins(&yaml, &[("rule.wasm", guest)]).await;
    world.upstream.always(openai::chat("ok"));
    world
}

/// The model that answers this prompt.
async fn model(world: &World, prompt: &str) -> String {
    let reply = world.gateway.chat(asks(prompt)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-jackfield-model").unwrap().to_owned()
}

/// The kinds of fault in the log so far.
fn faults(world: &World) -> Vec<String> {
    let lines = world.gateway.log().lines();
    lines.iter().filter_map(|line| line.get("fault").as_str().map(str::to_owned)).collect()
}

/// Clients that ask and do not wait for the answer.
async fn clients(world: &World, count: usize) -> Vec<RawClient> {
    let body = asks("odd");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = world.gateway.raw().await;
        client.send(&request).await;
        clients.push(client);
    }
    clients
}

/// Waits until so many guests have said that they run.
async fn running(world: &World, count: usize) {
    let said = async {
        while world.gateway.log().count("INFO", "jackfield::plugin") < count {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon(&format!("{count} guests to run"), said).await;
}

#[tokio::test]
async fn guests_that_compute_at_full_concurrency_hold_up_no_other_path() {
    for instances in ["fresh", "warm"] {
        // As many run as the gateway has threads, and more wait: together, longer than this test is patient.
        let world = patient(instances, &odd("(loop $l (br $l))")).await;
        let _clients = clients(&world, 8).await;
        running(&world, 2).await;
        for _ in 0..20 {
            assert_eq!(world.gateway.get("/health").await.status, 200);
            assert_eq!(world.gateway.get("/v1/models").await.status, 200);
        }
    }
}

#[tokio::test]
async fn slow_but_legal_guests_at_full_concurrency_let_others_have_their_turn() {
    for instances in ["fresh", "warm"] {
        let world = Arc::new(patient(instances, &odd(SLOW)).await);
        let over = Arc::new(AtomicBool::new(false));
        let storm: Vec<_> = (0..4)
            .map(|_| {
                let (world, over) = (Arc::clone(&world), Arc::clone(&over));
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(model(&world, "odd").await, "model-a");
                    }
                })
            })
            .collect();
        running(&world, 2).await;
        for _ in 0..10 {
            assert_eq!(model(&world, "calm").await, "model-a");
        }
        over.store(true, Ordering::Relaxed);
        for client in storm {
            client.await.unwrap();
        }
        assert_eq!(faults(&world), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_guest_along() {
    for instances in ["fresh", "warm"] {
        for body in [WAITS, "(loop $l (br $l))"] {
            let world = patient(instances, &odd(body)).await;
            // Both permits, three times: had the first guests stayed, the next would never speak.
            for round in 1..=3 {
                let clients = clients(&world, 2).await;
                running(&world, 2 * round).await;
                drop(clients);
            }
            assert_eq!(model(&world, "calm").await, "model-a");
        }
    }
}

#[tokio::test]
async fn what_a_guest_does_fails_no_request_and_is_told() {
    let cases = [
        ("unreachable", "trap", "unreachable"),
        ("(call $exit (i32.const 1))", "trap", "called exit with status 1"),
        ("(drop (call $deep (i32.const 0)))", "trap", "call stack exhausted"),
        ("(loop $l (br $l))", "cpu_limit", "computed longer than 10ms"),
        ("(drop (memory.grow (i32.const 60000))) unreachable", "memory_limit", "bytes of memory"),
        (
            "(loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 0)) (br $l))",
            "host_call_limit",
            "called the host more than",
        ),
        (WAITS, "wall_limit", "took longer than"),
        ("(return (i32.const 1025))", "abi", "pointer"),
    ];
    // The one limit that a busy machine could reach first is moved out of the way; waiting alone is short of it.
    let limits = |kind: &str| match kind {
        "wall_limit" => "{ wall: 200ms }",
        "host_call_limit" => "{ cpu: 10s, wall: 60s, host_calls: 1k }",
        _ => "{ wall: 60s }",
    };
    for (body, kind, says) in cases {
        let yaml = format!(
            "{THREE}plugins: {{ dir: \"PLUGINS\", router_defaults: {{ limits: {} }} }}\n",
            limits(kind)
        );
        let world = World::with_plugins(&yaml, &[("rule.wasm", &odd(body))]).await;
        world.upstream.always(openai::chat("ok"));
        for _ in 0..2 {
            assert_eq!(model(&world, "odd").await, "model-default", "{body}");
            assert_eq!(model(&world, "calm").await, "model-a", "{body}");
        }
        assert_eq!(faults(&world), [kind, kind], "{body}: {}", world.gateway.log().complaints());
        assert!(world.gateway.log().complaints().contains(says), "{}", world.gateway.log().complaints());
    }
}

#[tokio::test]
async fn a_swap_to_a_version_whose_settings_fail_changes_nothing_and_back_is_a_swap() {
    const CHECKED: &str = "export jackfield:plugin/lifecycle@1.0.0;";
    let check = |body: &str| {
        let function = format!(
            r#"(func (export "jackfield:plugin/lifecycle@1.0.0#check-config") (param i32 i32) (result i32) {body})"#
        );
        with_check("", CHECKED, &function)
    };
    // The error `invalid-config` with ten bytes of text.
    let unhappy = check(
        "(i32.store8 (i32.const 1200) (i32.const 1)) (i32.store (i32.const 1208) (i32.const 3300)) (i32.store (i32.const 1212) (i32.const 10)) (i32.const 1200)",
    );
    let bad = [
        (unhappy, "refused its settings"),
        (check("unreachable"), "failed while checking its settings: trap"),
        (check("(loop $l (br $l)) (i32.const 0)"), "failed while checking its settings: cpu_limit"),
        (check("(i32.const 1)"), "failed while checking its settings: abi"),
        (with_check("", "", "(func $start unreachable) (start $start)"), "failed while it started: trap"),
    ];
    let world = World::with_plugins(THREE, &[("rule.wasm", &router_to("model-b"))]).await;
    world.upstream.always(openai::chat("ok"));
    let put = |bytes: &[u8]| {
        let beside = world.plugins().join(".rule.tmp");
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(&beside, world.plugins().join("rule.wasm")).unwrap();
    };
    let until = async |want: &str| {
        soon(want, async { while model(&world, "calm").await != want {} }).await;
    };
    for (bytes, says) in bad {
        put(&bytes);
        world.gateway.log().wait_for_text(says).await;
        assert_eq!(model(&world, "calm").await, "model-b", "{says}");
    }
    put(&odd(""));
    until("model-a").await;
    put(&router_to("model-b"));
    until("model-b").await;
    assert_eq!(faults(&world), Vec::<String>::new());
}

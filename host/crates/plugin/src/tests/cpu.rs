//! Guests that compute without end, wherever they are called.

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::PluginFaultKind::{CpuLimit, HostCallLimit, Overloaded, WallLimit};

use super::suite::{Guest, case, each, each_refused, in_time, of, roomy, ways};
use crate::guests::{ask, load_as};

const FOREVER: &str = "(loop $l (br $l))";

#[tokio::test]
async fn computing_without_end_is_the_cpu_limit_wherever_it_happens() {
    let evil = |what, guest: Guest<'_>| of(what, &guest, CpuLimit, "computed longer than 20ms");
    // Its text is asked for once the body runs; what the host lowers before that is let through.
    let ask_text = "(global.set $evil (i32.const 1)) (call $prompt (i32.const 2200))";
    let mark = "(global.set $evil (i32.const 1)) (return (call $abstain))";
    let post = r#"(func (export "cabi_post_jackfield:plugin/routing@1.0.0#route") (param i32)
        (if (global.get $evil) (then (loop $l (br $l)))))"#;
    let fib = "(func $fib (param i32) (result i32)
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else (i32.add
            (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))";
    let cheap = "(loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 1)) (br $l))";
    // An empty text is passed, so that no bytes add up either.
    let cheapest = "(loop $l (drop (call $contains (i32.const 0) (i32.const 0))) (br $l))";
    let large = "(loop $l (drop (call $contains (i32.const 65536) (i32.const 1000000))) (br $l))";
    each(&[
        case(FOREVER, CpuLimit, "computed longer than 20ms"),
        evil(
            "calls without a loop",
            Guest { fields: fib, body: "(drop (call $fib (i32.const 60)))", ..Guest::default() },
        ),
        evil(
            "in cabi_realloc",
            Guest {
                realloc: "(if (global.get $evil) (then (loop $l (br $l))))",
                body: ask_text,
                ..Guest::default()
            },
        ),
        evil("after its return", Guest { fields: post, body: mark, ..Guest::default() }),
        evil(
            "filling its memory over and over",
            Guest {
                pages: "256",
                body: "(loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 16777216)) (br $l))",
                ..Guest::default()
            },
        )
        .within(roomy(64, 100)),
        evil(
            "copying its memory over and over",
            Guest {
                pages: "256",
                body: "(loop $l (memory.copy (i32.const 0) (i32.const 8388608) (i32.const 8388608)) (br $l))",
                ..Guest::default()
            },
        )
        .within(roomy(64, 100)),
        case(cheap, HostCallLimit, "called the host more than 100 times"),
        case(cheapest, CpuLimit, "computed longer").within(roomy(1, u32::MAX)),
        of(
            "dear host calls",
            &Guest { pages: "32", body: large, ..Guest::default() },
            HostCallLimit,
            "16777216 bytes",
        )
        .within(roomy(4, u32::MAX)),
    ])
    .await;
}

#[tokio::test]
async fn computing_without_end_before_any_call_refuses_the_file() {
    let starts = |start: &str| Guest { fields: start, ..Guest::default() }.build();
    let checks = Guest {
        world: "export jackfield:plugin/lifecycle@1.0.0;",
        fields: r#"(func (export "jackfield:plugin/lifecycle@1.0.0#check-config") (param i32 i32) (result i32)
            (loop $l (br $l)) (i32.const 0))"#,
        ..Guest::default()
    };
    let says = "failed while it started: cpu_limit: computed longer than 20ms";
    each_refused(&[
        ("_initialize", starts(r#"(func (export "_initialize") (loop $l (br $l)))"#), says),
        ("core start", starts("(func $start (loop $l (br $l))) (start $start)"), says),
        (
            "check-config",
            checks.build(),
            "failed while checking its settings: cpu_limit: computed longer than 1s",
        ),
    ])
    .await;
}

/// A host function may take longer than a tick and counts as one. What bounds it then is the wall clock.
#[tokio::test]
async fn long_host_calls_end_at_the_wall() {
    let prompt = format!("x{}", "a".repeat(4 << 20));
    let body = "(loop $l (global.set $next (i32.const 8192)) (call $prompt (i32.const 2200)) (br $l))";
    let guest = Guest { pages: "128", body, ..Guest::default() }.build();
    let limits = PluginLimits {
        cpu: std::time::Duration::from_secs(3_600),
        wall: std::time::Duration::from_millis(300),
        ..roomy(16, u32::MAX)
    };
    for (engine, warm) in ways() {
        let plugin = load_as(engine, &guest, limits, warm).await.unwrap();
        let fault = in_time(plugin.router().unwrap().route(ask(&prompt))).await.unwrap_err();
        // Whose fault the end is depends on who else computes on this machine; that there is one does not.
        assert!(matches!(fault.kind, WallLimit | Overloaded), "{fault}");
        assert!(plugin.router().unwrap().route(ask("fine")).await.is_ok());
    }
}

//! Guests that import WASI: they load, find nothing, reach nothing, and are bounded like all others.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{Decision, PluginFaultKind as Kind};

use super::log::Log;
use super::suite::{engines, in_time, ways};
use crate::guests::{ask, component_of, limits, load, load_as};
use crate::imports::wasi::PACKAGES;
use crate::inspect;

const WORLD: &str = include_str!("wasi.wit");

/// Every function the guests below use. The encoder keeps those imports that a module has.
const IMPORTS: &str = r#"
    (import "jackfield:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
    (import "jackfield:plugin/request@1.0.0" "contains" (func $contains (param i32 i32) (result i32)))
    (import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))
    (import "wasi:cli/environment@0.2.3" "get-arguments" (func $arguments (param i32)))
    (import "wasi:cli/environment@0.2.3" "initial-cwd" (func $cwd (param i32)))
    (import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
    (import "wasi:cli/exit@0.2.3" "exit-with-code" (func $exit-with (param i32)))
    (import "wasi:cli/stdin@0.2.3" "get-stdin" (func $stdin (result i32)))
    (import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
    (import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
    (import "wasi:cli/terminal-stdout@0.2.3" "get-terminal-stdout" (func $terminal (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $timer (param i64) (result i32)))
    (import "wasi:clocks/wall-clock@0.2.3" "now" (func $wall (param i32)))
    (import "wasi:filesystem/preopens@0.2.3" "get-directories" (func $directories (param i32)))
    (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.3" "[method]pollable.ready" (func $ready (param i32) (result i32)))
    (import "wasi:io/poll@0.2.3" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:io/poll@0.2.3" "[resource-drop]pollable" (func $drop (param i32)))
    (import "wasi:io/streams@0.2.3" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
        (func $print (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.3" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
    (import "wasi:random/random@0.2.3" "get-random-bytes" (func $random (param i64 i32)))
    (import "wasi:random/random@0.2.3" "get-random-u64" (func $random64 (result i64)))
    (import "wasi:random/insecure@0.2.3" "get-insecure-random-bytes" (func $insecure (param i64 i32)))
    (import "wasi:random/insecure-seed@0.2.3" "insecure-seed" (func $seed (param i32)))
    (import "wasi:sockets/instance-network@0.2.3" "instance-network" (func $network (result i32)))
    (import "wasi:sockets/ip-name-lookup@0.2.3" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
    (import "wasi:sockets/tcp-create-socket@0.2.3" "create-tcp-socket" (func $tcp (param i32 i32)))
    (import "wasi:sockets/udp-create-socket@0.2.3" "create-udp-socket" (func $udp (param i32 i32)))
"#;

/// A component whose `route` has this body when the prompt contains "x", and which abstains otherwise. Answers of
/// functions go to 2048.
fn guest(body: &str) -> Vec<u8> {
    component_of(
        WORLD,
        &format!(
            r#"(module {IMPORTS}
            (memory (export "memory") 4)
            (data (i32.const 3000) "x") (data (i32.const 3100) "localhost") (data (i32.const 3200) "one\ntwo \07\nthree")
            (global $next (mut i32) (i32.const 8192))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $next)
                (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7)) (i32.const -8))))
            (func $want (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
            (func $word (param i32) (result i32) (i32.load offset=2048 (local.get 0)))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) (local i32)
                (global.set $next (i32.const 8192))
                (if (call $contains (i32.const 3000) (i32.const 1)) (then {body}))
                (i32.store8 (i32.const 1028) (i32.const 1)) (i32.const 1024)))"#
        ),
    )
}

/// Whatever a body calls `times` times.
fn repeat(times: u32, body: &str) -> String {
    format!(
        "(local.set 1 (i32.const {times})) (loop $l {body} (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))"
    )
}

/// 1 is the code `access-denied`, 20 is `permanent-resolver-failure`.
#[tokio::test]
async fn a_guest_sees_nothing_of_the_host_and_reaches_nothing() {
    let sights = [
        ("environment", "(call $environment (i32.const 2048)) (call $want (i32.eqz (call $word (i32.const 4))))"),
        ("arguments", "(call $arguments (i32.const 2048)) (call $want (i32.eqz (call $word (i32.const 4))))"),
        ("cwd", "(call $cwd (i32.const 2048)) (call $want (i32.eqz (i32.load8_u (i32.const 2048))))"),
        ("directories", "(call $directories (i32.const 2048)) (call $want (i32.eqz (call $word (i32.const 4))))"),
        ("terminal", "(call $terminal (i32.const 2048)) (call $want (i32.eqz (i32.load8_u (i32.const 2048))))"),
        (
            // An error, and of it the case `closed`.
            "stdin",
            "(call $read (call $stdin) (i64.const 10) (i32.const 2048))
             (call $want (i32.eq (i32.load8_u (i32.const 2048)) (i32.const 1)))
             (call $want (i32.eq (i32.load8_u (i32.const 2052)) (i32.const 1)))",
        ),
        (
            "tcp",
            "(call $tcp (i32.const 0) (i32.const 2048)) (call $want (i32.load8_u (i32.const 2048)))
             (call $want (i32.eq (i32.load8_u (i32.const 2052)) (i32.const 1)))",
        ),
        (
            "udp",
            "(call $udp (i32.const 1) (i32.const 2048)) (call $want (i32.load8_u (i32.const 2048)))
             (call $want (i32.eq (i32.load8_u (i32.const 2052)) (i32.const 1)))",
        ),
        (
            "names",
            "(call $resolve (call $network) (i32.const 3100) (i32.const 9) (i32.const 2048))
             (call $want (i32.load8_u (i32.const 2048)))
             (call $want (i32.eq (i32.load8_u (i32.const 2052)) (i32.const 20)))",
        ),
        ("clocks", "(drop (call $now)) (call $wall (i32.const 2048)) (call $want (call $word (i32.const 0)))"),
        (
            "randomness",
            "(call $random (i64.const 32) (i32.const 2048)) (call $want (i32.eq (call $word (i32.const 4)) (i32.const 32)))
             (call $want (i64.ne (call $random64) (call $random64)))
             (call $insecure (i64.const 65536) (i32.const 2048)) (call $seed (i32.const 2048))",
        ),
        (
            "a short wait",
            "(local.set 1 (call $timer (i64.const 1000000))) (call $block (local.get 1))
             (call $want (call $ready (local.get 1))) (call $drop (local.get 1))",
        ),
        ("print", "(call $print (call $stdout) (i32.const 3200) (i32.const 15) (i32.const 2048)) (call $want (i32.eqz (i32.load8_u (i32.const 2048))))"),
    ];
    for (engine, warm) in ways() {
        for (what, body) in sights {
            let plugin = load_as(engine, &guest(body), limits(), warm).await.expect(what);
            let router = plugin.router().unwrap();
            for prompt in ["x", "x", "fine"] {
                let answer = in_time(router.route(ask(prompt))).await.expect(what);
                assert_eq!(answer.decision, Decision::Abstain, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_guest_tries_is_its_own_fault_and_the_next_call_is_right() {
    let patient = PluginLimits { host_calls: 100_000, ..limits() };
    let hasty = PluginLimits { wall: Duration::from_millis(100), ..limits() };
    let forever = "(call $block (call $timer (i64.const -1)))";
    let cases = [
        ("(call $exit (i32.const 0))", limits(), Kind::Trap, "called exit with status 0"),
        ("(call $exit (i32.const 1))", limits(), Kind::Trap, "called exit with status 1"),
        ("(call $exit-with (i32.const 77))", limits(), Kind::Trap, "called exit with status 77"),
        (
            "(call $random (i64.const -1) (i32.const 2048))",
            limits(),
            Kind::HostCallLimit,
            "exceeds limit 65536",
        ),
        ("(call $random (i64.const 65537) (i32.const 2048))", limits(), Kind::HostCallLimit, "65537"),
        (
            "(call $insecure (i64.const -1) (i32.const 2048))",
            limits(),
            Kind::HostCallLimit,
            "exceeds limit 65536",
        ),
        (forever, hasty, Kind::WallLimit, "took longer than 100ms"),
        // A list of one pollable, whose handle is at 2100.
        (
            "(i32.store (i32.const 2100) (call $timer (i64.const -1)))
             (call $poll (i32.const 2100) (i32.const 1) (i32.const 2048))",
            hasty,
            Kind::WallLimit,
            "took longer than 100ms",
        ),
        ("(loop $l (drop (call $timer (i64.const -1))) (br $l))", patient, Kind::MemoryLimit, "1024 handles"),
        ("(loop $l (drop (call $stdout)) (br $l))", patient, Kind::MemoryLimit, "1024 handles"),
        ("(loop $l (drop (call $now)) (br $l))", limits(), Kind::HostCallLimit, "more than 100 times"),
        (
            "(loop $l (call $drop (call $timer (i64.const 0))) (br $l))",
            limits(),
            Kind::HostCallLimit,
            "more than 100 times",
        ),
        // One call too many, and the guest returns before any tick: `contains` was the first.
        (&repeat(100, "(drop (call $now))"), limits(), Kind::HostCallLimit, "more than 100 times"),
        // Cheap calls without end, where no count ends them.
        (
            "(loop $l (drop (call $now)) (br $l))",
            PluginLimits { host_calls: u32::MAX, ..limits() },
            Kind::CpuLimit,
            "computed longer",
        ),
        ("(call $drop (i32.const 12345))", limits(), Kind::Abi, "unknown handle index 12345"),
        (
            "(local.set 1 (call $timer (i64.const 0))) (call $drop (local.get 1)) (call $drop (local.get 1))",
            limits(),
            Kind::Abi,
            "unknown handle index",
        ),
        ("(call $block (call $stdout))", limits(), Kind::Abi, "handle index 1 used with the wrong type"),
        (
            "(call $poll (i32.const 2100) (i32.const 0) (i32.const 2048))",
            limits(),
            Kind::Abi,
            "empty poll list",
        ),
        (
            "(call $write (call $stdout) (i32.const 8192) (i32.const 4097) (i32.const 2048))",
            limits(),
            Kind::Abi,
            "more at once",
        ),
    ];
    for (engine, warm) in ways() {
        for (body, limits, kind, message) in &cases {
            let plugin = load_as(engine, &guest(body), *limits, warm).await.expect(body);
            let router = plugin.router().unwrap();
            let fault = in_time(router.route(ask("x"))).await.expect_err(body);
            assert_eq!(fault.kind, *kind, "{body}: {fault}");
            assert!(fault.message.contains(message), "{body}: {fault}");
            assert_eq!(
                in_time(router.route(ask("fine"))).await.expect(body).decision,
                Decision::Abstain,
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn as_many_calls_as_allowed_are_no_fault_and_a_warm_instance_counts_each_call_anew() {
    let engine = &engines()[1];
    let body = repeat(99, "(drop (call $now))");
    let plugin = load_as(engine, &guest(&body), limits(), true).await.unwrap();
    for _ in 0..5 {
        let (_, cost) = plugin.component_router().unwrap().route_measured(ask("x")).await.unwrap();
        assert_eq!(cost.host_calls, 100);
    }
}

/// A warm instance keeps its handles, as it keeps its memory: what leaks in it ends with it.
#[tokio::test]
async fn a_warm_instance_keeps_its_handles_and_one_that_leaks_them_is_given_up() {
    for engine in engines() {
        let leaky = repeat(60, "(drop (call $stdout))");
        let plugin = load_as(engine, &guest(&leaky), limits(), true).await.unwrap();
        let router = plugin.router().unwrap();
        // 17 calls hold 1020 handles; the next is refused some, and the one after it begins with none.
        for round in 0..2 {
            for _ in 0..17 {
                router.route(ask("x")).await.unwrap();
            }
            assert_eq!(router.route(ask("x")).await.unwrap_err().kind, Kind::MemoryLimit, "round {round}");
        }
        let fresh = load_as(engine, &guest(&leaky), limits(), false).await.unwrap();
        for _ in 0..40 {
            fresh.router().unwrap().route(ask("x")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_guest_prints_is_lines_of_the_log_and_bounded_like_them() {
    let (log, _ears) = Log::listen();
    let print = |to: &str, at: u32, len: u32| {
        format!("(call $print (call ${to}) (i32.const {at}) (i32.const {len}) (i32.const 2048))")
    };
    // "one\ntwo \x07\nthree": the third line is not ended by the guest.
    let words = print("stdout", 3200, 15);
    let split = format!("{}{}", print("stderr", 3200, 2), print("stderr", 3202, 2));
    let crash = format!("{}unreachable", print("stderr", 3200, 3));
    let cut = repeat(3, &print("stdout", 8192, 4000));
    let flood = repeat(200, &print("stdout", 3200, 15));
    let both = format!(
        "{}{}",
        repeat(40, "(call $log (i32.const 3) (i32.const 3200) (i32.const 3))"),
        repeat(40, &print("stderr", 3200, 4))
    );
    let patient = PluginLimits { host_calls: 10_000, ..limits() };
    for (engine, warm) in ways() {
        let said = async |body: &str| {
            let plugin = load_as(engine, &guest(body), patient, warm).await.unwrap();
            // What the host said while it compiled.
            log.take();
            let answer = plugin.router().unwrap().route(ask("x")).await;
            // Once more, so that what a warm instance kept would show.
            let _ = plugin.router().unwrap().route(ask("fine")).await;
            (answer.is_ok(), log.take())
        };
        assert_eq!(
            said(&words).await,
            (true, ["INFO one", "INFO two  ", "INFO three"].map(String::from).into())
        );
        assert_eq!(said(&split).await, (true, vec!["WARN one".into()]));
        assert_eq!(said(&crash).await, (false, vec!["WARN one".into()]));
        let (_, lines) = said(&cut).await;
        assert_eq!((lines.len(), lines[0].len()), (1, "INFO ".len() + 2_048));
        let (ok, lines) = said(&flood).await;
        assert_eq!((ok, lines.len()), (true, 64));
        let (ok, lines) = said(&both).await;
        assert_eq!((ok, lines.len()), (true, 64));
        assert_eq!(lines.iter().filter(|line| line.starts_with("WARN")).count(), 24);
    }
}

#[tokio::test]
async fn every_interface_of_preview_2_links_and_no_other() {
    let engine = &engines()[1];
    let importing = |name: &str| {
        let text = format!(
            r#"(component (import "{name}" (instance)) (import "jackfield:plugin/clock@1.0.0" (instance)))"#
        );
        wat::parse_str(text).unwrap()
    };
    let inert = [
        "io/error@0.2.0",
        "io/poll@0.2.1",
        "io/streams@0.2.12",
        "clocks/monotonic-clock@0.2.0",
        "clocks/wall-clock@0.2.0",
        "random/random@0.2.0",
        "random/insecure@0.2.0",
        "random/insecure-seed@0.2.0",
        "cli/environment@0.2.0",
        "cli/exit@0.2.0",
        "cli/stdin@0.2.0",
        "cli/stdout@0.2.0",
        "cli/stderr@0.2.0",
        "cli/terminal-input@0.2.0",
        "cli/terminal-output@0.2.0",
        "cli/terminal-stdin@0.2.0",
        "cli/terminal-stdout@0.2.0",
        "cli/terminal-stderr@0.2.0",
        "filesystem/types@0.2.0",
        "filesystem/preopens@0.2.0",
        "sockets/network@0.2.0",
        "sockets/instance-network@0.2.0",
        "sockets/ip-name-lookup@0.2.0",
        "sockets/tcp@0.2.0",
        "sockets/tcp-create-socket@0.2.0",
        "sockets/udp@0.2.0",
        "sockets/udp-create-socket@0.2.0",
    ];
    for name in inert {
        let name = format!("wasi:{name}");
        let bytes = importing(&name);
        let seen = inspect(&bytes).unwrap();
        assert_eq!((seen.wasi, seen.differences.len()), (vec![name.clone()], 0));
        let component = wasmtime::component::Component::new(&engine.inner().engine, &bytes).unwrap();
        engine.inner().linker.instantiate_pre(&component).expect(&name);
    }
    assert!(PACKAGES.iter().all(|package| inert.iter().any(|name| name.starts_with(package))));
    for name in [
        "http/types@0.2.0",
        "http/outgoing-handler@0.2.3",
        "cli/exit@0.3.0",
        "cli/exit@1.0.0",
        "nn/graph@0.2.0",
        "cli/exit@0.2.0-rc-2023-11-10",
        "keyvalue/store@0.2.0",
    ] {
        let name = format!("wasi:{name}");
        let seen = inspect(&importing(&name)).unwrap();
        assert!(seen.wasi.is_empty(), "{name}");
        let said = seen.differences[0].to_string();
        assert!(said.contains(&format!("imports `{name}`: plugins reach no system")), "{said}");
    }
}

#[tokio::test]
async fn a_guest_without_wasi_has_none_made_for_it() {
    let engine = &engines()[1];
    let plugin = load(engine, &guest("nop"), limits()).await.unwrap();
    plugin.router().unwrap().route(ask("x")).await.unwrap();
    let shared = crate::state::Shared {
        peak_memory: Arc::default(),
        name: "guest".into(),
        config: "{}".into(),
        kv: Default::default(),
        limits: limits(),
        log: Default::default(),
        shadow: false,
        engine: Arc::clone(engine.inner()),
    };
    let mut state = crate::state::CallState::new(Arc::new(shared));
    assert!(state.wasi.is_none());
    wasmtime_wasi::WasiView::ctx(&mut state);
    assert!(state.wasi.is_some());
}

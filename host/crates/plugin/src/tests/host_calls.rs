//! Guests that ask the host for too much: too often, too long, too many keys.

use jackfield_core::contract::{Decision, PluginFaultKind as Kind};

use super::log::Log;
use super::suite::{Guest, case, each, easy, engines, of, ways};
use crate::guests::{ask, load_as};

/// Whatever is done so often; `$i` counts down.
fn repeat(times: u32, body: &str) -> String {
    format!(
        "(local.set $i (i32.const {times})) (loop $l {body} (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"
    )
}

/// One line, one value under the key at 3 000, one number added to the key at 3 000.
const LINE: &str = "(call $log (i32.const 3) (i32.const 2064) (i32.const 5))";
const ADD: &str = "(i32.store (i32.const 3000) (local.get $i)) (call $kv-add (i32.const 3000) (i32.const 4) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 2200))";

fn set(len: u32) -> String {
    format!(
        "(call $kv-set (i32.const 2064) (i32.const 5) (i32.const 8192) (i32.const {len}) (i32.const 0) (i64.const 0) (i32.const 2200))"
    )
}

#[tokio::test]
async fn too_many_calls_or_bytes_are_the_host_call_limit() {
    let counted = "called the host more than 100 times";
    let long = "(call $log (i32.const 1) (i32.const 65536) (i32.const 4000000))";
    // The keys are four raw bytes each, made good UTF-8 by keeping them under 128.
    let keys = ADD.replace("(local.get $i)", "(i32.and (local.get $i) (i32.const 0x7f7f7f7f))");
    let wide = |what: &str, body: &str, says| {
        of(what, &Guest { pages: "64", body, ..Guest::default() }, Kind::HostCallLimit, says)
            .within(easy(8, 100_000))
    };
    each(&[
        case(&repeat(1_000_000, LINE), Kind::HostCallLimit, counted),
        case(&repeat(1_000_000, &keys), Kind::HostCallLimit, counted),
        case(
            &repeat(1_000_000, "(call $names (i32.const 2200)) (global.set $next (i32.const 8192))"),
            Kind::HostCallLimit,
            counted,
        ),
        wide("16 MiB in five lines", &repeat(5, long), "passed the host more than 16777216 bytes"),
        wide("16 MiB of values", &repeat(5, &set(4_000_000)), "passed the host more than 16777216 bytes"),
    ])
    .await;
}

/// As often as they like: what is kept is bounded all the same.
#[tokio::test]
async fn a_million_lines_and_keys_leave_a_bounded_trace() {
    let (log, _ears) = Log::listen();
    let keys = ADD.replace("(local.get $i)", "(i32.and (local.get $i) (i32.const 0x7f7f7f7f))");
    let limits = jackfield_core::config::PluginLimits {
        cpu: std::time::Duration::from_secs(60),
        wall: std::time::Duration::from_secs(60),
        ..easy(1, u32::MAX)
    };
    // What is kept is kept by the host: one engine will do.
    let engine = &engines()[0];
    let guest = |body: &str| Guest { body, ..Guest::default() }.build();
    let lines = load_as(engine, &guest(&repeat(1_000_000, LINE)), limits, false).await.unwrap();
    // What the host said while it compiled.
    log.take();
    lines.router().unwrap().route(ask("x")).await.unwrap();
    assert_eq!(log.take().len(), 64);
    let keys = load_as(engine, &guest(&repeat(1_000_000, &keys)), limits, false).await.unwrap();
    keys.router().unwrap().route(ask("x")).await.unwrap();
    let kept = keys.kv().bytes();
    assert!((900_000..=1 << 20).contains(&kept), "{kept} bytes are kept");
}

/// What the host declines is told the guest, and is no fault.
#[tokio::test]
async fn what_is_declined_is_told_the_guest() {
    // An error of this case at 2 200, or the guest traps.
    let declined = |call: &str, error: u32| {
        format!(
            "{call} (if (i32.or (i32.ne (i32.load8_u (i32.const 2200)) (i32.const 1)) (i32.ne (i32.load8_u OFFSET) (i32.const {error}))) (then unreachable))"
        )
    };
    let byte = |text: String| text.replace("OFFSET", "(i32.const 2201)");
    let wide = |text: String| text.replace("OFFSET", "(i32.const 2208)");
    let absent = |call: &str| format!("{call} (if (i32.load8_u (i32.const 2200)) (then unreachable))");
    let add = |by: &str| {
        format!(
            "(call $kv-add (i32.const 2064) (i32.const 5) (i64.const {by}) (i32.const 0) (i64.const 0) (i32.const 2200))"
        )
    };
    let bodies = [
        byte(declined(&set(65_537), 1)),
        byte(declined(&set(5).replacen("(i32.const 5)", "(i32.const 0)", 1), 1)),
        byte(declined(&set(5).replacen("(i32.const 5)", "(i32.const 300)", 1), 1)),
        format!("{} {}", add("9223372036854775807"), wide(declined(&add("1"), 2))),
        format!("{} {}", set(3), wide(declined(&add("1"), 2))),
        absent("(call $message-at (i32.const -1) (i32.const 2200))"),
        absent("(call $info (i32.const 20000) (i32.const 100000) (i32.const 2200))"),
        absent("(call $header (i32.const 20000) (i32.const 100000) (i32.const 2200))"),
        absent("(call $body-pointer (i32.const 20000) (i32.const 100000) (i32.const 2200))"),
        // A pointer of a hundred thousand steps.
        absent(
            "(memory.fill (i32.const 20000) (i32.const 47) (i32.const 100000)) (call $body-pointer (i32.const 20000) (i32.const 100000) (i32.const 2200))",
        ),
    ];
    for (engine, warm) in ways() {
        for body in &bodies {
            let plugin = load_as(engine, &Guest { body, ..Guest::default() }.build(), easy(1, 100), warm)
                .await
                .unwrap();
            for prompt in ["x", "fine"] {
                let answer = plugin.router().unwrap().route(ask(prompt)).await.expect(body);
                assert_eq!(answer.decision, Decision::Abstain);
            }
        }
    }
}

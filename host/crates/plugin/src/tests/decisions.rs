//! Guests whose answers can be read and mean nothing, or mean harm to whoever reads them.

use jackfield_core::contract::PluginFaultKind::{Abi, InvalidDecision, Reported};
use jackfield_core::contract::{Decision, Routing};

use super::suite::{Case, Guest, case, each, easy, of, ways};
use crate::guests::{ask, load_as};

/// A route to `known`, changed, and answered.
fn route(change: &str) -> String {
    format!("(call $route-to (i32.const 2064) (i32.const 5)) {change} (return (i32.const 1024))")
}

/// A route with this temperature.
fn temperature(value: &str, says: &'static str) -> Case {
    let set = format!(
        "(i32.store8 (i32.const 2312) (i32.const 1)) (f64.store (i32.const 2320) (f64.const {value}))"
    );
    case(&route(&set), InvalidDecision, says)
}

/// A text at 8 192: so many bytes of one kind.
fn text(byte: char, len: u32) -> String {
    format!("(memory.fill (i32.const 8192) (i32.const {}) (i32.const {len}))", u32::from(byte))
}

/// So many labels at 65 536, all with the name at 2 064 and a value of this length at 8 192.
fn labels(count: u32, name: u32, value: u32) -> String {
    format!(
        "(local.set $i (i32.const 65536)) (local.set $j (i32.const {count}))
        (loop $l (i32.store (local.get $i) (i32.const 2064)) (i32.store offset=4 (local.get $i) (i32.const {name}))
            (i32.store offset=8 (local.get $i) (i32.const 8192)) (i32.store offset=12 (local.get $i) (i32.const {value}))
            (local.set $i (i32.add (local.get $i) (i32.const 16)))
            (br_if $l (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
        (i32.store (i32.const 1052) (i32.const 65536)) (i32.store (i32.const 1056) (i32.const {count}))"
    )
}

#[tokio::test]
async fn a_decision_without_sense_is_invalid() {
    let named = |fill: char, len: u32| {
        format!(
            "{} (call $route-to (i32.const 8192) (i32.const {len})) (return (i32.const 1024))",
            text(fill, len)
        )
    };
    let template = |len: u32| {
        format!(
            "{} (i32.store8 (i32.const 2340) (i32.const 1)) (i32.store (i32.const 2344) (i32.const 8192)) (i32.store (i32.const 2348) (i32.const {len}))",
            text('a', len)
        )
    };
    // Every target good: 48 bytes each from 65 536 on.
    let many = |count: u32| {
        format!(
            "(local.set $i (i32.const 65536)) (local.set $j (i32.const {count}))
            (loop $l (i32.store (local.get $i) (i32.const 2064)) (i32.store offset=4 (local.get $i) (i32.const 5))
                (local.set $i (i32.add (local.get $i) (i32.const 48)))
                (br_if $l (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
            (call $targets (i32.const 65536) (i32.const {count})) (return (i32.const 1024))"
        )
    };
    let wide = |what: &str, body: &str, says| {
        of(what, &Guest { pages: "40", body, ..Guest::default() }, InvalidDecision, says).within(easy(4, 100))
    };
    // What the guest says of itself at 1032, as the error `internal`.
    let admits = format!(
        "(drop (call $abstain)) {} (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1028) (i32.const 2))
        (i32.store (i32.const 1032) (i32.const 8192)) (i32.store (i32.const 1036) (i32.const 100000)) (return (i32.const 1024))",
        text('\n', 100_000)
    );
    each(&[
        case("(call $route-to (i32.const 2048) (i32.const 1)) (return (i32.const 1024))", InvalidDecision, "the model `x`, which is not configured; the nearest are known"),
        case("(call $route-to (i32.const 2048) (i32.const 0)) (return (i32.const 1024))", InvalidDecision, "the model ``, which is not configured"),
        case(&named('\n', 40), InvalidDecision, "which is not configured"),
        wide("a name of 1 MB", &named('\u{1b}', 1_000_000), "which is not configured"),
        case("(call $targets (i32.const 0) (i32.const 0)) (return (i32.const 1024))", InvalidDecision, "a route without a target"),
        case(&many(17), InvalidDecision, "17 targets; at most 16"),
        wide("10 000 targets", &many(10_000), "10000 targets; at most 16"),
        temperature("nan", "temperature NaN"),
        temperature("nan:0xfffffffffffff", "temperature NaN"),
        temperature("inf", "temperature inf"),
        temperature("-inf", "temperature -inf"),
        temperature("-0.001", "temperature -0.001"),
        temperature("2.001", "temperature 2.001"),
        temperature("1e308", "it must be 0 to 2"),
        case(&route("(i32.store8 (i32.const 2328) (i32.const 1)) (i32.store (i32.const 2332) (i32.const 0))"), InvalidDecision, "0 output tokens"),
        wide("a long template", &route(&template(65_537)), "a prompt template over 65536 bytes"),
        case(&route(&labels(33, 5, 1)), InvalidDecision, "33 labels; at most 32"),
        wide("20 000 labels", &route(&labels(20_000, 5, 1)), "20000 labels; at most 32"),
        case(&route(&labels(1, 0, 1)), InvalidDecision, "the label name ``"),
        case(&route(&labels(1, 65, 1)), InvalidDecision, "the label name `known"),
        // The name reaches the bytes after `known`, which are no letters.
        case(&route(&labels(1, 6, 1)), InvalidDecision, "the label name `known"),
        // No status can be named, only a class, and there are four.
        case("(drop (call $abstain)) (i32.store8 (i32.const 1028) (i32.const 2)) (i32.store8 (i32.const 1032) (i32.const 99)) (return (i32.const 1024))", Abi, "discriminant"),
        of("an admission without end", &Guest { pages: "40", body: &admits, ..Guest::default() }, Reported, "").within(easy(4, 100)),
    ])
    .await;
}

#[tokio::test]
async fn texts_of_a_good_decision_are_cut_and_harmless() {
    let harmless = |text: &str, max: usize| {
        assert!(text.len() <= max, "{} bytes", text.len());
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{2028}'), "{text:?}");
    };
    let long = text('\r', 50_000);
    let reason =
        "(i32.store (i32.const 1044) (i32.const 8192)) (i32.store (i32.const 1048) (i32.const 50000))";
    let reject = format!(
        "(drop (call $abstain)) {long} (i32.store8 (i32.const 1028) (i32.const 2)) (i32.store8 (i32.const 1032) (i32.const 3))
        (i32.store (i32.const 1036) (i32.const 8192)) (i32.store (i32.const 1040) (i32.const 50000)) (return (i32.const 1024))"
    );
    let labelled = format!("{long} {}", route(&labels(32, 5, 5_000)));
    let header = r#"(data (i32.const 2100) "ok\0d\0aset-cookie: a=b\e2\80\a8\00")"#;
    let injects = "(drop (call $abstain)) (i32.store (i32.const 1044) (i32.const 2100)) (i32.store (i32.const 1048) (i32.const 23)) (return (i32.const 1024))";
    for (engine, warm) in ways() {
        let answer = async |fields: &str, body: &str| -> Routing {
            let guest = Guest { fields, body, ..Guest::default() }.build();
            let plugin = load_as(engine, &guest, easy(1, 100), warm).await.unwrap();
            plugin.router().unwrap().route(ask("x")).await.unwrap()
        };
        harmless(&answer("", &format!("{long} {}", route(reason))).await.reason, 1_024);
        let Decision::Reject { message, .. } = answer("", &reject).await.decision else {
            panic!("no refusal")
        };
        harmless(&message, 1_024);
        let labels = answer("", &labelled).await.labels;
        assert_eq!(labels.len(), 32);
        labels.iter().for_each(|(_, value)| harmless(value, 1_024));
        let reason = answer(header, injects).await.reason;
        harmless(&reason, 1_024);
        assert_eq!(reason, "ok  set-cookie: a=b  ");
    }
}

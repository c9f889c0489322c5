//! Guests that hand over what cannot be read: texts, lists, numbers of cases, and the memory they lend the host.

use jackfield_core::contract::Decision;
use jackfield_core::contract::PluginFaultKind::{Abi, HostCallLimit, Trap};

use super::suite::{Guest, case, each, easy, of, ways};
use crate::guests::{ask, limits, load_as};

/// Answers with what stands at 1024.
const ANSWER: &str = "(return (i32.const 1024))";

/// A log line at this place.
fn log(at: &str, len: &str) -> String {
    format!("(call $log (i32.const 1) (i32.const {at}) (i32.const {len}))")
}

/// Abstains, for a reason at this place.
fn reason(at: &str, len: &str) -> String {
    format!(
        "(drop (call $abstain)) (i32.store (i32.const 1044) (i32.const {at})) (i32.store (i32.const 1048) (i32.const {len})) {ANSWER}"
    )
}

/// Labels at this place.
fn labels(at: &str, len: &str) -> String {
    format!(
        "(drop (call $abstain)) (i32.store (i32.const 1052) (i32.const {at})) (i32.store (i32.const 1056) (i32.const {len})) {ANSWER}"
    )
}

/// A good route, then one byte of it changed.
fn spoilt(at: u32, byte: u32) -> String {
    format!(
        "(call $route-to (i32.const 2064) (i32.const 5)) (i32.store8 (i32.const {at}) (i32.const {byte})) {ANSWER}"
    )
}

#[tokio::test]
async fn what_is_out_of_bounds_or_broken_is_the_guests_abi() {
    let bad_text = |bytes: &str| format!("(data (i32.const 2100) \"{bytes}\")");
    let utf8 = |what, bytes: &str, body: &str| {
        of(what, &Guest { fields: &bad_text(bytes), body, ..Guest::default() }, Abi, "utf-8")
    };
    let post = |at: u32, value: u32| {
        format!(
            "(call $kv-set (i32.const 2064) (i32.const 5) (i32.const {at}) (i32.const {value}) (i32.const 0) (i64.const 0) (i32.const 2200))"
        )
    };
    each(&[
        case(&log("131070", "100"), Abi, "out of bounds"),
        case(&log("-1", "1"), Abi, "out of bounds"),
        case(&log("0", "-1"), Abi, ""),
        case(&log("131072", "1"), Abi, "out of bounds"),
        case(&reason("131070", "100"), Abi, "out of bounds"),
        case(&reason("-8", "16"), Abi, "out of bounds"),
        case(&labels("131064", "2"), Abi, "out of bounds"),
        case(&labels("0", "268435456"), Abi, ""),
        case(&labels("0", "-1"), Abi, ""),
        case(&post(131_072, 1), Abi, "out of bounds"),
        utf8("a stray byte", "\\ff", &log("2100", "1")),
        utf8("an overlong form", "\\c0\\80", &reason("2100", "2")),
        utf8("a surrogate", "\\ed\\a0\\80", &log("2100", "3")),
        utf8("half a character", "\\e2\\82", &reason("2100", "2")),
        case(&log("0", "0").replacen("(i32.const 1)", "(i32.const 4)", 1), Abi, "discriminant"),
        case(&log("0", "0").replacen("(i32.const 1)", "(i32.const -1)", 1), Abi, "discriminant"),
        case(&spoilt(1024, 2), Abi, "discriminant"),
        case(&spoilt(1028, 4), Abi, "discriminant"),
        case(&spoilt(1028, 255), Abi, "discriminant"),
        case("(drop (call $abstain)) (i32.store8 (i32.const 1028) (i32.const 2)) (i32.store8 (i32.const 1032) (i32.const 4)) (return (i32.const 1024))", Abi, "discriminant"),
        case("(drop (call $abstain)) (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1028) (i32.const 3)) (return (i32.const 1024))", Abi, "discriminant"),
        // An option that is neither, of each kind; then a reasoning level that is none.
        case(&spoilt(2312, 2), Abi, "discriminant"),
        case(&spoilt(2328, 2), Abi, "discriminant"),
        case(&spoilt(2336, 7), Abi, "discriminant"),
        case(&spoilt(2340, 255), Abi, "discriminant"),
        case(&format!("(call $route-to (i32.const 2064) (i32.const 5)) (i32.store16 (i32.const 2336) (i32.const 0x0501)) {ANSWER}"), Abi, "discriminant"),
        case("(return (i32.const 1025))", Abi, "pointer"),
        case("(return (i32.const 131068))", Abi, ""),
        case("(return (i32.const -4))", Abi, ""),
        case(&labels("2401", "1"), Abi, "pointer"),
        case(&format!("(call $targets (i32.const 2308) (i32.const 1)) {ANSWER}"), Abi, "pointer"),
        case("(call $kv-set (i32.const 2064) (i32.const 5) (i32.const 0) (i32.const 1) (i32.const 2) (i64.const 0) (i32.const 2200))", Abi, "discriminant"),
        case("(call $kv-get (i32.const 2064) (i32.const 5) (i32.const 2201))", Abi, "pointer"),
        case("(call $kv-get (i32.const 2064) (i32.const 5) (i32.const 131070))", Abi, ""),
    ])
    .await;
}

#[tokio::test]
async fn more_than_the_host_takes_at_once_is_the_host_call_limit() {
    // 1 700 pages are 111 MB, all zero, which is good UTF-8.
    let vast = |what: &str, body: &str| {
        let guest = Guest { pages: "1700", body, ..Guest::default() };
        of(what, &guest, HostCallLimit, "4194304 bytes at once").within(easy(128, 100))
    };
    // A list at 65 536 whose entries all name the same 60 000 bytes.
    let alias = |entries: u32| {
        format!(
            "(local.set $i (i32.const 65536)) (local.set $j (i32.const {entries}))
            (loop $l (i32.store (local.get $i) (i32.const 3000)) (i32.store offset=4 (local.get $i) (i32.const 1))
                (i32.store offset=8 (local.get $i) (i32.const 3000000)) (i32.store offset=12 (local.get $i) (i32.const 60000))
                (local.set $i (i32.add (local.get $i) (i32.const 16)))
                (br_if $l (local.tee $j (i32.sub (local.get $j) (i32.const 1)))))
            {}",
            labels("65536", &entries.to_string())
        )
    };
    each(&[
        vast("a line of 100 MB", &log("0", "100000000")),
        vast("a reason of 100 MB", &reason("0", "100000000")),
        vast("a needle of 64 MB", "(drop (call $contains (i32.const 0) (i32.const 67108864)))"),
        vast("a value of 100 MB", "(call $kv-set (i32.const 2064) (i32.const 5) (i32.const 0) (i32.const 100000000) (i32.const 0) (i64.const 0) (i32.const 2200))"),
        vast("a million targets", "(call $targets (i32.const 65536) (i32.const 1000000)) (return (i32.const 1024))"),
        vast("a million empty labels", &labels("65536", "1000000")),
        vast("a thousand labels on one buffer", &alias(1_000)),
        vast("a million labels on one buffer", &alias(1_000_000)),
    ])
    .await;
}

#[tokio::test]
async fn what_an_allocator_answers_is_checked_and_harms_nobody_else() {
    let asks = "(global.set $evil (i32.const 1)) (call $prompt (i32.const 2200))";
    let answers = |what: &str| format!("(if (global.get $evil) (then (return {what})))");
    let evil = |what: &str, kind, says| {
        of(what, &Guest { realloc: &answers(what), body: asks, ..Guest::default() }, kind, says)
    };
    each(&[
        evil("(i32.const 131072)", Abi, "realloc return"),
        evil("(i32.const -1)", Abi, "realloc return"),
        of(
            "a trap",
            &Guest { realloc: "(if (global.get $evil) (then unreachable))", body: asks, ..Guest::default() },
            Trap,
            "unreachable",
        ),
    ])
    .await;
    // The host writes where it is told to, in the guest's own memory: nobody's business but the guest's.
    for block in ["(i32.const 0)", "(i32.const 65536)"] {
        let guest =
            Guest { realloc: &answers(block), body: &format!("{asks} {asks}"), ..Guest::default() }.build();
        for (engine, warm) in ways() {
            let plugin = load_as(engine, &guest, limits(), warm).await.unwrap();
            for prompt in ["x", "fine", "x"] {
                let answer = plugin.router().unwrap().route(ask(prompt)).await.expect(block);
                assert_eq!(answer.decision, Decision::Abstain);
            }
        }
    }
}

//! Guests that call without end, or where they may not.

use jackfield_core::contract::PluginFaultKind::Trap;

use super::suite::{Guest, case, each, of};

#[tokio::test]
async fn calling_without_end_is_a_trap_and_the_host_is_not_entered_twice() {
    let mutual = "(type $f (func (param i32) (result i32))) (table 2 funcref) (elem (i32.const 0) $ping $pong)
        (func $ping (param i32) (result i32) (i32.add (call_indirect (type $f) (local.get 0) (i32.const 1)) (i32.const 1)))
        (func $pong (param i32) (result i32) (i32.add (call_indirect (type $f) (local.get 0) (i32.const 0)) (i32.const 1)))";
    // Frames of 200 values each, all of them used after the call.
    let locals = (1..200)
        .map(|n| format!("(local.set {n} (i32.add (local.get {}) (i32.const {n})))", n - 1))
        .collect::<String>();
    let sums = (1..200).map(|n| format!("(i32.add (local.get {n}))")).collect::<String>();
    let fat = format!(
        "(func $fat (param i32) (result i32) (local {}) {locals} (call $fat (local.get 199)) {sums})",
        "i32 ".repeat(199)
    );
    let again = "(if (global.get $evil) (then (call $prompt (i32.const 2200))))";
    let post = r#"(func (export "cabi_post_jackfield:plugin/routing@1.0.0#route") (param i32)
        (if (global.get $evil) (then (call $prompt (i32.const 2200)))))"#;
    let recursing = "(if (global.get $evil) (then (drop (call $deep (i32.const 0)))))";
    let asks = "(global.set $evil (i32.const 1)) (call $prompt (i32.const 2200))";
    let marks = "(global.set $evil (i32.const 1)) (return (call $abstain))";
    each(&[
        case("(drop (call $deep (i32.const 0)))", Trap, "call stack exhausted"),
        of(
            "by turns",
            &Guest { fields: mutual, body: "(drop (call $ping (i32.const 0)))", ..Guest::default() },
            Trap,
            "call stack exhausted",
        ),
        of(
            "fat frames",
            &Guest { fields: &fat, body: "(drop (call $fat (i32.const 0)))", ..Guest::default() },
            Trap,
            "call stack exhausted",
        ),
        of(
            "while the host lowers",
            &Guest { realloc: recursing, body: asks, ..Guest::default() },
            Trap,
            "call stack exhausted",
        ),
        of(
            "through the host",
            &Guest { realloc: again, body: asks, ..Guest::default() },
            Trap,
            "cannot leave component instance",
        ),
        of(
            "through the host after its return",
            &Guest { fields: post, body: marks, ..Guest::default() },
            Trap,
            "cannot leave component instance",
        ),
    ])
    .await;
}

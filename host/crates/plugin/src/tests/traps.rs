//! Guests that trap: at once, in the middle of the host's work, and only now and then.

use jackfield_core::contract::{Decision, PluginFaultKind::Trap};

use super::suite::{Guest, case, each, of, ways};
use crate::guests::{ask, limits, load_as};

#[tokio::test]
async fn every_trap_is_told_by_its_name() {
    let table = "(type $none (func)) (table 2 funcref) (elem (i32.const 1) $twice) (func $twice (param i64))";
    let indirect =
        |body: &'static str, says| of(body, &Guest { fields: table, body, ..Guest::default() }, Trap, says);
    each(&[
        case("unreachable", Trap, "unreachable"),
        case("(drop (i32.div_s (i32.const 1) (i32.const 0)))", Trap, "divide by zero"),
        case("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", Trap, "overflow"),
        case("(drop (i32.trunc_f64_s (f64.const nan)))", Trap, "conversion to integer"),
        case("(drop (i32.load (i32.const -4)))", Trap, "out of bounds"),
        case("(i64.store (i32.const 131071) (i64.const 0))", Trap, "out of bounds"),
        case("(memory.copy (i32.const 0) (i32.const 131000) (i32.const 1000))", Trap, "out of bounds"),
        indirect("(call_indirect (type $none) (i32.const 0))", "uninitialized element"),
        indirect("(call_indirect (type $none) (i32.const 1))", "indirect call type mismatch"),
        indirect("(call_indirect (type $none) (i32.const 2))", "undefined element"),
        of(
            "in the middle of a host call",
            &Guest {
                realloc: "(if (global.get $evil) (then unreachable))",
                body: "(global.set $evil (i32.const 1)) (call $prompt (i32.const 2200))",
                ..Guest::default()
            },
            Trap,
            "unreachable",
        ),
        of(
            "after its return",
            &Guest {
                fields: r#"(func (export "cabi_post_jackfield:plugin/routing@1.0.0#route") (param i32)
                    (if (global.get $evil) (then unreachable)))"#,
                body: "(global.set $evil (i32.const 1)) (return (call $abstain))",
                ..Guest::default()
            },
            Trap,
            "unreachable",
        ),
    ])
    .await;
}

/// Counts its calls at 3 000, and traps on the thousandth.
#[tokio::test]
async fn a_warm_instance_that_traps_now_and_then_is_replaced_each_time() {
    let body = "(i32.store (i32.const 3000) (i32.add (i32.load (i32.const 3000)) (i32.const 1)))
        (if (i32.eq (i32.load (i32.const 3000)) (i32.const 1000)) (then unreachable))";
    let guest = Guest { body, ..Guest::default() }.build();
    for (engine, warm) in ways() {
        let plugin = load_as(engine, &guest, limits(), warm).await.unwrap();
        let router = plugin.router().unwrap();
        for call in 1..=2_500 {
            let answer = router.route(ask("x")).await;
            if warm && call % 1_000 == 0 {
                assert_eq!(answer.expect_err("the thousandth").kind, Trap);
            } else {
                assert_eq!(answer.unwrap().decision, Decision::Abstain, "call {call}");
            }
        }
    }
}

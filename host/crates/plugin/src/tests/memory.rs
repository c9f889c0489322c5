//! Guests that want more space than they may have, at the start or later.

use jackfield_core::contract::{Decision, PluginFaultKind::MemoryLimit};

use super::suite::{Guest, case, each, each_refused, easy, engines, leb, of, section, ways};
use crate::guests::{ask, limits, load_as};

/// Grows until it is refused, then traps.
fn greedy(grow: &str) -> String {
    format!("(loop $l (br_if $l (i32.ne {grow} (i32.const -1)))) unreachable")
}

#[tokio::test]
async fn space_beyond_the_limit_is_refused_and_the_trap_after_it_is_the_memory_limit() {
    let tables = "(table $t 10 funcref) (table $u 10 funcref)";
    let memories = "(memory $b 1) (memory $c 1)";
    // Each takes a part that fits by itself.
    let in_parts = "(drop (memory.grow (i32.const 5))) (drop (memory.grow $b (i32.const 5)))
        (if (i32.eq (memory.grow $c (i32.const 5)) (i32.const -1)) (then unreachable))";
    let handles = Guest {
        world: "export things: interface { resource thing; }",
        imports: r#"(import "[export]things" "[resource-new]thing" (func $new (param i32) (result i32)))"#,
        body: "(loop $l (drop (call $new (i32.const 1))) (br $l))",
        ..Guest::default()
    };
    each(&[
        case(
            "(drop (memory.grow (i32.const 65534))) unreachable",
            MemoryLimit,
            "wanted 4294967296 bytes of memory; its limit is 1048576",
        ),
        case(
            "(drop (memory.grow (i32.const 15))) unreachable",
            MemoryLimit,
            "wanted 1114112 bytes of memory",
        ),
        case(&greedy("(memory.grow (i32.const 1))"), MemoryLimit, "wanted 1114112 bytes of memory"),
        of(
            "several memories",
            &Guest { fields: memories, body: in_parts, ..Guest::default() },
            MemoryLimit,
            "its limit is 1048576",
        ),
        of(
            "a table",
            &Guest {
                fields: tables,
                body: "(drop (table.grow $t (ref.null func) (i32.const 1000000000))) unreachable",
                ..Guest::default()
            },
            MemoryLimit,
            "table elements; its limit is 20000",
        ),
        of(
            "tables, bit by bit",
            &Guest {
                fields: tables,
                body: &greedy(
                    "(table.grow $t (ref.null func) (table.grow $u (ref.null func) (i32.const 100)))",
                ),
                ..Guest::default()
            },
            MemoryLimit,
            "table elements; its limit is 20000",
        ),
        of("handles of its own", &handles, MemoryLimit, "held more than 1024 handles")
            .within(easy(1, 1_000_000)),
    ])
    .await;
}

#[tokio::test]
async fn memory_is_summed_up_to_the_limit_and_told_by_the_cost() {
    let memories = "(memory $b 1)";
    // Three pages to begin with: thirteen more are exactly 1 MiB.
    let body = "(if (i32.eq (memory.grow (i32.const 6)) (i32.const -1)) (then unreachable))
        (if (i32.eq (memory.grow $b (i32.const 7)) (i32.const -1)) (then unreachable))";
    let guest = Guest { fields: memories, body, ..Guest::default() }.build();
    for engine in engines() {
        let plugin = load_as(engine, &guest, limits(), false).await.unwrap();
        let (routing, cost) = plugin.component_router().unwrap().route_measured(ask("x")).await.unwrap();
        assert_eq!((routing.decision, cost.memory), (Decision::Abstain, 1 << 20));
    }
}

/// A guest that is refused some and lives with it has done nothing wrong.
#[tokio::test]
async fn a_refusal_alone_is_no_fault() {
    let guest = Guest { body: "(drop (memory.grow (i32.const 65534)))", ..Guest::default() }.build();
    for (engine, warm) in ways() {
        let plugin = load_as(engine, &guest, limits(), warm).await.unwrap();
        for _ in 0..3 {
            assert!(plugin.router().unwrap().route(ask("x")).await.is_ok());
        }
    }
}

#[tokio::test]
async fn more_than_it_may_have_to_begin_with_refuses_the_file() {
    let with = |pages: &str, fields: &str| Guest { pages, fields, ..Guest::default() }.build();
    let many = |what: &str, count: usize| vec![what; count].join("\n");
    each_refused(&[
        ("4 GiB", with("65536", ""), "begins with 4294967296 bytes of memory; its limit is 1048576"),
        ("a page too much", with("17", ""), "begins with 1114112 bytes of memory"),
        ("a table", with("2", "(table 20001 funcref)"), " 20000"),
        ("a huge table", with("2", "(table 10000000 funcref)"), "table"),
        // Pooling tells these while it compiles, the other when it makes an instance.
        ("memories", with("1", &many("(memory 0)", 8)), "9"),
        ("tables", with("1", &many("(table 0 funcref)", 65)), "table"),
        ("core instances", nested(65), "instance"),
        ("very many core instances", nested(10_000), "instance"),
    ])
    .await;
    let just = [
        ("memories", with("1", &many("(memory 0)", 7))),
        ("tables", with("1", &many("(table 0 funcref)", 60))),
    ];
    for (what, bytes) in just {
        for engine in engines() {
            let plugin = load_as(engine, &bytes, limits(), false).await.expect(what);
            assert!(plugin.router().unwrap().route(ask("x")).await.is_ok(), "{what}");
        }
    }
}

/// A good component with so many core instances more.
fn nested(count: u32) -> Vec<u8> {
    let mut bytes = Guest::default().build();
    let mut modules = 0;
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
        match payload.unwrap() {
            wasmparser::Payload::ModuleSection { .. } => {
                modules += u32::from(depth == 0);
                depth += 1;
            }
            wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    section(&mut bytes, 1, b"\0asm\x01\0\0\0");
    let mut instances = leb(count);
    for _ in 0..count {
        instances.push(0);
        instances.extend(leb(modules));
        instances.push(0);
    }
    section(&mut bytes, 2, &instances);
    bytes
}

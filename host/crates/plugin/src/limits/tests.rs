//! Every limit at its boundary: what fits is served, one more is its own fault, and the next call is right.

use std::time::Duration;

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{Decision, PluginFaultKind as Kind};

use crate::guests::{PRELUDE, ask, component, component_with, engine, limits, load, router};
use crate::{Allocator, LoadError};

/// A limit, a guest that needs so much of it, and what one less of it comes to.
struct Case {
    name: &'static str,
    set: fn(&mut PluginLimits, u32),
    /// A guest that needs this much.
    needs: fn(u32) -> Vec<u8>,
    enough: u32,
    kind: Kind,
    says: &'static str,
}

fn body(text: String) -> Vec<u8> {
    router(&format!("{text} (call $abstain)"))
}

/// Keeps values of this length under so many keys, and traps unless the host says ok, which is left at 3000.
fn keeps(length: u32, keys: u8) -> Vec<u8> {
    let set = |key: u8| {
        format!(
            "(i32.store8 (i32.const 2048) (i32.const {}))
             (call $set (i32.const 2048) (i32.const 1) (i32.const 8192) (i32.const {length})
                 (i32.const 0) (i64.const 0) (i32.const 3000))
             (if (i32.load8_u (i32.const 3000)) (then unreachable))",
            b'a' + key
        )
    };
    body((0..keys).map(set).collect())
}

fn logs(times: u32, length: u32) -> Vec<u8> {
    body(format!("(call $log (i32.const 1) (i32.const 8192) (i32.const {length}))").repeat(times as usize))
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "memory",
            set: |limits, pages| limits.memory = pages as usize * 65_536,
            needs: |pages| {
                let more = pages - 2;
                body(format!(
                    "(if (i32.eq (memory.grow (i32.const {more})) (i32.const -1)) (then unreachable))"
                ))
            },
            enough: 9,
            kind: Kind::MemoryLimit,
            says: "its limit is 524288",
        },
        Case {
            name: "table_elements",
            // The encoder's own table has one element for each import of the prelude.
            set: |limits, most| limits.table_elements = most + 3,
            needs: |elements| {
                body(format!(
                    "(if (i32.eq (table.grow $t (ref.null func) (i32.const {elements})) (i32.const -1)) (then unreachable))"
                ))
            },
            enough: 100,
            kind: Kind::MemoryLimit,
            says: "its limit is 102",
        },
        Case {
            name: "handles",
            set: |limits, most| limits.handles = most,
            needs: |handles| body("(drop (call $new (i32.const 1)))".repeat(handles as usize)),
            enough: 5,
            kind: Kind::MemoryLimit,
            says: "limits.handles",
        },
        Case {
            name: "host_calls",
            set: |limits, most| limits.host_calls = most,
            needs: |calls| logs(calls, 1),
            enough: 7,
            kind: Kind::HostCallLimit,
            says: "more than 6 times",
        },
        Case {
            name: "host_call_size",
            set: |limits, most| limits.host_call_size = most as usize,
            needs: |bytes| logs(1, bytes),
            enough: 2_000,
            kind: Kind::HostCallLimit,
            says: "limits.host_call_size",
        },
        Case {
            name: "host_calls_size",
            set: |limits, most| limits.host_calls_size = most as usize,
            needs: |bytes| logs(4, bytes / 4),
            enough: 4_000,
            kind: Kind::HostCallLimit,
            says: "more than 3999 bytes",
        },
        Case {
            name: "kv_value",
            set: |limits, most| limits.kv_value = most as usize,
            needs: |bytes| keeps(bytes, 1),
            enough: 500,
            kind: Kind::Trap,
            says: "unreachable",
        },
        Case {
            name: "kv",
            set: |limits, most| limits.kv = most as usize,
            // Each entry costs its key, its value and 64 bytes.
            needs: |bytes| keeps(bytes / 2 - 65, 2),
            enough: 1_000,
            kind: Kind::Trap,
            says: "unreachable",
        },
    ]
}

#[tokio::test]
async fn what_fits_is_served_and_one_more_is_its_own_fault() {
    for allocator in [Allocator::Pooling, Allocator::OnDemand] {
        let engine = engine(allocator);
        for case in cases() {
            let Case { name, set, needs, enough, kind, says } = case;
            let guest = needs(enough);
            let mut fits = limits();
            set(&mut fits, enough);
            let plugin = load(&engine, &guest, fits).await.unwrap();
            let router = plugin.router().unwrap();
            for _ in 0..3 {
                let routing = router.route(ask("")).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
                assert_eq!(routing.decision, Decision::Abstain, "{name}");
            }
            let mut short = limits();
            set(&mut short, enough - 1);
            let plugin = load(&engine, &guest, short).await.unwrap();
            let fault = plugin.router().unwrap().route(ask("")).await.expect_err(name);
            assert_eq!(fault.kind, kind, "{name}: {fault}");
            assert!(fault.message.contains(says), "{name}: {fault}");
        }
    }
}

#[tokio::test]
async fn what_a_component_declares_is_held_against_its_limits_when_it_is_loaded() {
    let engine = engine(Allocator::OnDemand);
    let guest = router("(call $abstain)");
    type Set = fn(&mut PluginLimits, usize);
    let cases: [(&str, Set, usize, &str); 5] = [
        ("file", |limits, n| limits.file = n, guest.len(), "limits.file"),
        ("memories", |limits, n| limits.memories = n as u32, 2, "has 2 memories; its limit is 1"),
        ("memory", |limits, n| limits.memory = n, 2 * 65_536, "limits.memory"),
        ("table_elements", |limits, n| limits.table_elements = n as u32, 13, "its limit is 12"),
        (
            "instances",
            |limits, n| limits.instances = n as u32,
            instances_of(&guest),
            "instance count too high",
        ),
    ];
    for (name, set, enough, says) in cases {
        let guest = match name {
            "memories" => component(&format!("(module {PRELUDE} (memory $second 1) {ABSTAINS})")),
            "table_elements" => component(&format!("(module {PRELUDE} (table 10 funcref) {ABSTAINS})")),
            _ => guest.clone(),
        };
        let mut fits = limits();
        set(&mut fits, enough);
        load(&engine, &guest, fits).await.map(|_| ()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut short = limits();
        set(&mut short, enough - 1);
        let error = load(&engine, &guest, short).await.map(|_| ()).expect_err(name).to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
}

const ABSTAINS: &str = r#"(func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32)
    (i32.store8 (i32.const 1028) (i32.const 1)) (i32.const 1024))"#;

/// Core instances that a component makes of modules.
fn instances_of(component: &[u8]) -> usize {
    use wasmparser::{Instance, Parser, Payload};
    let count = |payload| match payload {
        Payload::InstanceSection(section) => {
            let made =
                |instance: &Result<Instance<'_>, _>| matches!(instance, Ok(Instance::Instantiate { .. }));
            section.into_iter().filter(made).count()
        }
        _ => 0,
    };
    Parser::new(0).parse_all(component).filter_map(Result::ok).map(count).sum()
}

#[tokio::test]
async fn the_check_of_settings_has_a_time_of_its_own() {
    let engine = engine(Allocator::OnDemand);
    let spins = format!(
        r#"(module {PRELUDE} {ABSTAINS}
            (func (export "jackfield:plugin/lifecycle@1.0.0#check-config") (param i32 i32) (result i32)
                (loop $l (br $l)) (i32.const 0)))"#
    );
    let limits = PluginLimits { check_config: Duration::from_millis(30), ..limits() };
    let guest = component_with("export jackfield:plugin/lifecycle@1.0.0;", &spins);
    match load(&engine, &guest, limits).await.map(|_| ()).unwrap_err() {
        LoadError::CheckFailed(fault) => {
            assert_eq!(fault.kind, Kind::CpuLimit);
            assert!(fault.message.contains("longer than 30ms"), "{fault}");
        }
        other => panic!("{other}"),
    }
}

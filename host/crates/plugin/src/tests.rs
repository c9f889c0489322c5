//! Guests that misbehave: each ends in its own typed fault within its limit, and the next call is right.

use jackfield_core::contract::{Decision, PluginFaultKind as Kind};

use jackfield_core::config::PluginLimits;

use crate::guests::{ask, component, engine, engine_of, limits, load, load_as, router};
use crate::{Allocator, Concurrency};

mod wasi;

/// Every way a guest is run.
const WAYS: [(Allocator, bool); 4] = [
    (Allocator::Pooling, false),
    (Allocator::OnDemand, false),
    (Allocator::Pooling, true),
    (Allocator::OnDemand, true),
];

/// Nothing here is timed, but what hangs is red.
async fn in_time<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(60), call).await.expect("it hangs")
}

/// Misbehaves when the prompt contains "x" and abstains otherwise.
fn when_asked(misbehaviour: &str) -> String {
    format!(
        r#"(i32.store8 (i32.const 2048) (i32.const 120))
           (if (call $contains (i32.const 2048) (i32.const 1)) (then {misbehaviour}))
           (call $abstain)"#
    )
}

#[tokio::test]
async fn every_misbehaviour_is_its_own_fault_and_the_next_call_is_right() {
    let cases = [
        ("(loop $l (br $l))", Kind::CpuLimit, "computed longer than 20ms"),
        ("(drop (memory.grow (i32.const 100))) unreachable", Kind::MemoryLimit, "its limit is 1048576"),
        ("(drop (memory.grow (i32.const 65534))) unreachable", Kind::MemoryLimit, "bytes of memory"),
        ("unreachable", Kind::Trap, "unreachable"),
        ("(drop (call $deep (i32.const 0)))", Kind::Trap, "call stack exhausted"),
        ("(drop (i32.load (i32.const -4)))", Kind::Trap, "out of bounds"),
        (
            "(loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 1)) (br $l))",
            Kind::HostCallLimit,
            "more than 100 times",
        ),
        ("(call $log (i32.const 9) (i32.const 0) (i32.const 0))", Kind::Abi, "discriminant"),
        ("(call $log (i32.const 1) (i32.const 131070) (i32.const 100))", Kind::Abi, "out of bounds"),
        ("(return (i32.const 1024))", Kind::InvalidDecision, "a route without a target"),
        ("(return (i32.const 1025))", Kind::Abi, "pointer"),
        ("(i32.store8 (i32.const 1024) (i32.const 7)) (return (i32.const 1024))", Kind::Abi, "discriminant"),
        (
            "(i32.store (i32.const 1032) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 0)) \
             (i32.store (i32.const 1032) (i32.const 8192)) (i32.store (i32.const 1036) (i32.const 2000000000)) \
             (return (i32.const 1024))",
            Kind::Abi,
            "",
        ),
        (
            "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1028) (i32.const 2)) (return (i32.const 1024))",
            Kind::Reported,
            "blames itself",
        ),
    ];
    for (allocator, warm) in WAYS {
        let engine = engine(allocator);
        for (body, kind, message) in cases {
            let plugin = load_as(&engine, &router(&when_asked(body)), limits(), warm).await.unwrap();
            let router = plugin.router().unwrap();
            let fault = router.route(ask("x")).await.expect_err(body);
            assert_eq!(fault.kind, kind, "{body}: {fault}");
            assert!(fault.message.contains(message), "{body}: {fault}");
            let next = router.route(ask("fine")).await.expect(body);
            assert_eq!(next.decision, Decision::Abstain, "{body}");
        }
    }
}

#[tokio::test]
async fn memory_is_summed_up_to_the_limit_and_no_further() {
    let engine = engine(Allocator::Pooling);
    // Two pages to begin with: fourteen more are exactly 1 MiB.
    let grow = |pages: u32| {
        format!(
            "(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable)) (call $abstain)"
        )
    };
    let fits = load(&engine, &router(&grow(14)), limits()).await.unwrap();
    assert!(fits.router().unwrap().route(ask("")).await.is_ok());
    let over = load(&engine, &router(&grow(15)), limits()).await.unwrap();
    assert_eq!(over.router().unwrap().route(ask("")).await.unwrap_err().kind, Kind::MemoryLimit);
}

#[tokio::test]
async fn nothing_written_in_one_call_is_there_in_the_next() {
    let engine = engine(Allocator::Pooling);
    let body = "(if (i32.load (i32.const 3000)) (then unreachable)) (i32.store (i32.const 3000) (i32.const 1)) (call $abstain)";
    let plugin = load(&engine, &router(body), limits()).await.unwrap();
    for _ in 0..50 {
        plugin.router().unwrap().route(ask("")).await.unwrap();
    }
}

#[tokio::test]
async fn a_warm_instance_keeps_its_memory_until_a_call_fails() {
    let engine = engine(Allocator::Pooling);
    // Abstains on its first call in an instance, routes to nowhere (a fault) on its second.
    let body = "(if (i32.load (i32.const 3000)) (then (return (i32.const 1024))))
                (i32.store (i32.const 3000) (i32.const 1)) (call $abstain)";
    let plugin = load_as(&engine, &router(body), limits(), true).await.unwrap();
    // The answer at 1024 still says abstain from the first call, so it is zeroed by hand below.
    let zeroing = body.replace("(return", "(i32.store8 (i32.const 1028) (i32.const 0)) (return");
    let faulty = load_as(&engine, &router(&zeroing), limits(), true).await.unwrap();
    let (keeps, faulty) = (plugin.router().unwrap(), faulty.router().unwrap());
    for _ in 0..3 {
        assert_eq!(keeps.route(ask("")).await.unwrap().decision, Decision::Abstain);
    }
    for _ in 0..3 {
        assert_eq!(faulty.route(ask("")).await.unwrap().decision, Decision::Abstain);
        // The same instance, called again; it is discarded for its answer, and the next call gets a new one.
        assert_eq!(faulty.route(ask("")).await.unwrap_err().kind, Kind::InvalidDecision);
    }
    // Counters are a call's own: a thousand calls of a few host functions each hit no limit.
    let polite = load_as(&engine, &router(&when_asked("nop")), limits(), true).await.unwrap();
    for _ in 0..1_000 {
        polite.router().unwrap().route(ask("")).await.unwrap();
    }
}

#[tokio::test]
async fn guests_that_wait_too_long_for_a_permit_or_find_the_queue_full_are_faults() {
    let engine = engine_of(Concurrency { running: 1, queue: 1, instances: 64 }, Allocator::OnDemand);
    let slow = PluginLimits { cpu: std::time::Duration::from_millis(300), ..limits() };
    let plugin = load(&engine, &router("(loop $l (br $l)) (i32.const 0)"), slow).await.unwrap();
    let router = plugin.router().unwrap();
    let (one, two, three) = tokio::join!(router.route(ask("")), router.route(ask("")), router.route(ask("")));
    let mut kinds: Vec<Kind> = [one, two, three].into_iter().map(|r| r.unwrap_err().kind).collect();
    kinds.sort_by_key(|kind| kind.reason());
    assert_eq!(kinds, [Kind::CpuLimit, Kind::CpuLimit, Kind::Overloaded]);
    assert_eq!(engine.queued(), 0);

    let hasty = PluginLimits { wall: std::time::Duration::from_millis(20), ..slow };
    let plugin =
        load(&engine, &crate::guests::router("(loop $l (br $l)) (i32.const 0)"), hasty).await.unwrap();
    assert_eq!(plugin.router().unwrap().route(ask("")).await.unwrap_err().kind, Kind::WallLimit);
}

#[tokio::test]
async fn bad_files_are_refused_with_a_reason() {
    let engine = engine(Allocator::OnDemand);
    let good = router("(call $abstain)");
    let truncated = good[..good.len() / 2].to_vec();
    let wants_more =
        wat::parse_str(r#"(component (import "wasi:http/types@0.2.0" (instance (export "exit" (func)))))"#);
    let other_version = wat::parse_str(r#"(component (import "jackfield:plugin/log@2.0.0" (instance)))"#);
    let wrong_type = wat::parse_str(
        r#"(component (import "jackfield:plugin/clock@1.0.0" (instance (export "now-ms" (func (result string)))))
            (component $c) (instance $i (instantiate $c)) (export "jackfield:plugin/routing@1.0.0" (instance $i)))"#,
    );
    let cases: [(Vec<u8>, &str); 9] = [
        (vec![], "is empty"),
        (b"hello, I am text".to_vec(), "not WebAssembly"),
        (b"\x7fELF\x02\x01\x01".to_vec(), "not WebAssembly (it begins with 7f 45 4c 46"),
        (wat::parse_str("(module)").unwrap(), "is a core module"),
        (truncated, "not a valid component"),
        (wat::parse_str("(component)").unwrap(), "exports nothing that this host calls"),
        (wants_more.unwrap(), "imports `wasi:http/types@0.2.0`"),
        (other_version.unwrap(), "wants jackfield:plugin/log@2.0.0; this host offers jackfield:plugin@1.0.0"),
        (wrong_type.unwrap(), "does not fit this host's contract"),
    ];
    for (bytes, want) in cases {
        let error = load(&engine, &bytes, limits()).await.map(|_| ()).expect_err(want);
        assert!(error.to_string().contains(want), "{want}: {error}");
    }
    assert!(load(&engine, &good, limits()).await.is_ok());
}

#[tokio::test]
async fn a_guest_that_misbehaves_while_it_starts_is_refused() {
    let engine = engine(Allocator::Pooling);
    let module = r#"(module
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func $start (loop $l (br $l))) (start $start)
        (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) (i32.const 0)))"#;
    let refused =
        async |module: &str| load(&engine, &component(module), limits()).await.map(|_| ()).unwrap_err();
    let error = refused(module).await.to_string();
    assert!(error.contains("failed while it started: cpu_limit"), "{error}");
    let huge = module.replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 1000)");
    let error = refused(&huge).await.to_string();
    assert!(error.contains("begins with 65536000 bytes of memory; its limit is 1048576"), "{error}");
}

#[tokio::test]
async fn the_clock_rests_when_no_guest_runs() {
    let engine = engine(Allocator::OnDemand);
    let plugin = load(&engine, &router("(call $abstain)"), limits()).await.unwrap();
    plugin.router().unwrap().route(ask("")).await.unwrap();
    let rests = async {
        while !engine.inner().ticker.is_parked() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), rests).await.unwrap();
    // And it comes back for the next guest.
    let endless = load(&engine, &router("(loop $l (br $l)) (i32.const 0)"), limits()).await.unwrap();
    assert_eq!(endless.router().unwrap().route(ask("")).await.unwrap_err().kind, Kind::CpuLimit);
}

#[tokio::test]
async fn loading_arbitrary_bytes_never_panics() {
    let engine = engine(Allocator::OnDemand);
    let good = router("(call $abstain)");
    // A fixed walk over the file: every byte region is damaged once, in a way that differs by place.
    for at in (8..good.len()).step_by(37) {
        let mut bytes = good.clone();
        bytes[at] ^= (at % 255) as u8 | 1;
        let _ = load(&engine, &bytes, limits()).await;
    }
}

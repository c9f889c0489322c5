//! What one call leaves behind, no other finds; what one guest does, no other feels.

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{Decision, PluginFaultKind as Kind};

use super::suite::{Guest, engines, roomy};
use crate::guests::{ask, engine, engine_of, limits, load_as};
use crate::{Allocator, Concurrency};

/// Fills all it can get with a secret: memory to its limit, a table, a global.
const WRITER: &str =
    "(drop (memory.grow (i32.const 14))) (memory.fill (i32.const 3000) (i32.const 0x5e) (i32.const 1045000))
    (drop (table.grow $t (ref.func $abstain) (i32.const 1000))) (global.set $secret (i32.const 0x5e))";

/// Grows as far and traps at the first byte, entry or number that it did not write.
const READER: &str = "(if (i32.lt_u (memory.size) (i32.const 16)) (then (drop (memory.grow (i32.const 14))))) (drop (table.grow $t (ref.null func) (i32.const 1000)))
    (if (global.get $secret) (then unreachable))
    (local.set $i (i32.const 0))
    (loop $l
        (if (i32.eqz (ref.is_null (table.get $t (local.get $i)))) (then unreachable))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
    (local.set $i (i32.const 16384))
    (loop $l
        (if (i64.ne (i64.load (local.get $i)) (i64.const 0)) (then unreachable))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 1048000))))";

const STORES: &str =
    "(table $t 1 funcref) (elem declare func $abstain) (global $secret (mut i32) (i32.const 0))";

#[tokio::test]
async fn a_secret_of_one_call_is_in_no_other() {
    let patient = PluginLimits { cpu: std::time::Duration::from_secs(10), ..limits() };
    let both = format!("{READER} {WRITER}");
    for engine in engines() {
        let load = async |body: &str| {
            let guest = Guest { fields: STORES, body, ..Guest::default() }.build();
            load_as(engine, &guest, patient, false).await.unwrap().router().unwrap()
        };
        // One that reads before it writes, another plugin that writes, a third that reads.
        let (own, writer, reader) = (load(&both).await, load(WRITER).await, load(READER).await);
        for _ in 0..10 {
            for router in [&own, &writer, &reader] {
                assert_eq!(router.route(ask("x")).await.unwrap().decision, Decision::Abstain);
            }
        }
    }
}

#[tokio::test]
async fn a_warm_instance_keeps_its_own_secret_and_shows_it_to_no_other_plugin() {
    let patient = PluginLimits { cpu: std::time::Duration::from_secs(10), ..limits() };
    for engine in engines() {
        let load = async |body: &str| {
            let guest = Guest { fields: STORES, body, ..Guest::default() }.build();
            load_as(engine, &guest, patient, true).await.unwrap().router().unwrap()
        };
        let (own, reader) = (load(&format!("{READER} {WRITER}")).await, load(READER).await);
        own.route(ask("x")).await.unwrap();
        reader.route(ask("x")).await.unwrap();
        // It meets what it wrote itself, traps, and is given up: the next instance knows nothing.
        assert_eq!(own.route(ask("x")).await.unwrap_err().kind, Kind::Trap);
        own.route(ask("x")).await.unwrap();
        reader.route(ask("x")).await.unwrap();
    }
}

#[tokio::test]
async fn a_warm_instance_keeps_its_memory_until_a_call_fails() {
    // Abstains on its first call in an instance, routes to nowhere (a fault) on its second.
    let body = "(if (i32.load (i32.const 3000)) (then (call $targets (i32.const 0) (i32.const 0)) (return (i32.const 1024))))
        (i32.store (i32.const 3000) (i32.const 1))";
    let guest = Guest { body, ..Guest::default() }.build();
    for engine in engines() {
        let router = load_as(engine, &guest, limits(), true).await.unwrap().router().unwrap();
        for _ in 0..3 {
            assert_eq!(router.route(ask("x")).await.unwrap().decision, Decision::Abstain);
            assert_eq!(router.route(ask("x")).await.unwrap_err().kind, Kind::InvalidDecision);
        }
        // Counters are a call's own: a thousand calls of a few host functions each hit no limit.
        for _ in 0..1_000 {
            router.route(ask("fine")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn calls_that_end_while_they_run_give_everything_back() {
    for allocator in [Allocator::Pooling, Allocator::OnDemand] {
        let engine = engine_of(Concurrency { running: 2, queue: 4, instances: 64 }, allocator);
        let endless = PluginLimits {
            cpu: std::time::Duration::from_secs(60),
            wall: std::time::Duration::from_secs(60),
            ..roomy(1, 100)
        };
        let guest = Guest { body: "(loop $l (br $l))", ..Guest::default() }.build();
        for warm in [false, true] {
            let router = load_as(&engine, &guest, endless, warm).await.unwrap().router().unwrap();
            // More of them than there are permits and places in the queue, and once than there are slots in the pool.
            let times = if allocator == Allocator::Pooling && !warm { 300 } else { 20 };
            for _ in 0..times {
                tokio::select! {
                    biased;
                    answer = router.route(ask("x")) => panic!("it ended: {:?}", answer.map(|_| ())),
                    () = tokio::task::yield_now() => {}
                }
            }
            assert_eq!(engine.queued(), 0);
            assert_eq!(router.route(ask("fine")).await.unwrap().decision, Decision::Abstain);
        }
    }
}

#[tokio::test]
async fn a_guest_that_finds_the_queue_full_is_turned_away() {
    let engine = engine_of(Concurrency { running: 1, queue: 1, instances: 64 }, Allocator::OnDemand);
    let slow = PluginLimits { cpu: std::time::Duration::from_millis(300), ..limits() };
    let guest = Guest { body: "(loop $l (br $l))", ..Guest::default() }.build();
    let router = load_as(&engine, &guest, slow, false).await.unwrap().router().unwrap();
    let (one, two, three) =
        tokio::join!(router.route(ask("x")), router.route(ask("x")), router.route(ask("x")));
    let mut kinds: Vec<Kind> = [one, two, three].into_iter().map(|r| r.unwrap_err().kind).collect();
    kinds.sort_by_key(|kind| kind.reason());
    assert_eq!(kinds, [Kind::CpuLimit, Kind::CpuLimit, Kind::Overloaded]);
    assert_eq!(engine.queued(), 0);
}

#[tokio::test]
async fn the_clock_rests_when_no_guest_runs() {
    let engine = engine(Allocator::OnDemand);
    let guest = Guest { body: "(loop $l (br $l))", ..Guest::default() }.build();
    let router = load_as(&engine, &guest, limits(), false).await.unwrap().router().unwrap();
    router.route(ask("fine")).await.unwrap();
    let rests = async {
        while !engine.inner().ticker.is_parked() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    super::suite::in_time(rests).await;
    // And it comes back for the next guest.
    assert_eq!(router.route(ask("x")).await.unwrap_err().kind, Kind::CpuLimit);
}

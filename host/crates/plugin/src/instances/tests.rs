//! The stock: filled ahead, never used twice, bounded, and gone with its plugin.

use std::time::Duration;

use jackfield_core::contract::{Decision, PluginFaultKind};

use crate::guests::{ask, engine, engine_of, limits, load, load_as, router};
use crate::{Allocator, Concurrency, PluginEngine};

/// Waits until this holds; a test that waits for ever is red.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap_or_else(|_| panic!("{what} never came"));
}

fn living(engine: &PluginEngine, limit: usize) -> usize {
    limit - engine.inner().live.available_permits()
}

#[tokio::test]
async fn instances_are_made_ahead_replaced_after_use_and_gone_with_their_plugin() {
    for allocator in [Allocator::Pooling, Allocator::OnDemand] {
        let engine = engine(allocator);
        // Traps in an instance that was called before.
        let body = "(if (i32.load (i32.const 3000)) (then unreachable)) (i32.store (i32.const 3000) (i32.const 1)) (call $abstain)";
        let plugin = load(&engine, &router(body), limits()).await.unwrap();
        let stock = || plugin.component_router().unwrap().in_stock();
        for _ in 0..5 {
            until("a full stock", || stock() == 4).await;
            for _ in 0..20 {
                plugin.router().unwrap().route(ask("")).await.unwrap();
            }
        }
        until("a full stock", || stock() == 4).await;
        until("the end of the used ones", || living(&engine, 64) == 4).await;
        drop(plugin);
        until("the end of its instances", || living(&engine, 64) == 0).await;
    }
}

#[tokio::test]
async fn nothing_is_kept_ready_that_others_need() {
    let engine = engine_of(Concurrency { running: 2, queue: 8, instances: 6 }, Allocator::Pooling);
    let one = load(&engine, &router("(call $abstain)"), limits()).await.unwrap();
    let two = load(&engine, &router("(call $abstain)"), limits()).await.unwrap();
    let stock = |plugin: &crate::Plugin| plugin.component_router().unwrap().in_stock();
    until("half of the places taken", || living(&engine, 6) == 3).await;
    assert_eq!(stock(&one) + stock(&two), 3);
    for plugin in [&one, &two] {
        for _ in 0..10 {
            assert_eq!(plugin.router().unwrap().route(ask("")).await.unwrap().decision, Decision::Abstain);
        }
    }
}

#[tokio::test]
async fn a_call_that_finds_no_place_waits_in_the_queue_and_is_then_overloaded() {
    let engine = engine_of(Concurrency { running: 4, queue: 1, instances: 1 }, Allocator::OnDemand);
    let slow = crate::guests::slow(Duration::from_millis(150));
    let plugin = load_as(&engine, &router("(loop $l (br $l)) (i32.const 0)"), slow, true).await.unwrap();
    let router = plugin.router().unwrap();
    let call = || router.route(ask(""));
    // One runs into its limit, one waits for its place, and the queue has no room for a third.
    let (one, two, three) = tokio::join!(call(), call(), call());
    let mut kinds: Vec<_> = [one, two, three].into_iter().map(|answer| answer.unwrap_err().kind).collect();
    kinds.sort_by_key(|kind| kind.reason());
    assert_eq!(kinds, [PluginFaultKind::CpuLimit, PluginFaultKind::CpuLimit, PluginFaultKind::Overloaded]);
}

#[tokio::test]
async fn a_host_asked_before_any_call_traps() {
    let engine = engine(Allocator::OnDemand);
    let module = r#"(module
        (import "jackfield:plugin/clock@1.0.0" "now-ms" (func $now (result i64)))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func $start (drop (call $now))) (start $start)
        (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) (i32.const 1024)))"#;
    let error = load(&engine, &crate::guests::component(module), limits()).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("called the host while it started"), "{error}");
}

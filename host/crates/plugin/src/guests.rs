//! Guests for tests, written as core WebAssembly text and made into real components by the same
//! encoder that the toolchains use. No toolchain is needed, and nothing a guest can do is out of reach.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use jackfield_core::base::RequestId;
use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{
    Ask, BudgetScope, Caller, Choice, Draft, Facts, FinishReason, Headroom, HostView, LiveState, LoadState,
    ModelInfo, Reply, Review,
};

use crate::{Allocator, Concurrency, LoadError, Plugin, PluginEngine, PluginSettings};

/// The world the guests are made for; only what they export is required of them.
const WORLD: &str = "package test:guest;
    interface things { resource thing {} }
    world guest {
    import jackfield:plugin/clock@1.0.0;
    import jackfield:plugin/kv@1.0.0;
    import jackfield:plugin/log@1.0.0;
    import jackfield:plugin/request@1.0.0;
    export jackfield:plugin/routing@1.0.0;
    MORE
}";

/// What every guest has: memory, a bump allocator, and 64 bytes at 1024 for its answer, all zero
/// (which reads as: ok, a route to no target).
pub(crate) const PRELUDE: &str = r#"
    (import "jackfield:plugin/kv@1.0.0" "set" (func $set (param i32 i32 i32 i32 i32 i64 i32)))
    (import "jackfield:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
    (import "jackfield:plugin/request@1.0.0" "contains" (func $contains (param i32 i32) (result i32)))
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (local.get $at))
"#;

/// A component whose `route` has this body; it must leave the answer's address.
pub(crate) fn router(body: &str) -> Vec<u8> {
    component_with(
        "export things;",
        &format!(
            r#"(module
            (import "[export]test:guest/things" "[resource-new]thing" (func $new (param i32) (result i32)))
            {PRELUDE}
            (table $t 0 funcref)
            (func $deep (param i32) (result i32)
                (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
            (func $abstain (result i32) (global.set $next (i32.const 4096)) (i32.store8 (i32.const 1028) (i32.const 1)) (i32.const 1024))
            (func $route (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) {body}))"#
        ),
    )
}

/// A component whose `validate` has this body; it must leave the answer's address. 64 bytes at 1024 are the answer's,
/// all zero (which reads as: ok, accept, no score): the verdict at 1032 and its text at 1036, the score at 1048.
pub(crate) fn validator(body: &str) -> Vec<u8> {
    component_of(
        "package test:guest; world guest {
            import jackfield:plugin/response@1.0.0;
            export jackfield:plugin/validation@1.0.0;
            export jackfield:plugin/stream-validation@1.0.0;
        }",
        &format!(
            r#"(module
            (import "jackfield:plugin/response@1.0.0" "text" (func $text (param i32)))
            (memory (export "memory") 2)
            (data (i32.const 2048) "say it again")
            (global $next (mut i32) (i32.const 8192))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func $accept (result i32) (i32.const 1024))
            (func $say (param $verdict i32) (param $length i32) (result i32)
                (i32.store8 (i32.const 1032) (local.get $verdict))
                ;; Issues are empty strings, which are zeros.
                (i32.store (i32.const 1036)
                    (select (i32.const 5120) (i32.const 2048) (i32.eq (local.get $verdict) (i32.const 1))))
                (i32.store (i32.const 1040) (local.get $length))
                (i32.const 1024))
            (func $score (param f64)
                (i32.store8 (i32.const 1048) (i32.const 1))
                (f64.store (i32.const 1056) (local.get 0)))
            (func (export "jackfield:plugin/validation@1.0.0#validate")
                (param i32) (result i32) {body})
            (global $pieces (mut i32) (i32.const 0))
            (func (export "jackfield:plugin/stream-validation@1.0.0#open") (param i32) (result i32) (i32.const 3072))
            (func (export "jackfield:plugin/stream-validation@1.0.0#push")
                (param $choice i32) (param $kind i32) (param $at i32) (param $length i32) (result i32)
                ;; Holds the first piece, lets three bytes go at the second, replaces at the third, traps at the fourth.
                (global.set $pieces (i32.add (global.get $pieces) (i32.const 1)))
                (i64.store (i32.const 3072) (i64.const 0))
                (if (i32.eq (global.get $pieces) (i32.const 2)) (then
                    (i32.store8 (i32.const 3076) (i32.const 1)) (i32.store (i32.const 3080) (i32.const 3))))
                (if (i32.eq (global.get $pieces) (i32.const 3)) (then
                    (i32.store8 (i32.const 3076) (i32.const 2))
                    (i32.store (i32.const 3080) (i32.const 2048)) (i32.store (i32.const 3084) (i32.const 3))))
                (if (i32.eq (global.get $pieces) (i32.const 4)) (then unreachable))
                (i32.const 3072))
            (func (export "jackfield:plugin/stream-validation@1.0.0#finish") (result i32)
                (i32.store8 (i32.const 3076) (i32.const 3))
                (i32.store (i32.const 3080) (i32.const 0)) (i32.store (i32.const 3084) (i32.const 0))
                (i32.const 3072)))"#
        ),
    )
}

/// An answer with this text to a question.
pub(crate) fn review(text: &str) -> Review {
    let choice =
        Choice { text: Some(text.to_owned()), finish_reason: Some(FinishReason::Stop), ..Choice::default() };
    let reply = Reply {
        id: "r".into(),
        model: "m".into(),
        created: 0,
        choices: vec![choice],
        usage: None,
        wire: None,
    };
    let draft = Draft::new(reply, "known".into(), 1, jackfield_dialect::openai::render_reply);
    Review { ask: ask("a question"), draft: Arc::new(draft) }
}

/// A component of a whole core module.
pub(crate) fn component(module: &str) -> Vec<u8> {
    component_of(&WORLD.replace("MORE", ""), module)
}

/// A component of a whole core module that exports more than a router does.
pub(crate) fn component_with(more: &str, module: &str) -> Vec<u8> {
    component_of(&WORLD.replace("MORE", more), module)
}

/// A component of a whole core module, made for this world.
pub(crate) fn component_of(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit");
    resolve.push_dir(wit).unwrap();
    let package = resolve.push_str("guest.wit", world).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// An engine with room for two calls and eight that wait.
pub(crate) fn engine(allocator: Allocator) -> PluginEngine {
    engine_of(Concurrency { running: 2, queue: 8, instances: 64 }, allocator)
}

/// An engine with this much room.
pub(crate) fn engine_of(concurrency: Concurrency, allocator: Allocator) -> PluginEngine {
    PluginEngine::with_allocator(concurrency, allocator).unwrap()
}

/// Small limits, so that the tests that hit them are quick.
pub(crate) fn limits() -> PluginLimits {
    PluginLimits {
        cpu: Duration::from_millis(20),
        wall: Duration::from_secs(10),
        memory: 1 << 20,
        host_calls: 100,
        ..PluginLimits::default()
    }
}

/// The same, with more time to compute.
pub(crate) fn slow(cpu: Duration) -> PluginLimits {
    PluginLimits { cpu, ..limits() }
}

/// Loads bytes as a plugin, through a file.
pub(crate) async fn load(
    engine: &PluginEngine,
    bytes: &[u8],
    limits: PluginLimits,
) -> Result<Plugin, LoadError> {
    load_as(engine, bytes, limits, false).await
}

/// The same, with instances that are used again or not.
pub(crate) async fn load_as(
    engine: &PluginEngine,
    bytes: &[u8],
    limits: PluginLimits,
    warm: bool,
) -> Result<Plugin, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guest.wasm");
    std::fs::write(&path, bytes).unwrap();
    Plugin::load(engine, "guest", &path, settings(limits, warm)).await
}

/// What configuration says of a guest.
pub(crate) fn settings(limits: PluginLimits, warm: bool) -> PluginSettings {
    PluginSettings { config: "{}".into(), warm, grants: BTreeSet::new(), limits, sha256: None }
}

/// A question about this prompt, on a host that knows the model `known`.
pub(crate) fn ask(prompt: &str) -> Ask {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{prompt}"}}]}}"#);
    let request = jackfield_dialect::openai::parse_request(Bytes::from(body)).unwrap();
    let facts = Facts {
        id: RequestId::generate(),
        request,
        task: None,
        caller: Caller::default(),
        headers: http::HeaderMap::new(),
        run: None,
        step: None,
    };
    Ask { facts: Arc::new(facts), labels: Arc::from([]), view: Arc::new(OneModel), completer: None }
}

struct OneModel;

impl HostView for OneModel {
    fn model_names(&self) -> Vec<String> {
        vec!["known".into()]
    }
    fn model_info(&self, name: &str) -> Option<ModelInfo> {
        (name == "known").then(|| ModelInfo { name: name.into(), ..ModelInfo::default() })
    }
    fn live(&self, _: &str) -> Option<LiveState> {
        None
    }
    fn load(&self) -> LoadState {
        LoadState::default()
    }
    fn budget(&self, _: &Caller, _: BudgetScope) -> Option<Headroom> {
        None
    }
    fn nearest_models(&self, _: &str) -> Vec<String> {
        vec!["known".into()]
    }
}

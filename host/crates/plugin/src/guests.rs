//! Guests for tests, written as core WebAssembly text and made into real components by the same
//! encoder that the toolchains use. No toolchain is needed, and nothing a guest can do is out of reach.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use jackfield_core::base::RequestId;
use jackfield_core::contract::{
    Ask, BudgetScope, Caller, Facts, Headroom, HostView, LiveState, LoadState, ModelInfo,
};

use crate::{CallLimits, LoadError, Plugin, PluginEngine, PluginSettings};

/// The world the guests are made for; only what they export is required of them.
const WORLD: &str = "package test:guest; world guest {
    import jackfield:plugin/log@1.0.0;
    import jackfield:plugin/request@1.0.0;
    export jackfield:plugin/routing@1.0.0; }";

/// What every guest has: memory, a bump allocator, and 64 bytes at 1024 for its answer, all zero
/// (which reads as: ok, a route to no target).
const PRELUDE: &str = r#"
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
    component(&format!(
        r#"(module {PRELUDE}
            (func $deep (param i32) (result i32)
                (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
            (func $abstain (result i32) (global.set $next (i32.const 4096)) (i32.store8 (i32.const 1028) (i32.const 1)) (i32.const 1024))
            (func $route (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) {body}))"#
    ))
}

/// A component of a whole core module.
pub(crate) fn component(module: &str) -> Vec<u8> {
    component_of(WORLD, module)
}

/// A component of a whole core module, made for this world.
pub(crate) fn component_of(wit: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit")).unwrap();
    let package = resolve.push_str("guest.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Small limits, so that the tests that hit them are quick.
pub(crate) fn limits() -> CallLimits {
    CallLimits {
        cpu: Duration::from_millis(20),
        wall: Duration::from_secs(10),
        memory: 1 << 20,
        host_calls: 100,
    }
}

/// Loads bytes as a plugin, through a file.
pub(crate) async fn load(
    engine: &PluginEngine,
    bytes: &[u8],
    limits: CallLimits,
) -> Result<Plugin, LoadError> {
    load_as(engine, bytes, limits, false).await
}

/// The same, with instances that are used again or not.
pub(crate) async fn load_as(
    engine: &PluginEngine,
    bytes: &[u8],
    limits: CallLimits,
    warm: bool,
) -> Result<Plugin, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guest.wasm");
    std::fs::write(&path, bytes).unwrap();
    Plugin::load(engine, "guest", &path, settings(limits, warm)).await
}

/// What configuration says of a guest.
pub(crate) fn settings(limits: CallLimits, warm: bool) -> PluginSettings {
    PluginSettings { config: "{}".into(), warm, limits }
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
    };
    Ask { facts: Arc::new(facts), labels: Arc::from([]), view: Arc::new(OneModel) }
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

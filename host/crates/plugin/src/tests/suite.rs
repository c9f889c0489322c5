//! The bench of the hostile suite: how guests are made, how they are run, and what is expected of each.
//!
//! A case is a guest that misbehaves when the prompt contains "x" and abstains otherwise. It is run in every way there
//! is; each time its own fault must come, and the call after it must be right.

use std::sync::LazyLock;
use std::time::Duration;

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{Decision, PluginFaultKind as Kind};

use crate::guests::{ask, component_of, engine_of, limits, load_as};
use crate::{Allocator, Concurrency, PluginEngine};

/// What guests may import and must export.
const WORLD: &str = "package test:guest; world guest {
    import jackfield:plugin/request@1.0.0;
    import jackfield:plugin/models@1.0.0;
    import jackfield:plugin/log@1.0.0;
    import jackfield:plugin/kv@1.0.0;
    export jackfield:plugin/routing@1.0.0;";

/// The functions guests use. The encoder drops what a module does not name.
const IMPORTS: &str = r#"
    (import "jackfield:plugin/request@1.0.0" "contains" (func $contains (param i32 i32) (result i32)))
    (import "jackfield:plugin/request@1.0.0" "last-user-text" (func $prompt (param i32)))
    (import "jackfield:plugin/request@1.0.0" "message-at" (func $message-at (param i32 i32)))
    (import "jackfield:plugin/request@1.0.0" "body-pointer" (func $body-pointer (param i32 i32 i32)))
    (import "jackfield:plugin/request@1.0.0" "header" (func $header (param i32 i32 i32)))
    (import "jackfield:plugin/models@1.0.0" "names" (func $names (param i32)))
    (import "jackfield:plugin/models@1.0.0" "info" (func $info (param i32 i32 i32)))
    (import "jackfield:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
    (import "jackfield:plugin/kv@1.0.0" "get" (func $kv-get (param i32 i32 i32)))
    (import "jackfield:plugin/kv@1.0.0" "set" (func $kv-set (param i32 i32 i32 i32 i32 i64 i32)))
    (import "jackfield:plugin/kv@1.0.0" "increment" (func $kv-add (param i32 i32 i64 i32 i64 i32)))
"#;

/// A guest to be made. Its memory holds "x" at 2048, "known" at 2064, the answer at 1024, one target at 2304, and is
/// handed out from 8192 on; functions of the host answer to 2200.
pub(super) struct Guest<'a> {
    /// What stands in its world beside the usual.
    pub(super) world: &'a str,
    /// What else its module imports.
    pub(super) imports: &'a str,
    /// Its first memory, in pages.
    pub(super) pages: &'a str,
    /// Whatever else stands in its module.
    pub(super) fields: &'a str,
    /// What its allocator does first; `$evil` is 0 until the body sets it.
    pub(super) realloc: &'a str,
    /// What it does when asked; `$i` and `$j` are locals.
    pub(super) body: &'a str,
}

impl Default for Guest<'_> {
    fn default() -> Self {
        Self { world: "", imports: "", pages: "2", fields: "", realloc: "", body: "" }
    }
}

impl Guest<'_> {
    /// The component.
    pub(super) fn build(&self) -> Vec<u8> {
        let Self { world, imports, pages, fields, realloc, body } = self;
        let module = format!(
            r#"(module {IMPORTS} {imports}
            (memory (export "memory") {pages})
            (data (i32.const 2048) "x") (data (i32.const 2064) "known")
            (global $next (mut i32) (i32.const 8192))
            (global $evil (mut i32) (i32.const 0))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                {realloc}
                (global.get $next)
                (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7)) (i32.const -8))))
            (func $deep (param i32) (result i32)
                (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
            (func $abstain (result i32)
                (memory.fill (i32.const 1024) (i32.const 0) (i32.const 64))
                (i32.store8 (i32.const 1028) (i32.const 1)) (i32.const 1024))
            (func $route-to (param i32 i32)
                (memory.fill (i32.const 2304) (i32.const 0) (i32.const 48))
                (i32.store (i32.const 2304) (local.get 0)) (i32.store (i32.const 2308) (local.get 1))
                (call $targets (i32.const 2304) (i32.const 1)))
            (func $targets (param i32 i32)
                (memory.fill (i32.const 1024) (i32.const 0) (i32.const 64))
                (i32.store (i32.const 1032) (local.get 0)) (i32.store (i32.const 1036) (local.get 1)))
            {fields}
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) (local $i i32) (local $j i32)
                (global.set $evil (i32.const 0)) (global.set $next (i32.const 8192))
                (if (call $contains (i32.const 2048) (i32.const 1)) (then {body}))
                (call $abstain)))"#
        );
        component_of(&format!("{WORLD} {world} }}"), &module)
    }
}

/// What a guest does, and what must come of it.
pub(super) struct Case {
    what: String,
    guest: Vec<u8>,
    limits: PluginLimits,
    kind: Kind,
    says: &'static str,
}

/// A case of a guest with this body.
pub(super) fn case(body: &str, kind: Kind, says: &'static str) -> Case {
    of(body, &Guest { body, ..Guest::default() }, kind, says)
}

/// A case of a guest of its own making.
pub(super) fn of(what: &str, guest: &Guest<'_>, kind: Kind, says: &'static str) -> Case {
    of_bytes(what, guest.build(), kind, says)
}

/// A case of these very bytes.
pub(super) fn of_bytes(what: &str, guest: Vec<u8>, kind: Kind, says: &'static str) -> Case {
    Case { what: what.to_owned(), guest, limits: limits(), kind, says }
}

impl Case {
    /// The same under other limits.
    pub(super) fn within(self, limits: PluginLimits) -> Self {
        Self { limits, ..self }
    }
}

/// What a guest may compute that is to meet some other limit.
const PATIENCE: Duration = Duration::from_secs(10);

/// The usual limits with so much memory and so many host calls.
pub(super) fn roomy(mebibytes: usize, host_calls: u32) -> PluginLimits {
    PluginLimits { memory: mebibytes << 20, host_calls, ..limits() }
}

/// The same with time for honest work on a busy machine, where another limit is what is to be hit.
pub(super) fn easy(mebibytes: usize, host_calls: u32) -> PluginLimits {
    PluginLimits { cpu: Duration::from_secs(5), ..roomy(mebibytes, host_calls) }
}

/// Every way a guest is run: on which engine, and whether its instances are used again.
pub(super) fn ways() -> impl Iterator<Item = (&'static PluginEngine, bool)> {
    engines().iter().flat_map(|engine| [(engine, false), (engine, true)])
}

/// One engine of each kind for the whole suite.
pub(super) fn engines() -> &'static [PluginEngine; 2] {
    static ENGINES: LazyLock<[PluginEngine; 2]> = LazyLock::new(|| {
        [Allocator::Pooling, Allocator::OnDemand]
            .map(|allocator| engine_of(Concurrency { running: 4, queue: 64, instances: 256 }, allocator))
    });
    &ENGINES
}

/// Runs each case in every way, twice: in a new instance, and in one that served a good call.
pub(super) async fn each(cases: &[Case]) {
    for (engine, warm) in ways() {
        for Case { what, guest, limits, kind, says } in cases {
            let way = format!("{what}\non {:?}, warm {warm}", engine.allocator());
            // Where computing is not the point, a busy machine must not make it so.
            let cpu = if *kind == Kind::CpuLimit { limits.cpu } else { limits.cpu.max(PATIENCE) };
            let plugin = load_as(engine, guest, PluginLimits { cpu, ..*limits }, warm).await.expect(&way);
            let router = plugin.router().unwrap();
            for prompt in ["x", "fine", "x", "fine"] {
                let answer = in_time(router.route(ask(prompt))).await;
                if prompt == "fine" {
                    assert_eq!(answer.expect(&way).decision, Decision::Abstain, "{way}");
                    continue;
                }
                let fault = answer.expect_err(&way);
                assert_eq!(fault.kind, *kind, "{way}: {fault}");
                assert!(fault.message.contains(says), "{way}: {fault}");
                assert!(
                    fault.message.len() <= 1_100 && !fault.message.contains(char::is_control),
                    "{way}: {fault}"
                );
            }
        }
    }
}

/// Loads bytes that must be refused, on both engines; all that is said of them must contain these words.
pub(super) async fn each_refused(cases: &[(&str, Vec<u8>, &str)]) {
    for engine in engines() {
        for (what, bytes, says) in cases {
            let way = format!("{what} on {:?}", engine.allocator());
            let loaded = in_time(load_as(engine, bytes, limits(), false)).await.map(|_| ());
            let error = loaded.expect_err(&way).to_string();
            assert!(error.contains(says), "{way}: {error}");
            assert!(error.len() <= 8 << 10 && !error.contains(char::is_control), "{way}: {error}");
            assert!(!error.contains("panicked"), "{way}: {error}");
        }
    }
}

/// Nothing here is timed, but what hangs is red.
pub(super) async fn in_time<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), call).await.expect("it hangs")
}

/// Adds a section to a component.
pub(super) fn section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    out.extend(leb(u32::try_from(content.len()).unwrap()));
    out.extend(content);
}

/// A number as WebAssembly writes it.
pub(super) fn leb(mut number: u32) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

//! Components that want or offer what this host has not. The words of each difference are `inspect`'s own goldens;
//! here it is only that nothing of the kind gets in, whichever engine compiles it.

use super::suite::{Guest, each_refused, section};
use crate::guests::router;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component around one core module.
fn around(module: &str) -> Vec<u8> {
    wat(&format!("(component (core module {module}))"))
}

#[tokio::test]
async fn what_is_wanted_must_be_offered_with_its_types() {
    let importing = |name: &str, what: &str| wat(&format!(r#"(component (import "{name}" {what}))"#));
    // A good router whose last words are: a type of modules, and the import `m` of that type.
    let mut wants_module = router("(call $abstain)");
    section(&mut wants_module, 3, &[1, 0x50, 0]);
    section(&mut wants_module, 10, &[1, 0, 1, b'm', 0, 0x11, 0]);
    each_refused(&[
        ("what plugins export", importing("jackfield:plugin/routing@1.0.0", "(instance)"), "which this host does not give to routers"),
        ("a later major", importing("jackfield:plugin/log@2.0.0", "(instance)"), "wants jackfield:plugin/log@2.0.0; this host offers jackfield:plugin@1.0.0"),
        ("an earlier major", importing("jackfield:plugin/log@0.9.0", "(instance)"), "wants jackfield:plugin/log@0.9.0"),
        ("a preview", importing("jackfield:plugin/log@1.0.0-rc1", "(instance)"), "which links with no other major version or preview"),
        ("somebody else's", importing("acme:plugin/log@1.0.0", "(instance)"), "which is no part of jackfield:plugin@1.0.0"),
        ("a bare function", importing("log", "(func)"), "which is no part of jackfield:plugin@1.0.0"),
        ("a module", importing("m", "(core module)"), "exports nothing that this host calls"),
        ("a module, and a good router", wants_module, "component imports core module `m`"),
        ("a component", importing("c", "(component)"), "exports nothing that this host calls"),
        ("the network", importing("wasi:http/outgoing-handler@0.2.0", "(instance)"), "imports `wasi:http/outgoing-handler@0.2.0`"),
        (
            "right name, wrong type",
            importing("jackfield:plugin/clock@1.0.0", r#"(instance (export "now-ms" (func (result string))))"#),
            "it imports jackfield:plugin/clock@1.0.0 function `now-ms` as `func() -> string`",
        ),
        (
            "a resource of another's",
            importing("jackfield:plugin/clock@1.0.0", r#"(instance (export "clock" (type $c (sub resource))) (export "now-ms" (func (result (own $c)))))"#),
            "it imports jackfield:plugin/clock@1.0.0 function `now-ms` as `func() -> own`",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_offered_must_be_what_is_called() {
    let exporting = |name: &str, what: &str| {
        wat(&format!(
            r#"(component
                (core module $m (memory (export "m") 1) (func (export "f") (result i32) (i32.const 0)))
                (core instance $i (instantiate $m))
                (func $f (result string) (canon lift (core func $i "f") (memory (core memory $i "m"))))
                (instance $o {what}) (export "{name}" (instance $o)))"#
        ))
    };
    let route = r#"(export "route" (func $f))"#;
    each_refused(&[
        ("nothing", wat("(component)"), "exports nothing that this host calls"),
        (
            "another role",
            exporting("jackfield:plugin/validation@1.0.0", ""),
            "lacks what this host calls, `validate: func",
        ),
        (
            "a later major",
            exporting("jackfield:plugin/routing@2.0.0", ""),
            "to be called as jackfield:plugin/routing@2.0.0",
        ),
        ("no function", exporting("jackfield:plugin/routing@1.0.0", ""), "lacks what this host calls"),
        (
            "another type",
            exporting("jackfield:plugin/routing@1.0.0", route),
            "function `route` as `func() -> string`",
        ),
        (
            "somebody else's",
            exporting("acme:plugin/routing@1.0.0", route),
            "exports nothing that this host calls",
        ),
    ])
    .await;
}

#[tokio::test]
async fn features_that_this_host_does_not_run_are_refused() {
    let lift = |options: &str| {
        wat(&format!(
            r#"(component
                (core module $m
                    (memory (export "m") 1)
                    (func (export "f") (result i32) (i32.const 0))
                    (func (export "cb") (param i32 i32 i32) (result i32) (i32.const 0)))
                (core instance $i (instantiate $m))
                (func (export "f") async (result string) (canon lift (core func $i "f") {options})))"#
        ))
    };
    let with = |fields: &str| Guest { fields, ..Guest::default() }.build();
    let invalid = "is not a valid component";
    each_refused(&[
        ("an async-lifted export", lift(r#"async (memory (core memory $i "m")) (callback (core func $i "cb"))"#), invalid),
        ("streams", wat(r#"(component (type (stream u8)))"#), invalid),
        ("futures", wat(r#"(component (type (future u8)))"#), invalid),
        ("threads", around("(memory 1 1 shared)"), "threads"),
        ("atomics", around("(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"), "threads"),
        ("memory64", around("(memory i64 1)"), "memory64"),
        ("table64", around("(table i64 1 funcref)"), "memory64"),
        ("structs", around("(type (struct (field i32)))"), "gc"),
        ("arrays", around("(type (array i8))"), "gc"),
        ("i31", around("(func (drop (ref.i31 (i32.const 0))))"), "gc"),
        ("exceptions", with("(tag $e) (func (throw $e))"), "exceptions proposal not enabled"),
        (
            "a text without a memory",
            wat(r#"(component (core module $m (func (export "f") (result i32) (i32.const 0))) (core instance $i (instantiate $m))
                (type $t (func (result u32))) (func (export "f") (type $t) (canon lift (core func $i "f"))))"#),
            "exports nothing that this host calls",
        ),
        ("tagged names", wat(r#"(component (import "a" (func)) (import "b" (func (param "p" (list (list (list u8)))))))"#), "which is no part of"),
    ])
    .await;
}

/// What is beside the contract stands in nobody's way.
#[tokio::test]
async fn exports_of_its_own_are_its_own_affair() {
    let guest = Guest {
        world: "export mine: interface { f: func(); }",
        fields: r#"(func (export "mine#f"))"#,
        ..Guest::default()
    };
    for engine in super::suite::engines() {
        let plugin = crate::guests::load(engine, &guest.build(), crate::guests::limits()).await.unwrap();
        assert!(plugin.router().unwrap().route(crate::guests::ask("x")).await.is_ok());
        assert!(
            crate::guests::load(engine, &router("(call $abstain)"), crate::guests::limits()).await.is_ok()
        );
    }
}

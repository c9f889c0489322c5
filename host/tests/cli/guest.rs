//! Routers made without a toolchain, and one that costs a compiler dearly.

use std::path::Path;

use wasm_encoder::{CodeSection, Function, FunctionSection, Module, TypeSection, ValType};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WORLD: &str = "package test:guest; world guest { export jackfield:plugin/routing@1.0.0; }";

/// A router that sends every request to this model.
pub(crate) fn router_to(model: &str) -> Vec<u8> {
    let len = model.len();
    // The answer at 1024: ok, a route of one target at 2048, whose name is at 3072; no reason, no labels.
    router(&format!(
        r#"(data (i32.const 3072) "{model}")
           (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32)
                (i32.store (i32.const 1032) (i32.const 2048))
                (i32.store (i32.const 1036) (i32.const 1))
                (i32.store (i32.const 2048) (i32.const 3072))
                (i32.store (i32.const 2052) (i32.const {len}))
                (i32.const 1024))"#
    ))
}

/// A router that traps on every call.
pub(crate) fn trapping() -> Vec<u8> {
    router(r#"(func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) unreachable)"#)
}

/// A good router with a module of so many functions beside it, which nothing uses and everything compiles.
pub(crate) fn bomb(functions: u32) -> Vec<u8> {
    let (mut types, mut declared, mut code) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I32], [ValType::I32]);
    for _ in 0..functions {
        declared.function(0);
        let mut body = Function::new([]);
        let mut words = body.instructions();
        for _ in 0..4 {
            words.local_get(0).local_get(0).i32_mul().local_set(0);
        }
        words.local_get(0).end();
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    let module = module.finish();
    // A component's section 1 is a core module.
    let mut component = router_to("fast-model");
    component.push(1);
    let mut rest = module.len();
    while rest >= 0x80 {
        component.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    component.push(rest as u8);
    component.extend_from_slice(&module);
    component
}

fn router(body: &str) -> Vec<u8> {
    let module = format!(
        r#"(module (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192)) {body})"#
    );
    component(WORLD, &module)
}

fn component(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let package = resolve.push_str("guest.wit", world).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// A router that asks this model `hello?` at every call and goes to it; its reason is the answer, or the error's text.
pub(crate) fn asking(model: &str) -> Vec<u8> {
    let len = model.len();
    // The question's one message at 6000, its result at 6200: the text, or an error's with its kind before it.
    component(
        "package test:guest; world guest {
            import jackfield:plugin/llm@1.0.0; export jackfield:plugin/routing@1.0.0; }",
        &format!(
            r#"(module
            (import "jackfield:plugin/llm@1.0.0" "complete" (func $complete
                (param i32 i32 i32 i32 i32 f64 i32 i32 i32 i32 i32 i32 i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 3072) "{model}")
            (data (i32.const 6000) "\d4\17\00\00\04\00\00\00\de\17\00\00\06\00\00\00")
            (data (i32.const 6100) "user") (data (i32.const 6110) "hello?")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) (local $text i32)
                (call $complete (i32.const 3072) (i32.const {len}) (i32.const 6000) (i32.const 1)
                    (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 6200))
                (local.set $text (select (i32.const 6212) (i32.const 6208) (i32.load8_u (i32.const 6200))))
                (i32.store (i32.const 1032) (i32.const 2048)) (i32.store (i32.const 1036) (i32.const 1))
                (i32.store (i32.const 2048) (i32.const 3072)) (i32.store (i32.const 2052) (i32.const {len}))
                (i64.store (i32.const 1044) (i64.load (local.get $text)))
                (i32.const 1024)))"#
        ),
    )
}

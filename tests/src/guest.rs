//! Plugins for tests, made without a toolchain: core WebAssembly text, encoded as a component by the
//! same library that toolchains use.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A router that sends every request to this model.
pub fn router_to(model: &str) -> Vec<u8> {
    let len = model.len();
    // The answer at 1024: ok, a route of one target at 2048, whose name is at 3072; no reason, no labels.
    component(&format!(
        r#"(module
            (memory (export "memory") 1)
            (data (i32.const 3072) "{model}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32)
                (i32.store (i32.const 1032) (i32.const 2048))
                (i32.store (i32.const 1036) (i32.const 1))
                (i32.store (i32.const 2048) (i32.const 3072))
                (i32.store (i32.const 2052) (i32.const {len}))
                (i32.const 1024)))"#
    ))
}

/// A router that traps on every call.
pub fn trapping() -> Vec<u8> {
    component(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) unreachable))"#,
    )
}

/// A router that computes until its limit is hit, on every call.
pub fn looping() -> Vec<u8> {
    component(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32)
                (loop (br 0)) unreachable))"#,
    )
}

/// A component of a core module that exports `routing`.
pub fn component(module: &str) -> Vec<u8> {
    const WORLD: &str = "package test:guest; world guest { export jackfield:plugin/routing@1.0.0; }";
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let package = resolve.push_str("guest.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

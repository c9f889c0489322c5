//! Plugins for tests, made without a toolchain: core WebAssembly text, encoded as a component by the
//! same library that toolchains use.

mod stream;

pub use stream::stream_guard;

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

/// A router that logs so many lines of this length at each call, and has no opinion.
pub fn talking(lines: u32, length: u32) -> Vec<u8> {
    component(&format!(
        r#"(module
            (import "jackfield:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
            (memory (export "memory") 2)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) (local $left i32)
                (local.set $left (i32.const {lines}))
                (memory.fill (i32.const 65536) (i32.const 104) (i32.const {length}))
                (loop $again
                    (call $log (i32.const 1) (i32.const 65536) (i32.const {length}))
                    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
                (i32.store8 (i32.const 1028) (i32.const 1))
                (i32.const 1024)))"#
    ))
}

/// A router that computes for ever.
pub fn endless() -> Vec<u8> {
    component(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32)
                (loop $l (br $l)) unreachable))"#,
    )
}

/// A router that counts in `kv` and sends each request to the model `model-N` for its count N, up to 9. A count of
/// two or more is forgotten again.
pub fn counting() -> Vec<u8> {
    // The key `n` at 3100; the count's result at 4096: ok at 0, the number at 8; the model's name at 3072.
    component(
        r#"(module
            (import "jackfield:plugin/kv@1.0.0" "increment"
                (func $increment (param i32 i32 i64 i32 i64 i32)))
            (import "jackfield:plugin/kv@1.0.0" "delete" (func $delete (param i32 i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 3072) "model-0")
            (data (i32.const 3100) "n")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32)
                (call $increment (i32.const 3100) (i32.const 1) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 4096))
                (if (i32.load8_u (i32.const 4096)) (then unreachable))
                (if (i64.ge_s (i64.load (i32.const 4104)) (i64.const 2)) (then
                    (call $delete (i32.const 3100) (i32.const 1) (i32.const 4200))
                    (if (i32.load8_u (i32.const 4200)) (then unreachable))))
                (i32.store8 (i32.const 3078) (i32.add (i32.const 48) (i32.load8_u (i32.const 4104))))
                (i32.store (i32.const 1032) (i32.const 2048))
                (i32.store (i32.const 1036) (i32.const 1))
                (i32.store (i32.const 2048) (i32.const 3072))
                (i32.store (i32.const 2052) (i32.const 7))
                (i32.const 1024)))"#,
    )
}

/// A validator whose `validate` has this body, which must leave the answer's address. `$accept` gives it, `$say` gives it
/// for a verdict (1: reject, 2: repair, 3: replace) with the first so many bytes of `say it again` or, for a
/// rejection, so many issues (0 or 1); `$score` sets the score, `$first` is the first byte of the answer's text.
pub fn validator(body: &str) -> Vec<u8> {
    // The answer at 1024, all zero (ok, accept, no score): the verdict at 1032, its text at 1036, the score at 1048.
    component_of(
        "package test:guest; world guest {
            import jackfield:plugin/response@1.0.0; export jackfield:plugin/validation@1.0.0; }",
        &format!(
            r#"(module
            (import "jackfield:plugin/response@1.0.0" "text" (func $text (param i32)))
            (memory (export "memory") 4)
            (data (i32.const 2048) "say it again")
            (data (i32.const 5120) "\00\08\00\00\0c\00\00\00")
            (global $next (mut i32) (i32.const 8192))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func $accept (result i32) (i32.const 1024))
            (func $say (param $verdict i32) (param $length i32) (result i32)
                (i32.store8 (i32.const 1032) (local.get $verdict))
                (i32.store (i32.const 1036)
                    (select (i32.const 5120) (i32.const 2048) (i32.eq (local.get $verdict) (i32.const 1))))
                (i32.store (i32.const 1040) (local.get $length))
                (i32.const 1024))
            (func $score (param f64)
                (i32.store8 (i32.const 1048) (i32.const 1))
                (f64.store (i32.const 1056) (local.get 0)))
            (func $first (result i32)
                (call $text (i32.const 7000))
                (i32.load8_u (i32.load (i32.const 7000))))
            (func (export "jackfield:plugin/validation@1.0.0#validate") (param i32) (result i32) {body}))"#
        ),
    )
}

/// A component of a core module that exports `routing` and may import `kv` and `log`.
pub fn component(module: &str) -> Vec<u8> {
    const WORLD: &str = "package test:guest; world guest {
        import jackfield:plugin/kv@1.0.0; import jackfield:plugin/log@1.0.0; export jackfield:plugin/routing@1.0.0; }";
    component_of(WORLD, module)
}

/// A component of a core module made for this world.
pub fn component_of(wit: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let package = resolve.push_str("guest.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// What guests that ask models share: the import, memory, and one question. `$ask` asks the model whose name is there
/// to `rate it`, for at most 5 tokens, and gives the first byte of the answer, or 256 and more for an error; `$reason`
/// is then the answer's text, or the error's. Names: `model-a` at 3072, `model-b` at 3080, `judge` at 3090, `nobody` at
/// 3100; `$message` is where the message's text is, with its length behind.
const LLM: &str = r#"
    (memory (export "memory") 4)
    (data (i32.const 3072) "model-a") (data (i32.const 3080) "model-b") (data (i32.const 3090) "judge")
    (data (i32.const 3100) "nobody") (data (i32.const 3110) "slow") (data (i32.const 3120) "budget")
    (data (i32.const 3130) "timed out")
    (data (i32.const 6000) "\d4\17\00\00\04\00\00\00\de\17\00\00\07\00\00\00")
    (data (i32.const 6100) "user") (data (i32.const 6110) "rate it")
    (global $message i32 (i32.const 6008))
    (global $next (mut i32) (i32.const 16384))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (local.get $at))
    (global $reason (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))
    (func $say (param i32 i32) (global.set $reason (local.get 0)) (global.set $length (local.get 1)))
    (func $ask (param i32 i32) (result i32)
        (call $complete (local.get 0) (local.get 1) (i32.const 6000) (i32.const 1)
            (i32.const 1) (f64.const 0.5) (i32.const 1) (i32.const 5) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 6200))
        (if (i32.eqz (i32.load8_u (i32.const 6200))) (then
            (call $say (i32.load (i32.const 6208)) (i32.load (i32.const 6212)))
            (return (i32.load8_u (i32.load (i32.const 6208))))))
        (call $say (i32.load (i32.const 6212)) (i32.load (i32.const 6216)))
        (if (i32.eq (i32.load8_u (i32.const 6208)) (i32.const 1)) (then (call $say (i32.const 3120) (i32.const 6))))
        (if (i32.eq (i32.load8_u (i32.const 6208)) (i32.const 2)) (then (call $say (i32.const 3130) (i32.const 9))))
        (i32.add (i32.const 256) (i32.load8_u (i32.const 6208))))
"#;

/// A router that may ask models, whose `route` has this body, which must leave the answer's address: `$route` with the
/// address of a name of 7 bytes, or `$abstain`; `$is_slow` tells whether the prompt contains `slow`. Its reason is what
/// it was told last. `LLM` has the rest.
pub fn consulting(body: &str) -> Vec<u8> {
    const WORLD: &str = "package test:guest; world guest {
        import jackfield:plugin/llm@1.0.0; import jackfield:plugin/request@1.0.0;
        export jackfield:plugin/routing@1.0.0; }";
    component_of(
        WORLD,
        &format!(
            r#"(module
            (import "jackfield:plugin/llm@1.0.0" "complete" (func $complete
                (param i32 i32 i32 i32 i32 f64 i32 i32 i32 i32 i32 i32 i32 i32)))
            (import "jackfield:plugin/request@1.0.0" "contains" (func $contains (param i32 i32) (result i32)))
            {LLM}
            (func $is_slow (result i32) (call $contains (i32.const 3110) (i32.const 4)))
            (func $reasoned (result i32)
                (i32.store (i32.const 1044) (global.get $reason)) (i32.store (i32.const 1048) (global.get $length))
                (i32.const 1024))
            (func $route (param i32) (result i32)
                (i32.store (i32.const 1032) (i32.const 2048)) (i32.store (i32.const 1036) (i32.const 1))
                (i32.store (i32.const 2048) (local.get 0)) (i32.store (i32.const 2052) (i32.const 7))
                (call $reasoned))
            (func $abstain (result i32) (i32.store8 (i32.const 1028) (i32.const 1)) (call $reasoned))
            (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) {body}))"#
        ),
    )
}

/// A check of streams that asks the model `judge` at every piece and at the end, and lets everything go.
pub fn judging_pieces() -> Vec<u8> {
    const WORLD: &str = "package test:guest; world guest {
        import jackfield:plugin/llm@1.0.0; export jackfield:plugin/stream-validation@1.0.0; }";
    component_of(
        WORLD,
        &format!(
            r#"(module
            (import "jackfield:plugin/llm@1.0.0" "complete" (func $complete
                (param i32 i32 i32 i32 i32 f64 i32 i32 i32 i32 i32 i32 i32 i32)))
            {LLM}
            (func $step (result i32)
                (drop (call $ask (i32.const 3090) (i32.const 5)))
                (i32.store8 (i32.const 1028) (i32.const 1)) (i32.store (i32.const 1032) (i32.const -1))
                (i32.const 1024))
            (func (export "jackfield:plugin/stream-validation@1.0.0#open") (param i32) (result i32) (i32.const 2048))
            (func (export "jackfield:plugin/stream-validation@1.0.0#push") (param i32 i32 i32 i32) (result i32)
                (call $step))
            (func (export "jackfield:plugin/stream-validation@1.0.0#finish") (result i32) (call $step)))"#
        ),
    )
}

/// A validator that asks the model `judge` about each answer's text, and rejects what is not answered with `y…`; its
/// issue is what it was told.
pub fn judging() -> Vec<u8> {
    const WORLD: &str = "package test:guest; world guest {
        import jackfield:plugin/llm@1.0.0; import jackfield:plugin/response@1.0.0;
        export jackfield:plugin/validation@1.0.0; }";
    component_of(
        WORLD,
        &format!(
            r#"(module
            (import "jackfield:plugin/llm@1.0.0" "complete" (func $complete
                (param i32 i32 i32 i32 i32 f64 i32 i32 i32 i32 i32 i32 i32 i32)))
            (import "jackfield:plugin/response@1.0.0" "text" (func $text (param i32)))
            {LLM}
            (func (export "jackfield:plugin/validation@1.0.0#validate") (param i32) (result i32)
                (call $text (global.get $message))
                (if (i32.ne (call $ask (i32.const 3090) (i32.const 5)) (i32.const 121)) (then
                    (i32.store8 (i32.const 1032) (i32.const 1))
                    (i32.store (i32.const 1036) (i32.const 5120)) (i32.store (i32.const 1040) (i32.const 1))
                    (i32.store (i32.const 5120) (global.get $reason))
                    (i32.store (i32.const 5124) (global.get $length))))
                (i32.const 1024)))"#
        ),
    )
}

//! A check of streamed answers with a tail: what a writer of one would write first, in core WebAssembly text.

use super::component_of;

/// A stream-validator that holds back the last `tail` bytes of each choice, which must be one less than the longest word
/// at least. It rejects an answer or a tool call with the word `forbidden`, also when that comes in pieces; puts `*` in
/// place of all but the first byte of the word `hidden`; traps at `boom` and computes for ever at `spin`. For up to eight
/// choices, 256 KiB held of each.
pub fn stream_guard(forbidden: &str, hidden: &str, tail: usize) -> Vec<u8> {
    let (forbid, hide) = (forbidden.len(), hidden.len());
    // Words from 2048 on; the one issue `a forbidden word` at 5120; held lengths at 1024, held texts from 1 MiB on, arguments
    // from 4 MiB on. The answer at 3072: ok at 0, the step at 4 (0: hold, 1: release, 2: replace, 3: reject), its value at 8.
    component_of(
        "package test:guest; world guest { export jackfield:plugin/stream-validation@1.0.0; }",
        &format!(
            r#"(module
            (memory (export "memory") 200)
            (data (i32.const 2048) "{forbidden}")
            (data (i32.const 2304) "{hidden}")
            (data (i32.const 2560) "boom")
            (data (i32.const 2568) "spin")
            (data (i32.const 5120) "\00\15\00\00\10\00\00\00")
            (data (i32.const 5376) "a forbidden word")
            (global $next (mut i32) (i32.const 4194304))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func $is (param $at i32) (param $word i32) (param $size i32) (result i32)
                (loop $more
                    (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
                    (local.set $size (i32.sub (local.get $size) (i32.const 1)))
                    (br_if $more (i32.eq
                        (i32.load8_u (i32.add (local.get $at) (local.get $size)))
                        (i32.load8_u (i32.add (local.get $word) (local.get $size))))))
                (i32.const 0))
            ;; Where the word is in these bytes, or 0.
            (func $find (param $at i32) (param $length i32) (param $word i32) (param $size i32) (result i32)
                (loop $more
                    (if (i32.lt_u (local.get $length) (local.get $size)) (then (return (i32.const 0))))
                    (if (call $is (local.get $at) (local.get $word) (local.get $size))
                        (then (return (local.get $at))))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (local.set $length (i32.sub (local.get $length) (i32.const 1)))
                    (br $more))
                unreachable)
            (func $say (param $step i32) (param $value i32) (param $size i32) (result i32)
                (i32.store8 (i32.const 3076) (local.get $step))
                (i32.store (i32.const 3080) (local.get $value))
                (i32.store (i32.const 3084) (local.get $size))
                (i32.const 3072))
            (func $reject (result i32) (call $say (i32.const 3) (i32.const 5120) (i32.const 1)))
            (func (export "jackfield:plugin/stream-validation@1.0.0#open") (param i32) (result i32)
                (i32.const 3072))
            (func (export "jackfield:plugin/stream-validation@1.0.0#push")
                (param $choice i32) (param $kind i32) (param $at i32) (param $length i32) (result i32)
                (local $count i32) (local $text i32) (local $held i32) (local $found i32) (local $changed i32)
                (global.set $next (i32.const 4194304))
                (local.set $count (i32.add (i32.const 1024) (i32.shl (local.get $choice) (i32.const 2))))
                (local.set $text (i32.add (i32.const 1048576) (i32.shl (local.get $choice) (i32.const 18))))
                (local.set $held (i32.load (local.get $count)))
                (if (i32.eq (local.get $kind) (i32.const 2)) (then
                    (i32.store (local.get $count) (i32.const 0))
                    (return (call $say (i32.const 1) (local.get $held) (i32.const 0)))))
                (if (i32.eq (local.get $kind) (i32.const 1)) (then
                    (if (call $find (local.get $at) (local.get $length) (i32.const 2048) (i32.const {forbid}))
                        (then (return (call $reject))))
                    (return (call $say (i32.const 0) (i32.const 0) (i32.const 0)))))
                (memory.copy (i32.add (local.get $text) (local.get $held)) (local.get $at) (local.get $length))
                (local.set $held (i32.add (local.get $held) (local.get $length)))
                (if (call $find (local.get $text) (local.get $held) (i32.const 2048) (i32.const {forbid}))
                    (then (return (call $reject))))
                (if (call $find (local.get $text) (local.get $held) (i32.const 2560) (i32.const 4))
                    (then unreachable))
                (if (call $find (local.get $text) (local.get $held) (i32.const 2568) (i32.const 4))
                    (then (loop $spin (br $spin))))
                (loop $hide
                    (local.set $found
                        (call $find (local.get $text) (local.get $held) (i32.const 2304) (i32.const {hide})))
                    (if (local.get $found) (then
                        (local.set $changed (i32.const 1))
                        (memory.fill (i32.add (local.get $found) (i32.const 1)) (i32.const 42) (i32.const {stars}))
                        (br $hide))))
                (if (local.get $changed) (then
                    (i32.store (local.get $count) (i32.const 0))
                    (return (call $say (i32.const 2) (local.get $text) (local.get $held)))))
                (if (i32.le_u (local.get $held) (i32.const {tail})) (then
                    (i32.store (local.get $count) (local.get $held))
                    (return (call $say (i32.const 0) (i32.const 0) (i32.const 0)))))
                (local.set $held (i32.sub (local.get $held) (i32.const {tail})))
                (memory.copy (local.get $text) (i32.add (local.get $text) (local.get $held)) (i32.const {tail}))
                (i32.store (local.get $count) (i32.const {tail}))
                (call $say (i32.const 1) (local.get $held) (i32.const 0)))
            (func (export "jackfield:plugin/stream-validation@1.0.0#finish") (result i32)
                (call $say (i32.const 1) (i32.const -1) (i32.const 0))))"#,
            stars = hide - 1,
        ),
    )
}

//! Any bytes at all, as files: damaged, cut and spliced components are refused or load and serve; none panics.
//!
//! Seeded: the same thousands of files every time. Nearly all die in validation; the few that live are called.

use super::suite::{Guest, engines, in_time};
use crate::Plugin;
use crate::guests::{ask, component, limits, router, settings};

/// A generator of numbers (xorshift64*), the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides.max(1)
    }
}

/// What became of the files so far.
#[derive(Debug)]
struct Fate {
    /// One folder for all of them.
    dir: tempfile::TempDir,
    refused: usize,
    loaded: usize,
}

impl Fate {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), refused: 0, loaded: 0 }
    }

    async fn of(&mut self, what: &str, bytes: &[u8]) {
        let path = self.dir.path().join("guest.wasm");
        std::fs::write(&path, bytes).unwrap();
        match in_time(Plugin::load(&engines()[1], "guest", &path, settings(limits(), false))).await {
            Err(error) => {
                let error = error.to_string();
                assert!(!error.contains("panicked") && !error.contains(char::is_control), "{what}: {error}");
                self.refused += 1;
            }
            Ok(plugin) => {
                // Whatever it has become: an answer or a fault.
                for prompt in ["", "x"] {
                    let _ = in_time(plugin.router().unwrap().route(ask(prompt))).await;
                }
                self.loaded += 1;
            }
        }
    }
}

fn small() -> [Vec<u8>; 3] {
    let bare = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
        (func (export "jackfield:plugin/routing@1.0.0#route") (param i32) (result i32) (i32.const 1024)))"#;
    [router("(call $abstain)"), Guest { body: "unreachable", ..Guest::default() }.build(), component(bare)]
}

/// The committed components.
fn large() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins");
    let files =
        ["urgent-router.wasm", "cheapest-capable/cheapest-capable.wasm", "least-loaded/least-loaded.wasm"];
    files.iter().map(|file| std::fs::read(folder.join(file)).unwrap()).collect()
}

#[tokio::test]
async fn cut_files_are_refused() {
    let mut fate = Fate::new();
    for file in small() {
        for end in (0..file.len()).step_by(5) {
            fate.of(&format!("{end} bytes"), &file[..end]).await;
        }
    }
    for file in large() {
        for end in (0..file.len()).step_by(file.len() / 100) {
            fate.of(&format!("{end} bytes"), &file[..end]).await;
        }
    }
    assert!(fate.refused > 1_200, "{fate:?}");
}

#[tokio::test]
async fn flipped_bits_never_panic() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut fate = Fate::new();
    for (file, times) in small().into_iter().map(|f| (f, 600)).chain(large().into_iter().map(|f| (f, 20))) {
        for time in 0..times {
            let mut bytes = file.clone();
            for _ in 0..=dice.roll(3) {
                let at = 8 + dice.roll(bytes.len() - 8);
                bytes[at] ^= 1 << dice.roll(8);
            }
            fate.of(&format!("flips {time}"), &bytes).await;
        }
    }
    assert!(fate.refused > 500 && fate.loaded > 10, "{fate:?}");
}

/// Pieces of one file in another: repeated, left out, put elsewhere, overwritten.
#[tokio::test]
async fn spliced_files_never_panic() {
    let mut dice = Dice(0xd1b5_4a32_d192_ed03);
    let mut fate = Fate::new();
    let files: Vec<Vec<u8>> = small().into_iter().chain(large().into_iter().take(1)).collect();
    for time in 0..800 {
        let (into, from) = (&files[dice.roll(files.len())], &files[dice.roll(files.len())]);
        let (at, len) = (dice.roll(from.len()), dice.roll(512));
        let piece = &from[at..(at + len).min(from.len())];
        let at = 8 + dice.roll(into.len() - 8);
        let mut bytes = into.clone();
        let end = (at + dice.roll(2) * piece.len()).min(bytes.len());
        bytes.splice(at..end, piece.iter().copied());
        fate.of(&format!("splice {time}"), &bytes).await;
    }
    // Whole sections, so that more of it is well formed.
    let sections: Vec<Vec<Vec<u8>>> = files.iter().map(|file| sections(file)).collect();
    for time in 0..800 {
        let mut parts = sections[dice.roll(3)].clone();
        let other = &sections[dice.roll(3)];
        match dice.roll(4) {
            0 => drop(parts.remove(dice.roll(parts.len()))),
            1 => parts.insert(dice.roll(parts.len()), other[dice.roll(other.len())].clone()),
            2 => {
                let at = dice.roll(parts.len());
                parts[at].clone_from(&other[dice.roll(other.len())]);
            }
            _ => {
                let (a, b) = (dice.roll(parts.len()), dice.roll(parts.len()));
                parts.swap(a, b);
            }
        }
        let bytes = [b"\0asm\x0d\0\x01\0".to_vec(), parts.concat()].concat();
        fate.of(&format!("sections {time}"), &bytes).await;
    }
    assert!(fate.refused > 1_000, "{fate:?}");
}

/// A component's sections, each with its head.
fn sections(file: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &file[8..];
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (mut len, mut head) = (0_usize, 1);
        loop {
            let byte = rest[head];
            len |= usize::from(byte & 0x7f) << (7 * (head - 1));
            head += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (section, after) = rest.split_at(head + len);
        out.push(section.to_vec());
        rest = after;
    }
    out
}

#[tokio::test]
async fn noise_is_refused() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut fate = Fate::new();
    for time in 0..1_000 {
        let noise: Vec<u8> = (0..dice.roll(200)).map(|_| dice.roll(256) as u8).collect();
        let head: &[u8] = match time % 3 {
            0 => b"",
            1 => b"\0asm\x0d\0\x01\0",
            _ => b"\0asm\x01\0\0\0",
        };
        fate.of(&format!("noise {time}"), &[head, &noise].concat()).await;
    }
    assert_eq!(fate.loaded, 0);
}

//! Which compiler on this machine can build for WebAssembly.
//!
//! The usual one has the target installed. Where rustup cannot reach its servers, a distribution's compiler and
//! its copy of the standard library's source do as well (Debian: `rustc-web cargo-web rust-web-src`), with the
//! linker that every rustup toolchain carries.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that plugins are built for: no WASI, nothing but the contract.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// No compiler here can build for WebAssembly.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// There is no compiler with the target or with the source to build it.
    #[error(
        "find a Rust compiler for {TARGET} (looked at: {looked}). Install the target with \
         `rustup target add {TARGET}`; where rustup cannot reach its servers, Debian has what is needed: \
         `apt-get install rustc-web cargo-web rust-web-src`"
    )]
    Missing {
        /// The compilers there are.
        looked: String,
    },
    /// There is a compiler with the source, and no linker.
    #[error(
        "find the linker `rust-lld`, which {} needs for {TARGET}: any rustup toolchain carries it \
         (lib/rustlib/*/bin); install one, or put rust-lld on PATH", rustc.display()
    )]
    NoLinker {
        /// The compiler.
        rustc: PathBuf,
    },
}

/// A compiler that can build for WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toolchain {
    /// Its Cargo.
    pub(super) cargo: PathBuf,
    /// Its compiler.
    pub(super) rustc: PathBuf,
    /// Where the standard library comes from.
    pub(super) std: Std,
}

/// Where the standard library for the target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Std {
    /// It came with the compiler.
    Installed,
    /// It is built along with the plugin.
    FromSource {
        /// The linker, which such compilers come without.
        linker: PathBuf,
        /// The standard library's source.
        source: PathBuf,
    },
}

/// The best compiler here: one with the target installed, else one with the source to build it.
pub(super) fn detect() -> Result<Toolchain, ToolchainError> {
    let compilers = compilers();
    for (cargo, rustc) in &compilers {
        if has_target(rustc) {
            return Ok(Toolchain { cargo: cargo.clone(), rustc: rustc.clone(), std: Std::Installed });
        }
    }
    let sysroots: Vec<Option<PathBuf>> =
        compilers.iter().map(|(_, rustc)| ask(rustc, &["--print", "sysroot"])).collect();
    for ((cargo, rustc), sysroot) in compilers.iter().zip(&sysroots) {
        let Some(source) = sysroot.as_deref().and_then(std_source) else { continue };
        let linker = find_linker(sysroots.iter().flatten())
            .ok_or_else(|| ToolchainError::NoLinker { rustc: rustc.clone() })?;
        let std = Std::FromSource { linker, source };
        return Ok(Toolchain { cargo: cargo.clone(), rustc: rustc.clone(), std });
    }
    let looked: Vec<String> = compilers.iter().map(|(_, rustc)| rustc.display().to_string()).collect();
    let looked = if looked.is_empty() { "none on PATH".into() } else { looked.join(", ") };
    Err(ToolchainError::Missing { looked })
}

/// Every pair of `cargo` and `rustc` in one folder: those on PATH in its order, then the distribution's own.
fn compilers() -> Vec<(PathBuf, PathBuf)> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut pairs: Vec<(PathBuf, PathBuf)> = Vec::new();
    for dir in env::split_paths(&path).chain([PathBuf::from("/usr/bin")]) {
        let pair = (executable(&dir, "cargo"), executable(&dir, "rustc"));
        if pair.0.is_file() && pair.1.is_file() && !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

fn has_target(rustc: &Path) -> bool {
    ask(rustc, &["--print", "target-libdir", "--target", TARGET]).is_some_and(|dir| holds(&dir, "libstd-"))
}

fn std_source(sysroot: &Path) -> Option<PathBuf> {
    let source = sysroot.join("lib/rustlib/src/rust/library");
    // A lock file belongs to it: without one Cargo would have to resolve the standard library anew.
    (source.join("std/Cargo.toml").is_file() && source.join("Cargo.lock").is_file()).then_some(source)
}

/// `rust-lld` on PATH, else the one a toolchain carries.
fn find_linker<'a>(sysroots: impl Iterator<Item = &'a PathBuf>) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).collect::<Vec<_>>();
    let carried = sysroots
        .filter_map(|sysroot| sysroot.join("lib/rustlib").read_dir().ok())
        .flatten()
        .filter_map(|host| Some(host.ok()?.path().join("bin")));
    on_path.into_iter().chain(carried).map(|dir| executable(&dir, "rust-lld")).find(|linker| linker.is_file())
}

/// A compiler's one-line answer, as a path.
fn ask(rustc: &Path, question: &[&str]) -> Option<PathBuf> {
    let output = Command::new(rustc).args(question).output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn holds(dir: &Path, prefix: &str) -> bool {
    let starts = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(prefix));
    dir.read_dir().is_ok_and(|entries| entries.flatten().any(|entry| starts(&entry.file_name())))
}

fn executable(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

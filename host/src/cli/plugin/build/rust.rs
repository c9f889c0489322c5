//! A plugin in Rust: Cargo builds a module of it, by whichever compiler here can.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::error::BuildError;
use crate::cli::plugin::cargo::{self, CargoError, Package};
use crate::cli::plugin::digest;
use crate::cli::plugin::stamp::{ABI, Stamp};
use crate::cli::plugin::toolchain::{self, Std, TARGET, Toolchain};

/// A compiled package.
pub(super) struct Compiled {
    /// Its folder.
    pub(super) dir: PathBuf,
    /// The core module.
    pub(super) module: Vec<u8>,
    /// What it was made from.
    pub(super) stamp: Stamp,
}

/// Compiles the package in a folder.
pub(super) fn build(dir: &Path, target_dir: Option<&Path>) -> Result<Compiled, BuildError> {
    let package = cargo::package(dir)?;
    if !package.is_cdylib {
        return Err(BuildError::NotCdylib(package.name));
    }
    let toolchain = toolchain::detect()?;
    cargo::lock(&package)?;
    let source = digest::source_digest(&package.dir)?;
    let sdk = sdk(&package)?;
    let module = compile(&toolchain, &package, sdk.as_ref(), target_dir)?;
    if digest::source_digest(&package.dir)? != source {
        return Err(BuildError::Changed(package.name));
    }
    let stamp = Stamp {
        abi: ABI.into(),
        name: package.name,
        version: package.version,
        language: "rust".into(),
        sdk: sdk.map_or_else(|| "locked".into(), |sdk| sdk.version),
        source,
    };
    Ok(Compiled { dir: package.dir, module, stamp })
}

/// The core module of a package, in its release profile.
fn compile(
    toolchain: &Toolchain,
    package: &Package,
    sdk: Option<&Package>,
    target_dir: Option<&Path>,
) -> Result<Vec<u8>, BuildError> {
    // A folder of its own: the compiler for plugins may be another than the one for everything else.
    let target_dir = target_dir.map_or_else(|| package.target_dir.join("jackfield-plugin"), Path::to_owned);
    let mut command = Command::new(&toolchain.cargo);
    command
        .env("RUSTC", &toolchain.rustc)
        .args(["build", "--release", "--lib", "--locked", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(package.dir.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir)
        .arg("--config")
        .arg(rustflags(toolchain, sdk));
    if let Std::FromSource { linker, .. } = &toolchain.std {
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size", "--config"])
            .arg(format!("target.{TARGET}.linker={:?}", linker.display().to_string()));
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| BuildError::Start { program: toolchain.cargo.clone(), source })?;
    if !output.status.success() {
        return Err(BuildError::Compile(package.name.clone()));
    }
    let path = module_path(&output.stdout, &package.dir.join("Cargo.toml"))
        .ok_or_else(|| BuildError::NoModule(package.name.clone()))?;
    std::fs::read(&path).map_err(|source| BuildError::Read { path, source })
}

/// Room for the heap in the initial memory, in bytes: what the SDK's allocator asks for at first. A fresh instance that finds
/// it there does not grow its memory.
const INITIAL_HEAP: u32 = 64 << 10;

/// Cargo configuration that leaves room for a heap, and keeps this machine's folders out of the component: panic messages
/// name files.
///
/// The flags are the same for every plugin, else each would compile a standard library of its own. The plugin's
/// own files need none: Cargo names them from its folder.
fn rustflags(toolchain: &Toolchain, sdk: Option<&Package>) -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registry = home.map(|home| (home.join("registry/src"), "registry"));
    let std = match &toolchain.std {
        Std::FromSource { source, .. } => Some((source.clone(), "std")),
        Std::Installed => None,
    };
    let sdk = sdk.map(|sdk| (sdk.dir.clone(), "jackfield-plugin"));
    // A TOML string escapes as Rust's does, for every path there is.
    let flags: Vec<String> = [registry, std, sdk]
        .into_iter()
        .flatten()
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
        .chain([format!("-Clink-arg=--initial-heap={INITIAL_HEAP}")])
        .map(|flag| format!("{flag:?}"))
        .collect();
    format!("target.{TARGET}.rustflags=[{}]", flags.join(","))
}

/// Where cargo says the package's module is.
fn module_path(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        manifest_path: Option<PathBuf>,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    let messages = messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    messages
        .filter(|message: &Message| {
            message.reason == "compiler-artifact" && message.manifest_path.as_deref() == Some(manifest)
        })
        .flat_map(|message| message.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// The SDK's package, if it is taken by path; one from a registry is pinned by the lock file.
fn sdk(package: &Package) -> Result<Option<Package>, CargoError> {
    for dir in &package.path_dependencies {
        let dependency = cargo::package(dir)?;
        if dependency.name == digest::SDK {
            return Ok(Some(dependency));
        }
    }
    Ok(None)
}

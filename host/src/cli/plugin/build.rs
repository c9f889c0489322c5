//! `jackfield plugin build [DIR]`: from a folder of source to a component that a host can load.
//!
//! Find a compiler → lock → digest the sources → compile → encode, stamp, validate → write. The sources are
//! digested again after compiling: a stamp never vouches for an edit that came in between.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde::Deserialize;

use super::cargo::{self, CargoError, Package};
use super::digest::{self, DigestError};
use super::seal::{self, SealError};
use super::stamp::{ABI, Stamp};
use super::toolchain::{self, Std, TARGET, Toolchain, ToolchainError};

/// What to build, and where to put it.
#[derive(Args, Clone, Debug)]
pub struct BuildArgs {
    /// The plugin's folder, the one with its Cargo.toml
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// Where to write the component [default: beside the folder if that is a plugin folder, else inside]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Where to keep what the compiler makes; several plugins may share one
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<PathBuf>,
}

/// A built plugin. Displayed, it says what an author wants to know.
#[derive(Clone, Debug)]
pub struct Built {
    /// The component.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: usize,
    /// What it carries about its making.
    pub stamp: Stamp,
    /// What a host will call in it: `routing`, `validation`, `stream-validation`.
    pub exports: Vec<String>,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, size, stamp, exports } = self;
        writeln!(f, "{} {} ({})", stamp.name, stamp.version, exports.join(", "))?;
        writeln!(f, "  component  {}", path.display())?;
        writeln!(f, "  size       {:.1} kB", *size as f64 / 1000.0)?;
        writeln!(f, "  contract   {}", stamp.abi)?;
        write!(f, "  source     {}", stamp.source)
    }
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no package in the folder.
    #[error("build {}: there is no Cargo.toml; name the plugin's folder", .0.display())]
    NoPackage(PathBuf),
    /// The package does not build to a module.
    #[error("build {0}: it is no cdylib; add `[lib]` with `crate-type = [\"cdylib\"]` to its Cargo.toml")]
    NotCdylib(String),
    /// The compiler does not start.
    #[error("run {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The compiler refused; it said why itself.
    #[error("compile {0}: see the compiler's messages above")]
    Compile(String),
    /// The compiler finished and named no module.
    #[error("find the module that cargo built of {0}")]
    NoModule(String),
    /// The module cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody edited while the compiler ran.
    #[error("stamp {0}: its sources changed while it was compiled; build it again")]
    Changed(String),
    /// No compiler.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Cargo does not understand the package.
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// The sources cannot be digested.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The module makes no plugin.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Builds the plugin in a folder. The compiler's progress and messages go to standard error.
///
/// # Errors
/// Something is missing, does not compile, or cannot be written; the error says what to do about it.
pub fn build(args: &BuildArgs) -> Result<Built, BuildError> {
    if !args.dir.join("Cargo.toml").is_file() {
        return Err(BuildError::NoPackage(args.dir.clone()));
    }
    let package = cargo::package(&args.dir)?;
    if !package.is_cdylib {
        return Err(BuildError::NotCdylib(package.name));
    }
    let toolchain = toolchain::detect()?;
    cargo::lock(&package)?;
    let source = digest::source_digest(&package.dir)?;
    let sdk = sdk(&package)?;
    let module = compile(&toolchain, &package, sdk.as_ref(), args.target_dir.as_deref())?;
    if digest::source_digest(&package.dir)? != source {
        return Err(BuildError::Changed(package.name));
    }

    let stamp = Stamp {
        abi: ABI.into(),
        name: package.name.clone(),
        version: package.version.clone(),
        language: "rust".into(),
        sdk: sdk.map_or_else(|| "locked".into(), |sdk| sdk.version),
        source,
    };
    let sealed = seal::seal(&module, &stamp)?;
    let path = args.out.clone().unwrap_or_else(|| default_path(&package));
    seal::write(&sealed.bytes, &path)?;
    Ok(Built { path, size: sealed.bytes.len(), stamp, exports: sealed.exports })
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

/// Beside the plugin's folder if hosts watch there, else inside it.
fn default_path(package: &Package) -> PathBuf {
    let file = format!("{}.wasm", package.name);
    match package.dir.parent() {
        Some(parent) if is_drop_folder(parent) => parent.join(file),
        _ => package.dir.join(file),
    }
}

/// A folder that hosts watch: it is called `plugins`, or holds components already.
fn is_drop_folder(dir: &Path) -> bool {
    let is_component = |path: PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    dir.file_name().is_some_and(|name| name == "plugins")
        || dir.read_dir().is_ok_and(|entries| entries.flatten().any(|entry| is_component(entry.path())))
}

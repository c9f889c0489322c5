//! A plugin in C: compiled by zig or clang for a machine without an operating system, linked with the kit's few files, and given the
//! contract's types.
//!
//! There is no libc of the host or of anybody in it. A compiler's messages name the author's own files. The compiler writes into
//! the build's own folder alone, caches included.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{Parser, Payload};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::error::BuildError;
use super::language::Language;
use super::project::Project;
use super::tools::{Tools, run};
use super::wit::WIT;
use super::{Embedded, Made, Sources, write_files};

macro_rules! sdk {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../../plugin-sdk/c/", $name)))),*]
    };
}

/// The SDK's own files; the digest covers them.
pub(super) const SDK: Embedded = sdk![
    "jackfield.h",
    "jackfield/answer.h",
    "jackfield/contract.h",
    "jackfield/host.h",
    "jackfield/json.h",
    "jackfield/plugin.h",
    "jackfield/text.h",
    "src/answer.c",
    "src/expect.c",
    "src/host.c",
    "src/json.c",
    "src/memory.c",
    "src/number.c",
    "src/number.h",
    "src/plugin.c",
    "src/text.c",
];

/// Installs zig for one user or in one virtual environment, as the program `python-zig`.
const INSTALL: &str = "python3 -m pip install ziglang==0.15.2";

/// Small before fast: a component is compiled again when it is loaded. A section a function, so that the linker drops what is not
/// called, imports included.
const FLAGS: [&str; 8] = [
    "-std=gnu2x",
    "-Os",
    "-mbulk-memory",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wall",
    "-Wextra",
    // A rule need not look at everything that it is given.
    "-Wno-unused-parameter",
];

/// The stack comes first and is a page of WebAssembly's (64 KiB): what overflows it traps, and a fresh instance is small.
const LINK: [&str; 7] = [
    "--no-entry",
    "--gc-sections",
    "--strip-all",
    "--stack-first",
    "-z",
    "stack-size=65536",
    "--fatal-warnings",
];

/// What an interface's export makes a plugin, and the world with the most imports that it may have; those that are not called are
/// not imported.
const WORLDS: [(&str, &str); 3] = [
    ("jackfield:plugin/routing@1.0.0#", "router-llm"),
    ("jackfield:plugin/validation@1.0.0#", "validator-llm"),
    ("jackfield:plugin/stream-validation@1.0.0#", "stream-validator"),
];

/// Makes the plugin in an empty folder of its own.
pub(super) fn make(project: &Project, work: &Path) -> Result<(Made, Sources), BuildError> {
    let compiler = Compiler::find(&project.tools)?;
    let (source, sdk, wit) = (work.join("source"), work.join("sdk"), work.join("wit"));
    project.copy_into(&source)?;
    write_files(SDK, &sdk)?;
    write_files(WIT, &wit)?;

    let units = |name: &&Path| name.extension().is_some_and(|extension| extension == "c");
    let own = project.sources.iter().map(PathBuf::as_path).filter(units).map(|name| (&source, name));
    let kit = SDK.iter().map(|(name, _)| Path::new(*name)).filter(units).map(|name| (&sdk, name));
    let mut objects = Vec::new();
    // The author's own first: what is wrong is most likely there.
    for (number, (dir, unit)) in own.chain(kit).enumerate() {
        // The linker names objects when it misses something.
        let file = unit.file_name().map(|file| file.to_string_lossy()).unwrap_or_default();
        let object = work.join(format!("{number}-{file}.o"));
        let mut command = compiler.compile(work);
        command
            .current_dir(dir)
            .args(FLAGS)
            .arg("-I")
            .arg(&sdk)
            .arg(format!("-DJF_PLUGIN_NAME={:?}", project.name))
            .arg(format!("-DJF_PLUGIN_VERSION={:?}", project.version))
            .arg("-c")
            .arg(argument(unit))
            .arg("-o")
            .arg(&object);
        let warned = run(&mut command, &project.name)?.stderr;
        // Nobody is to blame when nobody listens.
        let _ = std::io::stderr().write_all(&warned);
        objects.push(object);
    }
    let linked = work.join("plugin.wasm");
    run(compiler.link(work).args(LINK).args(&objects).arg("-o").arg(&linked), &project.name)?;
    let mut module =
        std::fs::read(&linked).map_err(|source| BuildError::Read { path: linked.clone(), source })?;
    describe(&mut module, &wit, project)?;
    // There are no packages of C.
    Ok((Made::Module(module), Sources::new()))
}

/// A source as the compiler is given it: bare, `@r.c` would be a file of options, and `-x.c` one.
fn argument(unit: &Path) -> PathBuf {
    Path::new(".").join(unit)
}

/// Adds the contract's types to a module, by what it exports.
fn describe(module: &mut Vec<u8>, wit: &Path, project: &Project) -> Result<(), BuildError> {
    let ours = |error: String| BuildError::Refused {
        tool: "the encoder".into(),
        plugin: project.name.clone(),
        said: error,
    };
    let exports = exports(module).map_err(|error| ours(error.to_string()))?;
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).map_err(|error| ours(format!("{error:#}")))?;
    let mut kinds = 0;
    for (start, world) in WORLDS {
        if exports.iter().any(|export| export.starts_with(start)) {
            kinds += 1;
            resolve
                .select_world(&[package], Some(world))
                .and_then(|world| {
                    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false)
                })
                .map_err(|error| ours(format!("{error:#}")))?;
        }
    }
    if kinds == 0 {
        return Err(BuildError::Source {
            plugin: project.name.clone(),
            place: "plugin.c".into(),
            fault: "it exports nothing that a host calls; end it with JACKFIELD_ROUTER(route) or \
                    JACKFIELD_VALIDATOR(validate), without a semicolon"
                .into(),
        });
    }
    Ok(())
}

/// The names of a core module's exports.
fn exports(module: &[u8]) -> Result<Vec<String>, wasmparser::BinaryReaderError> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(section) = payload? {
            for export in section {
                names.push(export?.name.to_owned());
            }
        }
    }
    Ok(names)
}

/// A compiler for WebAssembly and its linker.
enum Compiler {
    /// Both in one program.
    Zig(PathBuf),
    /// Two programs of LLVM's.
    Clang { clang: PathBuf, linker: PathBuf },
}

impl Compiler {
    /// Zig, which is one package wherever there is Python; else clang, if its linker is there too.
    fn find(tools: &Tools) -> Result<Self, BuildError> {
        // The plugin's own folders come after every compiler of this machine's, not after its zig alone.
        Self::among(&tools.without_own()).or_else(|| Self::among(tools)).ok_or_else(|| BuildError::NoTool {
            tool: match tools.find("clang") {
                Some(_) => "zig (or wasm-ld beside clang)",
                None => "zig (or clang and wasm-ld)",
            }
            .into(),
            language: Language::C,
            install: INSTALL.into(),
        })
    }

    fn among(tools: &Tools) -> Option<Self> {
        if let Some(zig) = tools.find_any(&["zig", "python-zig"]) {
            return Some(Self::Zig(zig));
        }
        Some(Self::Clang { clang: tools.find("clang")?, linker: tools.find("wasm-ld")? })
    }

    fn compile(&self, work: &Path) -> Command {
        match self {
            // The sanitizer that zig adds has a library of its own.
            Self::Zig(zig) => {
                let mut command = at_home(zig, work);
                command.args(["cc", "-target", "wasm32-freestanding", "-fno-sanitize=undefined"]);
                command
            }
            Self::Clang { clang, .. } => {
                let mut command = Command::new(clang);
                command.args(["--target=wasm32-unknown-unknown", "-fvisibility=hidden"]);
                command
            }
        }
    }

    fn link(&self, work: &Path) -> Command {
        match self {
            Self::Zig(zig) => {
                let mut command = at_home(zig, work);
                command.arg("wasm-ld");
                command
            }
            Self::Clang { linker, .. } => Command::new(linker),
        }
    }
}

/// Zig keeps caches: not in the author's folder, and not in a home that may be read-only.
fn at_home(zig: &Path, work: &Path) -> Command {
    let mut command = Command::new(zig);
    command.env("ZIG_LOCAL_CACHE_DIR", work.join("cache")).env("ZIG_GLOBAL_CACHE_DIR", work.join("cache"));
    command
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;

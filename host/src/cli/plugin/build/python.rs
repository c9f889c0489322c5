//! A plugin in Python, made by componentize-py: find the one class, write the entry that nobody should have to write,
//! choose the world, run the tool, and tell what Python said as Python says it.
//!
//! Only the project's sources are there when the tool runs, beside this program's own SDK; pure-Python packages come from
//! a `.venv` in the plugin's folder. The author's modules run inside the tool's sandbox alone; the tool itself, and the Python
//! beside it, are those of that `.venv` when there are no others.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::error::BuildError;
use super::language::Language;
use super::project::Project;
use super::{Embedded, Made, Sources, tools, wit, write_files};
use crate::cli::plugin::digest::{self, DigestError};
use crate::cli::plugin::stamp::ABI;

macro_rules! sdk {
    ($($name:literal),* $(,)?) => {
        &[$((
            concat!("jackfield/", $name),
            include_str!(concat!("../../../../../plugin-sdk/python/jackfield/", $name)),
        )),*]
    };
}

/// The SDK's own files; the digest covers them. `testing` is for unit tests and is in no component.
pub(in crate::cli::plugin) const SDK: Embedded = sdk![
    "__init__.py",
    "_check.py",
    "_define.py",
    "_export.py",
    "_find.py",
    "_host.py",
    "_sandbox.py",
    "_settings.py",
    "_warm.py",
    "budget.py",
    "clock.py",
    "errors.py",
    "kv.py",
    "llm.py",
    "load.py",
    "log.py",
    "models.py",
    "request.py",
    "response.py",
    "router.py",
    "stream.py",
    "validator.py",
];

/// What there is besides for unit tests and editors.
pub(in crate::cli::plugin) const TESTING: Embedded = sdk!["py.typed", "testing.py"];

/// The tool and the version that this kit is tested with (`tests/guests/python/requirements.txt`).
const TOOL: &str = "componentize-py";
const INSTALL: &str = "python3 -m pip install componentize-py==0.25.1";

/// The entry's module: what componentize-py is asked to wrap.
const ENTRY: &str = "jackfield_entry";
/// The world that is made for it.
const WORLD: &str = "plugin";
/// Where the tool's Python sees the author's files: it numbers the folders that it is given.
const SEEN_AT: &str = "/1/";

/// How many modules the packages of an environment have at most.
const MAX_PACKAGED: usize = 32_768;

/// Makes the plugin in an empty folder of its own.
pub(super) fn make(project: &Project, work: &Path) -> Result<(Made, Sources), BuildError> {
    let missing = |tool: &str, install: &str| BuildError::NoTool {
        tool: tool.into(),
        language: Language::Python,
        install: install.into(),
    };
    let tool = project.tools.find(TOOL).ok_or_else(|| missing(TOOL, INSTALL))?;
    let python = interpreter(project, &tool).ok_or_else(|| {
        missing("python3", "apt-get install -y python3 (or https://www.python.org/downloads)")
    })?;

    let (sdk, sources) = (work.join("sdk"), work.join("plugin"));
    write_files(SDK, &sdk)?;
    project.copy_into(&sources)?;
    let (root, files) = modules(project);
    let sources = sources.join(root);

    let found = find(project, &python, &sdk, &sources, &files)?;
    let contract = work.join("wit");
    write_files(wit::WIT, &contract)?;
    write(contract.join("plugin.wit"), &world_text(project, &found)?)?;
    write(sdk.join(format!("{ENTRY}.py")), &entry_text(project, &found))?;

    let environment = packages(project, work);
    let held = packages_in(&environment)?;
    let component = work.join("component.wasm");
    let mut command = Command::new(&tool);
    command
        .current_dir(work)
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env("VIRTUAL_ENV", &environment);
    command.args(["--quiet", "--wit-path", "wit", "--world", WORLD]);
    command
        .args(["componentize", "--stub-wasi", "--python-path"])
        .arg(&sdk)
        .arg("--python-path")
        .arg(&sources);
    command.arg("--output").arg(&component).arg(ENTRY);
    tools::run(&mut command, &project.name).map_err(|error| told(project, error))?;
    if packages_in(&environment)? != held {
        return Err(BuildError::Changed(project.name.clone()));
    }
    let made = std::fs::read(&component).map_err(|source| BuildError::Read { path: component, source })?;
    Ok((Made::Component(made), held))
}

/// The Python that the tool itself runs with, else any: it only reads the author's files.
fn interpreter(project: &Project, tool: &Path) -> Option<PathBuf> {
    let suffix = std::env::consts::EXE_SUFFIX;
    // The tool may be a link into an environment of its own.
    let folder = tool.canonicalize().ok()?.parent()?.to_owned();
    let beside = ["python3", "python"].map(|name| folder.join(format!("{name}{suffix}")));
    let found = beside.into_iter().find(|path| path.is_file());
    found.or_else(|| project.tools.find_any(&["python3", "python"]))
}

/// The folder that modules are named from, `src` where all of them lie there, and the modules below it.
fn modules(project: &Project) -> (&'static str, Vec<PathBuf>) {
    let files =
        project.sources.iter().filter(|path| path.extension().is_some_and(|extension| extension == "py"));
    let files: Vec<PathBuf> = files.cloned().collect();
    match files.iter().map(|path| path.strip_prefix("src").map(Path::to_owned)).collect::<Result<Vec<_>, _>>()
    {
        Ok(below) if !below.is_empty() => ("src", below),
        _ => ("", files),
    }
}

fn write(path: PathBuf, text: &str) -> Result<(), BuildError> {
    std::fs::write(&path, text).map_err(|source| BuildError::Write { path, source })
}

/// The one class, as `_find.py` tells it.
#[derive(Debug, Deserialize)]
struct Found {
    module: String,
    class: String,
    /// Its file and line.
    place: String,
    /// Of `router`, `validator`, `stream-validator`.
    kinds: Vec<String>,
    /// Whether it asks models.
    llm: bool,
}

/// What keeps a folder from being a plugin, as `_find.py` tells it.
#[derive(Debug, Deserialize)]
struct Fault {
    fault: String,
    /// Empty when it is the whole folder's.
    place: String,
}

fn find(
    project: &Project,
    python: &Path,
    sdk: &Path,
    sources: &Path,
    files: &[PathBuf],
) -> Result<Found, BuildError> {
    let mut command = Command::new(python);
    // `-I`: neither this user's packages nor the working folder are looked at; `-B`: nothing is left behind.
    command.args(["-I", "-B"]).arg(sdk.join("jackfield/_find.py")).arg(sources).args(files);
    let output = tools::run(&mut command, &project.name)?;
    let said = |detail: String| BuildError::Refused {
        tool: "_find.py".into(),
        plugin: project.name.clone(),
        said: detail,
    };
    if let Ok(Fault { fault, place }) = serde_json::from_slice(&output.stdout) {
        let place = if place.is_empty() { project.dir.display().to_string() } else { place };
        return Err(BuildError::Source { plugin: project.name.clone(), place, fault });
    }
    serde_json::from_slice(&output.stdout).map_err(|error| said(error.to_string()))
}

/// The world of a class, made of the contract's own: the tool fails on several at once.
fn world_text(project: &Project, found: &Found) -> Result<String, BuildError> {
    // A check of streams has no world with models; together with another it has the other's.
    if found.llm && found.kinds == ["stream-validator"] {
        return Err(BuildError::Source {
            plugin: project.name.clone(),
            place: found.place.clone(),
            fault: "a check of streams cannot ask models: do not import jackfield.llm".into(),
        });
    }
    let included = found.kinds.iter().map(|kind| match (kind.as_str(), found.llm) {
        ("router" | "validator", true) => format!("    include {kind}-llm;\n"),
        _ => format!("    include {kind};\n"),
    });
    let included: String = included.collect();
    Ok(format!("package {ABI};\n\nworld {WORLD} {{\n{included}}}\n"))
}

/// The module with the classes that componentize-py looks for.
fn entry_text(project: &Project, found: &Found) -> String {
    let Found { module, class, kinds, .. } = found;
    // JSON writes a text as Python does.
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let exports = kinds.iter().map(|kind| match kind.as_str() {
        "router" => "Routing",
        "validator" => "Validation",
        _ => "StreamValidation",
    });
    let exports: String =
        exports.chain(["Lifecycle"]).map(|name| format!("{name} = _made[\"{name}\"]\n")).collect();
    format!(
        "from jackfield import _export, _sandbox\n_sandbox.prepare()\nimport {module} as _module\n_made = _export.export(_module.{class}, {}, {})\n\
         {exports}_sandbox.close()\n",
        text(&project.name),
        text(&project.version),
    )
}

/// The environment whose packages the plugin may import: its own, or one that has none, lest it gets this machine's.
fn packages(project: &Project, work: &Path) -> PathBuf {
    let own = [".venv", "venv"].map(|name| project.dir.join(name));
    own.into_iter().find(|dir| dir.is_dir()).unwrap_or_else(|| work.join("no-packages"))
}

/// Every module of an environment's packages: which of them a plugin imports only Python knows.
fn packages_in(environment: &Path) -> Result<Sources, BuildError> {
    let mut found = Sources::new();
    let versions = entries(&environment.join("lib"))?;
    let mut open: Vec<(PathBuf, String)> =
        versions.into_iter().map(|(dir, _)| (dir.join("site-packages"), ":packages".to_owned())).collect();
    let mut folders = 0;
    while let Some((dir, name)) = open.pop() {
        folders += 1;
        for (path, is_dir) in entries(&dir)? {
            let Some(file) = path.file_name().and_then(|file| file.to_str()) else { continue };
            let name = format!("{name}/{file}");
            if is_dir && file != "__pycache__" {
                open.push((path, name));
            } else if file.ends_with(".py") && path.is_file() {
                let held = digest::of_package(&path)?;
                found.insert(name, held);
            }
            if found.len() > MAX_PACKAGED || folders > MAX_PACKAGED {
                return Err(DigestError::TooManyPackaged(environment.to_owned()).into());
            }
        }
    }
    Ok(found)
}

/// What is in a folder, and whether it is a folder itself, links not followed; nothing when there is no such folder.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, bool)>, BuildError> {
    let failed = |source| BuildError::Read { path: dir.to_owned(), source };
    let listed = match std::fs::read_dir(dir) {
        Ok(listed) => listed,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(source) => return Err(failed(source)),
    };
    let entry = |entry: std::fs::DirEntry| Ok((entry.path(), entry.file_type()?.is_dir()));
    listed.map(|found| found.and_then(entry)).collect::<Result<_, _>>().map_err(failed)
}

/// What the tool said, without its own inside: Python's last words about the author's file.
fn told(project: &Project, error: BuildError) -> BuildError {
    let BuildError::Refused { tool, plugin, said } = error else { return error };
    let Some((place, fault)) = python_fault(&said) else { return BuildError::Refused { tool, plugin, said } };
    BuildError::Source { plugin, place: place.unwrap_or_else(|| project.dir.display().to_string()), fault }
}

/// The place and the fault in what the tool says when an import of the author's files fails; none if it failed otherwise.
fn python_fault(said: &str) -> Option<(Option<String>, String)> {
    let (_, trace) = said.split_once("AssertionError: Traceback (most recent call last):\n")?;
    let trace = trace.split("\nCaused by:").next().unwrap_or(trace).trim_end();
    // The SDK's own faults name their place and their remedy.
    if let Some((_, fault)) = trace.rsplit_once("jackfield.errors.DefinitionError: ") {
        return Some(match fault.split_once(": ") {
            Some((place, rest)) if place.contains(".py") => (Some(place.to_owned()), rest.to_owned()),
            _ => (None, fault.to_owned()),
        });
    }
    let mut place = None;
    let mut shown = String::new();
    let mut own = true;
    for line in trace.lines() {
        if let Some(frame) = line.strip_prefix("  File \"") {
            own = frame.starts_with(SEEN_AT);
            if let Some((file, rest)) =
                frame.strip_prefix(SEEN_AT).and_then(|frame| frame.split_once("\", line "))
            {
                let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                place = Some(format!("{file}:{number}"));
            }
        } else if !line.starts_with(' ') {
            own = true;
        }
        if own {
            shown.push('\n');
            shown.push_str(&line.replacen(&format!("\"{SEEN_AT}"), "\"", 1));
        }
    }
    Some((place, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What componentize-py 0.25.1 says, shortened.
    fn said(trace: &str) -> String {
        format!(
            "Traceback (most recent call last):\n  File \"/x/bin/componentize-py\", line 8, in <module>\n    sys.exit(script())\n\
             AssertionError: Traceback (most recent call last):\n  File \"/0/jackfield_entry.py\", line 2, in <module>\n    \
             import router as _module\n{trace}\n\n\nCaused by:\n    something\n\nStack backtrace:\n   0: <anyhow::Error>::msg\n"
        )
    }

    #[test]
    fn what_python_says_of_the_authors_files_is_told_and_nothing_else() {
        let rows = [
            (
                "  File \"/1/router.py\", line 3, in <module>\n    import nosuch\nModuleNotFoundError: No module named 'nosuch'",
                Some("router.py:3"),
                "\n  File \"router.py\", line 3, in <module>\n    import nosuch\nModuleNotFoundError: No module named 'nosuch'",
            ),
            (
                "  File \"/1/router.py\", line 1\n    def x(:\n          ^\nSyntaxError: invalid syntax",
                Some("router.py:1"),
                "\n  File \"router.py\", line 1\n    def x(:\n          ^\nSyntaxError: invalid syntax",
            ),
            (
                "  File \"/1/a.py\", line 2, in f\n    json.loads('')\n  File \"/python/json/decoder.py\", line 9, in raw\n    \
                 raise\nValueError: Expecting value",
                Some("a.py:2"),
                "\n  File \"a.py\", line 2, in f\n    json.loads('')\nValueError: Expecting value",
            ),
            (
                "  File \"/0/jackfield/_define.py\", line 9, in x\n    raise\njackfield.errors.DefinitionError: router.py:7: what is `x`",
                Some("router.py:7"),
                "what is `x`",
            ),
            ("jackfield.errors.DefinitionError: Settings.x has the type", None, "Settings.x has the type"),
        ];
        for (trace, place, fault) in rows {
            assert_eq!(python_fault(&said(trace)), Some((place.map(str::to_owned), fault.to_owned())));
        }
        assert_eq!(python_fault("error: unexpected argument"), None);
    }

    #[test]
    fn the_modules_of_packages_are_in_the_digest() {
        let dir = tempfile::TempDir::new().unwrap();
        assert!(packages_in(dir.path()).unwrap().is_empty());
        let package = dir.path().join("lib/python3.12/site-packages/left");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("__init__.py"), "a = 1").unwrap();
        std::fs::write(package.join("README"), "").unwrap();
        let held = packages_in(dir.path()).unwrap();
        assert_eq!(held.keys().collect::<Vec<_>>(), [":packages/left/__init__.py"]);
        std::fs::write(package.join("__init__.py"), "a = 2").unwrap();
        assert_ne!(packages_in(dir.path()).unwrap(), held);
    }

    #[test]
    fn the_sdk_is_embedded_whole() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/python/jackfield");
        let on_disk =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut on_disk: Vec<String> =
            on_disk.filter(|name| name.ends_with(".py") && name != "testing.py").collect();
        on_disk.sort();
        let embedded: Vec<&str> = SDK.iter().map(|(name, _)| name.trim_start_matches("jackfield/")).collect();
        assert_eq!(embedded, on_disk);
    }
}

//! A plugin in JavaScript or TypeScript: bundled by esbuild, which also strips the types, and made a component by
//! componentize-qjs, which puts QuickJS around it.
//!
//! The plugin's sources and the SDK's are copied into a folder of their own and bundled there twice: once to learn what the
//! plugin exports, once with the code that stands between those exports and the contract. The component's world has what the second
//! bundle imports and exports, so a plugin asks the host for nothing that it does not use. Packages come from the plugin's
//! own `node_modules` and those above it. What goes wrong is told with the author's own files and lines.

mod glue;
mod places;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde::de::IgnoredAny;

use self::glue::Glue;
use self::places::Places;
use super::error::BuildError;
use super::project::{Project, read_manifest};
use super::tools::run;
use super::wit::WIT;
use super::{Embedded, Made, Sources, write_files};
use crate::cli::plugin::digest;
use crate::cli::plugin::stamp::ABI;

macro_rules! sdk {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../../plugin-sdk/js/", $name)))),*]
    };
}

/// The SDK as far as it becomes part of components; the digest covers it.
pub(super) const SDK: Embedded = sdk![
    "package.json",
    "src/budget.js",
    "src/check.js",
    "src/clock.js",
    "src/errors.js",
    "src/globals.js",
    "src/guest/common.js",
    "src/guest/failure.js",
    "src/guest/lifecycle.js",
    "src/guest/routing.js",
    "src/guest/settings.js",
    "src/guest/stream.js",
    "src/guest/validation.js",
    "src/host/budget.js",
    "src/host/clock.js",
    "src/host/config.js",
    "src/host/kv.js",
    "src/host/llm.js",
    "src/host/load.js",
    "src/host/log.js",
    "src/host/models.js",
    "src/host/request.js",
    "src/host/response.js",
    "src/index.js",
    "src/kv.js",
    "src/llm.js",
    "src/load.js",
    "src/log.js",
    "src/models.js",
    "src/nearest.js",
    "src/places.js",
    "src/request.js",
    "src/response.js",
    "src/returns.js",
    "src/utf8.js",
    "src/words.js",
];

/// The entry of a plugin whose package.json has no `main`, in this order.
const ENTRIES: [&str; 4] = ["plugin.ts", "plugin.mts", "plugin.js", "plugin.mjs"];
/// What the tools are, with the versions that plugin-sdk/js/tools/package.json pins.
const PINNED: [(&str, &str); 2] = [("esbuild", "0.28.2"), ("componentize-qjs", "0.4.3")];
/// The world's name in the generated WIT.
const WORLD: &str = "plugin";

/// Makes the plugin in an empty folder of its own.
pub(super) fn make(project: &Project, work: &Path) -> Result<(Made, Sources), BuildError> {
    let [esbuild, componentize] = PINNED.map(|(tool, _)| find(project, tool));
    let bundler = Bundler { project, program: esbuild?, work };
    let componentize = componentize?;
    let entry = entry(project)?;
    project.copy_into(&work.join("plugin"))?;
    write_files(SDK, &work.join("sdk"))?;
    write_files(WIT, &work.join("wit"))?;
    // Those that esbuild would else find above say how to compile, and nobody asked them.
    for manifest in ["package.json", "tsconfig.json"] {
        write(&work.join(manifest), "{}")?;
    }

    let (Bundle { exports, .. }, packages) = bundler.bundle(&format!("plugin/{entry}"), "exports.js", &[])?;
    let glue = Glue::of(&exports).ok_or_else(|| BuildError::Source {
        plugin: project.name.clone(),
        place: entry.clone(),
        fault: glue::nothing(&exports),
    })?;
    write(&work.join("glue.js"), &glue.code(&entry, &project.name, &project.version))?;
    let globals =
        ["--inject:sdk/src/globals.js", "--define:Math.random=jackfieldRandom", "--sourcemap=external"];
    let (bundle, packages_then) = bundler.bundle("glue.js", "bundle.js", &globals)?;
    if packages != packages_then {
        return Err(BuildError::Changed(project.name.clone()));
    }
    let world = glue.world(WORLD, bundle.host()).map_err(|import| BuildError::Source {
        plugin: project.name.clone(),
        place: entry.clone(),
        fault: format!("it imports `{import}`, which is no interface of {ABI}; import from \"jackfield\""),
    })?;
    write(&work.join("wit/plugin.wit"), &world)?;

    let code = read(&work.join("bundle.js"))?;
    let places = Places::read(&read(&work.join("bundle.js.map"))?, &code)
        .map_err(|fault| bundler.failed(format!("its source map is not understood: {fault}")))?;
    write(&work.join("bundle.js"), &format!("{code}\n{}", places.code()))?;

    let mut command = Command::new(componentize);
    command.current_dir(work).args(["--wit", "wit", "--world", WORLD, "--js", "bundle.js"]);
    command.args(["--sync", "--stub-wasi", "--output", "plugin.wasm"]);
    run(&mut command, &project.name).map_err(|error| started(error, project, &entry, &places))?;
    let path = work.join("plugin.wasm");
    let made = fs::read(&path).map_err(|source| BuildError::Read { path, source })?;
    Ok((Made::Component(made), packages))
}

/// A tool, or how to install it.
fn find(project: &Project, tool: &str) -> Result<PathBuf, BuildError> {
    project.tools.find(tool).ok_or_else(|| {
        let packages = PINNED.map(|(name, version)| format!("{name}@{version}")).join(" ");
        let install =
            format!("npm install --prefix {} --save-dev --save-exact {packages}", project.dir.display());
        BuildError::NoTool { tool: tool.to_owned(), language: project.language, install }
    })
}

/// What of package.json is looked at here.
#[derive(Debug, Deserialize)]
struct Package {
    main: Option<String>,
}

/// The plugin's module, below its folder.
fn entry(project: &Project) -> Result<String, BuildError> {
    let manifest = project.dir.join("package.json");
    let main =
        read_manifest(&manifest).ok().and_then(|bytes| serde_json::from_slice::<Package>(&bytes).ok()?.main);
    let fault = |fault: String| BuildError::Source {
        plugin: project.name.clone(),
        place: "package.json".into(),
        fault,
    };
    let is_source = |name: &str| project.sources.iter().any(|source| source == Path::new(name));
    match main {
        Some(main) => {
            let main = main.strip_prefix("./").unwrap_or(&main).to_owned();
            if is_source(&main) {
                return Ok(main);
            }
            Err(fault(format!(
                "`main` is `{main}`, which is no source of the plugin's; name its .js or .ts file"
            )))
        }
        None => ENTRIES.iter().find(|name| is_source(name)).map(|name| (*name).to_owned()).ok_or_else(|| {
            fault(format!(
                "there is no `main`, and none of {} beside it; name the plugin's module",
                ENTRIES.join(", ")
            ))
        }),
    }
}

/// esbuild, in the folder where everything was copied to.
struct Bundler<'a> {
    project: &'a Project,
    program: PathBuf,
    work: &'a Path,
}

/// What esbuild tells of its work.
#[derive(Debug, Deserialize)]
struct Meta {
    inputs: BTreeMap<String, IgnoredAny>,
    outputs: BTreeMap<String, Bundle>,
}

/// What esbuild tells of a bundle.
#[derive(Debug, Deserialize)]
struct Bundle {
    imports: Vec<Import>,
    exports: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Import {
    path: String,
    #[serde(default)]
    external: bool,
}

impl Bundle {
    /// The host's interfaces that it imports.
    fn host(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().filter(|import| import.external).map(|import| import.path.as_str())
    }
}

impl Bundler<'_> {
    /// Bundles a module, and tells what of packages is in it.
    fn bundle(&self, entry: &str, out: &str, more: &[&str]) -> Result<(Bundle, Sources), BuildError> {
        let meta = format!("{out}.meta.json");
        let mut command = Command::new(&self.program);
        command
            .current_dir(self.work)
            .env("NODE_PATH", self.packages())
            .arg(entry)
            .args(["--bundle", "--format=esm", "--platform=neutral", "--target=es2023", "--charset=utf8"])
            .args(["--main-fields=module,main", "--conditions=jackfield,module", "--external:jackfield:*"])
            .args(["--log-level=warning", "--color=false"])
            .arg(format!("--alias:jackfield={}", self.work.join("sdk/src/index.js").display()))
            .args([format!("--outfile={out}"), format!("--metafile={meta}")])
            .args(more);
        let output = run(&mut command, &self.project.name).map_err(|error| match error {
            BuildError::Refused { said, tool, plugin } => {
                BuildError::Refused { said: own_names(&said), tool, plugin }
            }
            other => other,
        })?;
        // A warning that cannot be shown is none to fail for. The second bundle repeats those of the first.
        if more.is_empty() {
            let _ = write!(std::io::stderr(), "{}", own_names(&String::from_utf8_lossy(&output.stderr)));
        }
        let text = read(&self.work.join(meta))?;
        let meta: Meta = serde_json::from_str(&text)
            .map_err(|error| self.failed(format!("its metafile is not understood: {error}")))?;
        let packages = self.packages_among(meta.inputs.keys())?;
        let bundle = meta.outputs.into_iter().find(|(name, _)| name == out);
        let bundle = bundle.map(|(_, bundle)| bundle);
        Ok((bundle.ok_or_else(|| self.failed(format!("it made no {out}")))?, packages))
    }

    /// The folders of packages that the plugin's own folder sees.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.project.dir.ancestors().map(|dir| dir.join("node_modules")).filter(|dir| dir.is_dir())
    }

    fn packages(&self) -> OsString {
        // A folder whose name has the list's own separator cannot be in a list.
        std::env::join_paths(self.folders()).unwrap_or_default()
    }

    /// The files of packages among a bundle's inputs. It may have no others but those that were put in the folder of the work:
    /// esbuild also takes absolute paths, and looks for packages in every folder above that one.
    fn packages_among<'a>(&self, inputs: impl Iterator<Item = &'a String>) -> Result<Sources, BuildError> {
        let whole = |path: PathBuf| {
            path.canonicalize().map_err(|source| BuildError::Read { path: path.clone(), source })
        };
        let work = whole(self.work.to_owned())?;
        let folders = self.folders().map(whole).collect::<Result<Vec<_>, _>>()?;
        let mut found = Sources::new();
        // A `data:` address is part of the file that has it.
        for input in inputs.filter(|input| !input.starts_with("<data:")) {
            let path = whole(work.join(input))?;
            if path.starts_with(&work) {
                continue;
            }
            // Packages of the same name may stand in several of the folders.
            let below = (0..).zip(&folders).find_map(|(at, dir)| Some((at, path.strip_prefix(dir).ok()?)));
            let Some((at, below)) = below else {
                return Err(BuildError::Source {
                    plugin: self.project.name.clone(),
                    place: path.display().to_string(),
                    fault: "it is imported, and lies neither in the plugin's folder nor in a node_modules of it or above it; \
                            copy it there, or install its package"
                        .into(),
                });
            };
            let below = below.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
            found.insert(format!(":packages/{at}/{below}"), digest::of_package(&path)?);
        }
        Ok(found)
    }

    fn failed(&self, said: String) -> BuildError {
        BuildError::Refused { tool: "esbuild".into(), plugin: self.project.name.clone(), said }
    }
}

/// esbuild's messages with the author's files as the author calls them.
fn own_names(said: &str) -> String {
    said.lines().map(|line| line.replacen(" plugin/", " ", 1) + "\n").collect()
}

/// Why the module did not start, which it does once while the component is made.
fn started(error: BuildError, project: &Project, entry: &str, places: &Places) -> BuildError {
    let BuildError::Refused { said, .. } = &error else { return error };
    let source =
        |place: String, fault: String| BuildError::Source { plugin: project.name.clone(), place, fault };
    if let Some((_, call)) = said.split_once("unknown import: `jackfield:plugin/") {
        let (interface, rest) = call.split_once('@').unwrap_or((call, ""));
        let function = rest.split_once('#').and_then(|(_, name)| name.split('`').next()).unwrap_or_default();
        let fault = format!(
            "it asks the host (`{interface}`, `{function}`) while the module starts, when no host is there yet; do it inside of \
             route, validate or Stream"
        );
        return source(entry.to_owned(), fault);
    }
    let Some((_, thrown)) = said.rsplit_once("module evaluation: ") else { return error };
    let message: Vec<&str> =
        thrown.lines().take_while(|line| !line.trim_start().starts_with("at ")).collect();
    let place = places.first_in(thrown).unwrap_or_else(|| entry.to_owned());
    source(place, format!("{} (while the module starts)", message.join(" ").trim()))
}

fn read(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(|source| BuildError::Read { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    fs::write(path, text).map_err(|source| BuildError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;

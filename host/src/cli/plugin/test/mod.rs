//! `jackfield plugin test [PATH]`: a plugin's own cases, through the gateway's sandbox and limits.
//!
//! A folder is built first, into a place that no host watches. Every call gets a fresh instance; what the plugin keeps in `kv`
//! lasts from the first case of the file to its last. Nothing is asked of a provider. One case after another, at most
//! [`cases::MAX_CASES`].

mod call;
mod cases;
mod expect;
mod outcome;
mod report;
mod stage;
mod stream;

use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::TempDir;

use jackfield_core::config::Config;
use jackfield_plugin_host::{NAME_RULE, name_of};

use super::build::{BuildArgs, build};
use super::file;
use crate::cli::{Failed, Outcome, out};
use cases::Cases;

/// The file of cases that is looked for.
const CASES: &str = "cases.yaml";

#[derive(Args, Clone, Debug)]
pub(crate) struct TestArgs {
    /// The plugin's folder, which is built first, or a component
    #[arg(default_value = ".")]
    path: PathBuf,
    /// The cases [default: cases.yaml in the folder, or beside the component]
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// The configuration that gives its limits [default: built in]
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Where to keep what Rust's compiler makes; several plugins may share one
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// Where componentize-py, componentize-qjs or zig are installed, if not on PATH or in the plugin's folder
    #[arg(long, value_name = "DIR", env = "JACKFIELD_TOOLS")]
    tools: Option<PathBuf>,
    /// Print what happened as JSON
    #[arg(long)]
    json: bool,
}

/// A component to be tried.
struct Component {
    name: String,
    path: PathBuf,
    /// Holds what was built for this run alone.
    _built: Option<TempDir>,
}

pub(in crate::cli) fn run(args: &TestArgs) -> Outcome {
    // Before anything is built: a fault in the cases is told at once.
    let cases = Cases::read(&cases_path(args)?)?;
    let config = match &args.config_file {
        Some(path) => Config::load(Some(path)),
        None => {
            // Whatever lies where the command is run: the same cases hold everywhere.
            let environment = |name: &str| std::env::var(name).ok();
            Config::from_text("built-in default", Config::default_text(), &environment)
        }
    };
    let config = config.map_err(|report| Failed(out::report(&report)))?;
    let component = component(args)?;
    let results = call::all(config, &component.name, &component.path, &cases)?;
    match args.json {
        true => out::line(&format!("{:#}", report::to_json(&component.name, &results)))?,
        false => report::show(&component.name, &results)?,
    }
    match results.iter().filter(|result| !result.passed()).count() {
        0 => Ok(()),
        failed => {
            Err(Failed(format!("error: test {}: {failed} of {} failed", component.name, results.len())))
        }
    }
}

fn component(args: &TestArgs) -> Result<Component, Failed> {
    if !args.path.is_dir() {
        let path = args.path.clone();
        let name = name_of(&path)
            .ok_or_else(|| Failed(format!("error: load {}: {NAME_RULE}", path.display())))?
            .to_owned();
        return Ok(Component { name, path, _built: None });
    }
    let dir = TempDir::with_prefix("jackfield-test-")?;
    let path = dir.path().join("plugin.wasm");
    let built = build(&BuildArgs {
        dir: args.path.clone(),
        out: Some(path.clone()),
        target_dir: args.target_dir.clone(),
        tools: args.tools.clone(),
    })?;
    let size = file::bytes(built.size as u64);
    out::note(&format!("built {} {} ({size})", built.stamp.name, built.stamp.version));
    Ok(Component { name: built.stamp.name, path, _built: Some(dir) })
}

fn cases_path(args: &TestArgs) -> Result<PathBuf, Failed> {
    if let Some(path) = &args.cases {
        return Ok(path.clone());
    }
    let candidates = match args.path.is_dir() {
        true => vec![args.path.join(CASES)],
        // A component stands in its folder, or beside it.
        false => {
            vec![
                args.path.parent().unwrap_or(Path::new("")).join(CASES),
                args.path.with_extension("").join(CASES),
            ]
        }
    };
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        Failed(format!(
            "error: find the cases: there is no {}; name the file with --cases",
            looked.join(" and no ")
        ))
    })
}

#[cfg(test)]
mod tests;

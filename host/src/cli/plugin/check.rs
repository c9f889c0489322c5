//! `jackfield plugin check FILE`: what a component is, what it wants, and whether this host can load it.
//!
//! The verdict is the gateway's own: the file goes through `Plugin::load`, its check of its settings included.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use jackfield_core::config::Grant;
use jackfield_plugin_host::{Face, LoadError, Plugin};

use super::file::{self, FileArgs, Looked};
use crate::cli::{Failed, Outcome, engine, out, runtime};

#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// What this host says to the file.
struct Verdict {
    /// The name and version the plugin gives itself.
    about: Option<(String, String)>,
    /// Why it is refused.
    refused: Option<String>,
    /// It loads once it has settings; what it says without any.
    wants_settings: Option<String>,
    /// What it is granted, by the configuration and for this try.
    granted: BTreeSet<Grant>,
}

pub(in crate::cli) fn run(args: &CheckArgs) -> Outcome {
    let path = args.file.file.display().to_string();
    let refused = |reason: &dyn std::fmt::Display| Failed(format!("error: load {path}: {reason}"));
    let looked = file::look(&args.file.file).map_err(|e| refused(&e))?;
    let verdict = judge(args)?;
    match args.json {
        true => out::line(&format!("{:#}", to_json(&path, &looked, &verdict)))?,
        false => show(&path, &looked, &verdict)?,
    }
    match verdict.refused {
        None => Ok(()),
        Some(reason) => Err(refused(&reason)),
    }
}

fn judge(args: &CheckArgs) -> Result<Verdict, Failed> {
    let name = args.file.name()?;
    let config = args.file.load_config()?;
    let (settings, written) = args.file.settings(&config, name);
    let granted = settings.grants.clone();
    let engine = engine::start(&config)?;
    let loading = Plugin::load(&engine, name, &args.file.file, settings);
    let loaded = runtime(false)?.block_on(engine::watched(&engine, loading));
    let about =
        loaded.map(|plugin| plugin.about().map(|(name, version)| (name.to_owned(), version.to_owned())));
    Ok(Verdict { granted, ..verdict(about, written) })
}

/// What loading tells of the file. `written`: somebody wrote the settings that it was loaded with.
fn verdict(loaded: Result<Option<(String, String)>, LoadError>, written: bool) -> Verdict {
    let (mut about, mut refused, mut wants_settings) = (None, None, None);
    match loaded {
        Ok(told) => about = told,
        // Nobody wrote settings, so there is nothing wrong with the file.
        Err(LoadError::BadConfig(said)) if !written => wants_settings = Some(said),
        Err(error) => refused = Some(error.to_string()),
    }
    Verdict { about, refused, wants_settings, granted: BTreeSet::new() }
}

fn show(path: &str, looked: &Looked, verdict: &Verdict) -> Outcome {
    let Looked { size, digest, stamp, face } = looked;
    out::line(&path)?;
    if let Some((name, version)) = &verdict.about {
        row("calls it", &format!("{name} {version}"))?;
    }
    if let Ok(face) = face {
        row("kind", &or_none(&face.kinds().join(", ")))?;
        row("contract", &or_none(&file::abi(face)))?;
        rows("imports", &face.imports)?;
        rows("exports", &face.exports)?;
        row("grants", &or_none(&file::grants(&face.grants(), &verdict.granted)))?;
        if !face.wasi.is_empty() {
            row(
                "wasi",
                &"imported, and inert here: no files, no network, no environment; output goes to the log",
            )?;
        }
    }
    row("size", &file::bytes(*size))?;
    row("digest", &format!("sha256:{digest}"))?;
    match stamp {
        Some(stamp) => {
            let made_of = format!("{} {} in {}", stamp.name, stamp.version, stamp.language);
            row("made of", &file::printable(&made_of))?;
            row("sdk", &file::printable(&stamp.sdk))?;
            row("source", &file::printable(&stamp.source))?;
        }
        None => row("made of", &"unknown: it carries no stamp of `jackfield plugin build`")?,
    }
    match (&verdict.refused, &verdict.wants_settings) {
        (Some(_), _) => row("loads", &"no"),
        (None, Some(said)) => row("loads", &format!("yes, given settings ({said}); try --config JSON")),
        (None, None) => row("loads", &"yes"),
    }
}

fn row(name: &str, text: &dyn std::fmt::Display) -> Outcome {
    out::line(&format!("  {name:<10} {text}"))
}

/// One line an interface, its functions after it.
fn rows(name: &str, faces: &[Face]) -> Outcome {
    let mut name = name;
    if faces.is_empty() {
        row(name, &"none")?;
    }
    for face in faces {
        let functions = face.functions.join(", ");
        let functions = if functions.is_empty() { String::new() } else { format!(": {functions}") };
        row(name, &format!("{}{functions}", file::printable(&face.name)))?;
        name = "";
    }
    Ok(())
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}

fn to_json(path: &str, looked: &Looked, verdict: &Verdict) -> Value {
    let Looked { size, digest, stamp, face } = looked;
    let face = face.as_ref().ok();
    let faces = |faces: &[Face]| -> Vec<Value> {
        faces.iter().map(|face| json!({ "name": face.name, "functions": face.functions })).collect()
    };
    json!({
        "file": path,
        "about": verdict.about.as_ref().map(|(name, version)| json!({ "name": name, "version": version })),
        "kinds": face.map(|face| face.kinds()),
        "abi": face.map(|face| &face.abi),
        "imports": face.map(|face| faces(&face.imports)),
        "exports": face.map(|face| faces(&face.exports)),
        "grants": face.map(|face| face.grants()),
        "granted": verdict.granted,
        "inert_wasi": face.map(|face| &face.wasi),
        "differences": face.map(|face| -> Vec<String> {
            face.differences.iter().map(ToString::to_string).collect()
        }),
        "size": size,
        "digest": format!("sha256:{digest}"),
        "stamp": stamp,
        "loads": verdict.refused.is_none(),
        "reason": verdict.refused,
        "wants_settings": verdict.wants_settings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasi_is_told_to_be_inert() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guest.wasm");
        let text = r#"(component (import "wasi:cli/exit@0.2.3" (instance)) (import "wasi:http/types@0.2.3" (instance)))"#;
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        let looked = file::look(&path).unwrap();
        let verdict = verdict(Err(LoadError::Empty), false);
        let told = to_json("guest.wasm", &looked, &verdict);
        assert_eq!(told["inert_wasi"], json!(["wasi:cli/exit@0.2.3"]));
        let refused = told["differences"][0].as_str().unwrap();
        assert!(
            refused.contains("wasi:http/types@0.2.3") && refused.contains("with nothing behind them"),
            "{refused}"
        );
    }

    #[test]
    fn a_plugin_without_settings_is_not_blamed_for_wanting_some() {
        let said = || Err(LoadError::BadConfig("no keyword".into()));
        let mild = verdict(said(), false);
        assert_eq!((mild.refused, mild.wants_settings.as_deref()), (None, Some("no keyword")));
        let hard = verdict(said(), true);
        assert_eq!(hard.refused.as_deref(), Some("refused its settings: no keyword"));
        let other = verdict(Err(LoadError::Empty), false);
        assert_eq!((other.refused.as_deref(), other.wants_settings), (Some("is empty"), None));
    }
}

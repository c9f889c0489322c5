//! `jackfield plugin list`: every file of the configured plugin folder, and what became of it.
//!
//! Loaded on the same path as by `serve`, so that what is listed as serving serves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use jackfield_core::config::{Config, Grant, PluginLimits, Rollout, Share, ValidatorOnError};
use jackfield_plugin_host::{Catalog, name_of, plugin_files};

use super::file::{self, Looked};
use crate::app;
use crate::cli::{ConfigArg, Failed, Outcome, engine, out, runtime};

/// Digits of a digest that people compare by eye.
const SHORT_DIGEST: usize = 12;

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// One file.
struct Entry {
    path: PathBuf,
    /// The plugin's name; the file's when that is none.
    name: String,
    looked: Option<Looked>,
    state: State,
    rollout: Rollout,
    on_error: &'static str,
    grants: BTreeSet<Grant>,
    limits: PluginLimits,
}

/// What became of a file.
enum State {
    Serves,
    /// It serves, and the next generation of it begins with a share of the requests.
    Canary(Share),
    /// It is asked and compared.
    Shadow,
    Disabled,
    NotListed,
    Refused(String),
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Serves | Self::Canary(_) => "serves",
            Self::Shadow => "shadow",
            Self::Disabled => "disabled",
            Self::NotListed => "not_listed",
            Self::Refused(_) => "refused",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Serves => "serves".to_owned(),
            Self::Canary(share) => format!("canary {share}"),
            Self::Shadow => "shadow".to_owned(),
            Self::Disabled => "enabled: false".to_owned(),
            Self::NotListed => "not in orchestrator.routers".to_owned(),
            Self::Refused(reason) => format!("refused: {reason}"),
        }
    }
}

pub(in crate::cli) fn run(args: &ListArgs) -> Outcome {
    let config = args.config.load()?;
    let dir = config.plugins().dir();
    let files = plugin_files(dir).map_err(|e| {
        Failed(format!("error: read the plugin folder {}: {e}; see `plugins.dir`", dir.display()))
    })?;
    let engine = engine::start(&config)?;
    let catalog = runtime(false)?.block_on(engine::watched(&engine, app::load_catalog(&config, &engine)));
    let entries: Vec<Entry> = files.into_iter().map(|path| entry(&config, &catalog, path)).collect();
    for name in config.orchestrator().routers().unwrap_or_default() {
        if !entries.iter().any(|entry| entry.name == *name) {
            out::note(&format!("warning: orchestrator.routers names `{name}`, and there is no such file"));
        }
    }
    match args.json {
        true => {
            let listed: Vec<Value> = entries.iter().map(to_json).collect();
            out::line(&format!("{:#}", json!({ "dir": dir, "plugins": listed })))
        }
        false => show(dir, &entries),
    }
}

fn entry(config: &Config, catalog: &Catalog, path: PathBuf) -> Entry {
    let fallback = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = name_of(&path).map_or_else(fallback, str::to_owned);
    let settings = config.plugins().settings(&name);
    let refused = catalog.refusals.iter().find(|refusal| refusal.path == path);
    let state = if let Some(refusal) = refused {
        State::Refused(refusal.reason.clone())
    } else if !settings.enabled {
        State::Disabled
    } else if config.orchestrator().names_validator(&name)
        && catalog.get(&name).is_some_and(|plugin| plugin.validator().is_some())
    {
        State::Serves
    } else if config.orchestrator().routers().is_some_and(|listed| !listed.contains(&name)) {
        State::NotListed
    } else if settings.rollout.shadow {
        State::Shadow
    } else {
        settings.rollout.canary.map_or(State::Serves, State::Canary)
    };
    let looked = file::look(&path).ok();
    let limits = app::plugin_settings(settings).limits;
    let on_error = settings.validator_on_error.map_or(settings.on_error.name(), ValidatorOnError::name);
    let grants = settings.grants.clone();
    Entry { looked, state, rollout: settings.rollout, on_error, grants, limits, name, path }
}

fn show(dir: &Path, entries: &[Entry]) -> Outcome {
    if entries.is_empty() {
        return out::line(&format!("{}: no plugin in it", dir.display()));
    }
    let mut table = out::table(&[
        "name",
        "kind",
        "contract",
        "size",
        "digest",
        "state",
        "on_error",
        "grants",
        "cpu, wall, memory, host calls",
    ]);
    for entry in entries {
        let looked = entry.looked.as_ref();
        let face = looked.and_then(|looked| looked.face.as_ref().ok());
        let limits = &entry.limits;
        table.add_row([
            entry.name.clone(),
            face.map(|face| face.kinds().join(", ")).unwrap_or_default(),
            face.map(file::abi).unwrap_or_default(),
            looked.map(|looked| file::bytes(looked.size)).unwrap_or_default(),
            looked.map(|looked| looked.digest.chars().take(SHORT_DIGEST).collect()).unwrap_or_default(),
            entry.state.text(),
            entry.on_error.to_owned(),
            face.map(|face| file::grants(&face.grants(), &entry.grants)).unwrap_or_default(),
            format!(
                "{:?}, {:?}, {}, {}",
                limits.cpu,
                limits.wall,
                file::memory(limits.memory),
                limits.host_calls
            ),
        ]);
    }
    out::line(&table)
}

fn to_json(entry: &Entry) -> Value {
    let looked = entry.looked.as_ref();
    let face = looked.and_then(|looked| looked.face.as_ref().ok());
    let reason = match &entry.state {
        State::Refused(reason) => Some(reason),
        _ => None,
    };
    json!({
        "file": entry.path,
        "name": entry.name,
        "kinds": face.map(|face| face.kinds()),
        "abi": face.map(|face| &face.abi),
        "size": looked.map(|looked| looked.size),
        "digest": looked.map(|looked| format!("sha256:{}", looked.digest)),
        "state": entry.state.name(),
        "reason": reason,
        "on_error": entry.on_error,
        "grants": face.map(|face| face.grants()),
        "granted": entry.grants,
        "limits": entry.limits.show(),
        "canary": entry.rollout.canary,
        "shadow": entry.rollout.shadow,
    })
}

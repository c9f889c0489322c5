//! Rust's SDK for a new plugin: it is no published crate. Inside a checkout of Jackfield the plugin takes the checkout's; anywhere
//! else the SDK that is part of this program is written into the plugin's folder, with the contract and a workspace of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::plugin::build::{Embedded, wit};

/// The folder in the plugin's that the SDK is written to.
const FOLDER: &str = "jackfield-plugin";
/// Where the SDK lies in a checkout, and in that folder: its bindings name the contract by the way from there.
const PLACE: &str = "plugin-sdk/rust";

/// The manifest of the workspace that the SDK is part of.
const WORKSPACE: &str = include_str!("../../../../../Cargo.toml");

macro_rules! sdk {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../../plugin-sdk/rust/", $name)))),*]
    };
}

/// The files of the SDK, by their path below `plugin-sdk/rust`.
pub(super) const SDK: Embedded = sdk![
    "Cargo.toml",
    "README.md",
    "macros/Cargo.toml",
    "macros/src/arguments.rs",
    "macros/src/expand.rs",
    "macros/src/lib.rs",
    "macros/src/signature.rs",
    "macros/src/tests.rs",
    "src/bindings.rs",
    "src/budget.rs",
    "src/clock.rs",
    "src/component.rs",
    "src/component/tests.rs",
    "src/config.rs",
    "src/decision.rs",
    "src/error.rs",
    "src/heap.rs",
    "src/imports.rs",
    "src/into_routing.rs",
    "src/into_routing/tests.rs",
    "src/json/de.rs",
    "src/json/error.rs",
    "src/json/mod.rs",
    "src/json/number.rs",
    "src/json/tests.rs",
    "src/json/text.rs",
    "src/kv.rs",
    "src/lib.rs",
    "src/llm.rs",
    "src/load.rs",
    "src/log.rs",
    "src/models.rs",
    "src/panic.rs",
    "src/prelude.rs",
    "src/request.rs",
    "src/response.rs",
    "src/target.rs",
    "src/testing/host.rs",
    "src/testing/memory.rs",
    "src/testing/mod.rs",
    "src/testing/model.rs",
    "src/testing/served.rs",
    "src/testing/stage.rs",
    "src/testing/tests.rs",
    "src/validation.rs",
];

/// The path to the SDK from a plugin's folder, which there is already; the SDK is written if there is none around.
pub(super) fn sdk_for(dir: &Path) -> io::Result<String> {
    let dir = dir.canonicalize()?;
    let around =
        |dir: &&Path| dir.join(PLACE).join("src/lib.rs").is_file() && dir.join("wit/worlds.wit").is_file();
    if let Some(checkout) = dir.ancestors().find(around) {
        let below = dir.strip_prefix(checkout).map(|below| below.components().count()).unwrap_or_default();
        return Ok(format!("{}{PLACE}", "../".repeat(below)));
    }
    let root = dir.join(FOLDER);
    let files = SDK.iter().map(|(name, text)| (Path::new(PLACE).join(name), (*text).to_owned()));
    let contract = wit::WIT.iter().map(|(name, text)| (Path::new("wit").join(name), (*text).to_owned()));
    let manifest = (PathBuf::from("Cargo.toml"), workspace());
    for (name, text) in files.chain(contract).chain([manifest]) {
        let path = root.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)?;
    }
    Ok(format!("{FOLDER}/{PLACE}"))
}

/// The workspace's manifest with the SDK's two packages as its only members: theirs inherit from it.
pub(super) fn workspace() -> String {
    let mut kept =
        String::from("# Written by `jackfield plugin new`: the SDK of the jackfield that wrote it.\n");
    kept.push_str(
        "[workspace]\nresolver = \"3\"\nmembers = [\"plugin-sdk/rust/macros\", \"plugin-sdk/rust\"]\n\n",
    );
    let mut section = "";
    for line in WORKSPACE.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let wanted = match section {
            "[workspace.package]" => true,
            // What the SDK takes stands on one line each.
            "[workspace.dependencies]" => line.starts_with('[') || is_sdks(line),
            section => section.starts_with("[workspace.lints"),
        };
        if wanted {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Whether the SDK's packages inherit this dependency.
fn is_sdks(line: &str) -> bool {
    ["dlmalloc", "jackfield-plugin-macros", "proptest", "serde", "serde_json", "wit-bindgen"]
        .iter()
        .any(|name| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('=')))
}

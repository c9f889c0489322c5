//! Every file of the plugin folder: what was loaded, and what was refused and why.

use std::path::{Path, PathBuf};

use crate::engine::PluginEngine;
use crate::load::{LoadError, Plugin, PluginSettings};

/// The longest plugin name, in bytes.
const MAX_NAME: usize = 64;
/// What is said of a file whose name is no plugin's.
pub const NAME_RULE: &str = "its name must be 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`";

/// A file that did not become a plugin.
#[derive(Debug)]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// Why, for the person who put it there.
    pub reason: String,
}

/// The plugins of one folder, by name.
#[derive(Default)]
pub struct Catalog {
    /// What can be called.
    pub plugins: Vec<Plugin>,
    /// What cannot, and why.
    pub refusals: Vec<Refusal>,
}

impl Catalog {
    /// Loads every `*.wasm` of a folder. `settings` gives each plugin's, or `None` for one that is
    /// switched off. A bad file is refused and the rest loads; a folder that cannot be read is an error.
    pub async fn load_dir(
        engine: &PluginEngine,
        dir: &Path,
        settings: &(dyn Fn(&str) -> Option<PluginSettings> + Sync),
    ) -> std::io::Result<Self> {
        let mut catalog = Self::default();
        for path in plugin_files(dir)? {
            let loaded = match name_of(&path) {
                None => Err(NAME_RULE.to_owned()),
                Some(name) => match settings(name) {
                    None => continue,
                    Some(settings) => Plugin::load(engine, name, &path, settings)
                        .await
                        .map_err(|e: LoadError| e.to_string()),
                },
            };
            match loaded {
                Ok(plugin) => catalog.plugins.push(plugin),
                Err(reason) => catalog.refusals.push(Refusal { path, reason }),
            }
        }
        Ok(catalog)
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.name() == name)
    }
}

/// The files of a folder that are taken for plugins, by name.
pub fn plugin_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "wasm") && !is_hidden(path))
        .collect();
    files.sort();
    Ok(files)
}

/// Editors and copy tools write beside the target under such names.
fn is_hidden(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.starts_with('.'))
}

/// The plugin's name: the file's, without its ending.
pub fn name_of(path: &Path) -> Option<&str> {
    let name = path.file_stem()?.to_str()?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (!name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(legal)).then_some(name)
}

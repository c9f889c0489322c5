//! Every file of the plugin folder: what serves, and what was refused and why.
//!
//! A catalog is immutable. A rescan makes the next one from the folder and the last one: what did not
//! change is taken over, what changed is loaded, what cannot be loaded is refused while its last good
//! generation goes on serving (from memory, where this process never loaded it), and what is gone leaves. One scan loads one file after the other, so
//! that a folder rewritten in a loop costs one compiler at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::convert::tame;
use crate::engine::PluginEngine;
use crate::load::{FileBytes, LoadError, Plugin, PluginSettings};
use crate::memory::Memory;

/// The files that are looked at, by name: a folder with more is no folder of plugins.
const MAX_FILES: usize = 1_000;
/// The longest plugin name, in bytes.
const MAX_NAME: usize = 64;
/// What is said of a file whose name is no plugin's.
pub const NAME_RULE: &str = "its name must be 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`";

/// A file that did not become a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// Why, for the person who put it there.
    pub reason: String,
}

/// The plugins of one folder, by name.
#[derive(Clone, Default)]
pub struct Catalog {
    /// What can be called, by name.
    pub plugins: Vec<Plugin>,
    /// What cannot, and why.
    pub refusals: Vec<Refusal>,
    /// What each file was when it was looked at, so that an unchanged one is not read again.
    seen: BTreeMap<PathBuf, Seen>,
}

/// What a rescan changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A plugin came.
    Added {
        /// Its name.
        name: String,
        /// SHA-256 of its file.
        digest: String,
    },
    /// A plugin took the place of another, or got other settings.
    Replaced {
        /// Its name.
        name: String,
        /// SHA-256 of its file.
        digest: String,
    },
    /// A plugin left.
    Removed {
        /// Its name.
        name: String,
    },
    /// A file was refused.
    Refused {
        /// What and why.
        refusal: Refusal,
        /// Whether an earlier generation of it goes on serving.
        serving: bool,
    },
}

/// A catalog and how it came to be.
pub struct Scan {
    /// The catalog.
    pub catalog: Catalog,
    /// What changed since the last one.
    pub changes: Vec<Change>,
    /// A file changed while it was read: look again soon.
    pub unsettled: bool,
}

/// What a file was when it was read.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    /// Its outside, when that can be trusted to change with its content.
    outside: Option<Outside>,
    digest: String,
    settings: PluginSettings,
}

/// What a file looks like without reading it.
#[derive(Clone, Debug, PartialEq)]
struct Outside {
    size: u64,
    modified: Option<SystemTime>,
    file: u64,
}

/// A file written so recently may be written again without its time of change showing it: file systems
/// count in ticks of some milliseconds.
const FRESH: Duration = Duration::from_millis(50);

impl Catalog {
    /// The next catalog: the folder as it is, held against this one. `settings` gives each plugin's, or
    /// `None` for one that is switched off; `memory` learns what loads. A folder that cannot be read is an
    /// error, and nothing changes.
    pub async fn rescan(
        &self,
        engine: &PluginEngine,
        dir: &Path,
        settings: &(dyn Fn(&str) -> Option<PluginSettings> + Sync),
        memory: &mut Memory,
    ) -> std::io::Result<Scan> {
        let mut next = Self::default();
        let mut changes = Vec::new();
        let mut unsettled = false;
        let mut files = plugin_files(dir)?;
        memory.keep_only(&files.iter().filter_map(|path| name_of(path)).collect());
        if let Some(first) = files.get(MAX_FILES).cloned() {
            let more = files.len() - MAX_FILES - 1;
            let reason =
                format!("it and {more} more are left alone: at most {MAX_FILES} files are taken, by name");
            next.refuse(self, Refusal { path: first, reason }, false, &mut changes);
            files.truncate(MAX_FILES);
        }
        for path in files {
            let Some(name) = name_of(&path) else {
                next.refuse(self, Refusal { path, reason: NAME_RULE.to_owned() }, false, &mut changes);
                continue;
            };
            let Some(settings) = settings(name) else { continue };
            let current = self.get(name);
            // One that the settings do not admit any more, by its digest or by what it wants, is no longer good.
            let last = current.filter(|current| settings.admit(current));
            let known = self.seen.get(&path);
            let before = Outside::look(&path);
            if known.is_some_and(|known| known.settings == settings && known.is_still(before.as_ref())) {
                next.keep(self, &path, last);
                continue;
            }
            let read = match outside(dir, &path) {
                Some(target) => Err(LoadError::Outside(tame(&target.display().to_string(), 512))),
                None => Plugin::read(&path, settings.limits.file).await,
            };
            let bytes = match read {
                // Gone between the listing and the reading.
                Err(LoadError::Unreadable(error)) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let fallen = fall_back(engine, name, &settings, last, memory, error.to_string()).await;
                    next.fall_back(self, path, fallen, &mut changes);
                    continue;
                }
                Ok(bytes) => bytes,
            };
            let digest = bytes.digest().to_owned();
            let settled =
                before.filter(|before| Outside::look(&path).as_ref() == Some(before) && !before.is_fresh());
            unsettled |= settled.is_none();
            let mut passing = false;
            if known.is_some_and(|known| known.settings == settings && known.digest == digest) {
                next.keep(self, &path, last);
            } else {
                let loaded = match memory.quarantined(&digest, &settings.fingerprint()) {
                    Some(why) => Err(why.to_owned()),
                    None => {
                        let kv = current.map(Plugin::kv);
                        Plugin::load_bytes(engine, name, bytes.clone(), settings.clone(), kv).await.map_err(
                            |error| {
                                passing = error.is_passing();
                                error.to_string()
                            },
                        )
                    }
                };
                match loaded {
                    Err(reason) => {
                        let fallen = fall_back(engine, name, &settings, last, memory, reason).await;
                        next.fall_back(self, path.clone(), fallen, &mut changes);
                    }
                    Ok(plugin) => {
                        memory.serves(name, &bytes).await;
                        changes.push(self.change_to(&plugin));
                        next.plugins.push(plugin);
                    }
                }
            }
            if passing {
                // The host was busy: the file is innocent and is looked at again.
                unsettled = true;
                continue;
            }
            next.seen.insert(path, Seen { outside: settled, digest, settings });
        }
        for plugin in &self.plugins {
            if next.get(plugin.name()).is_none() {
                changes.push(Change::Removed { name: plugin.name().to_owned() });
            }
        }
        memory.save().await;
        Ok(Scan { catalog: next, changes, unsettled })
    }

    /// This catalog with an earlier generation of a plugin back in its place. The bytes it had are not loaded
    /// again with the settings they had.
    pub async fn rolled_back(&self, to: &Plugin, why: &str, memory: &mut Memory) -> Self {
        let mut next = self.clone();
        for plugin in next.plugins.iter_mut().filter(|plugin| plugin.name() == to.name()) {
            // The same bytes with other settings are not to blame.
            if plugin.digest() != to.digest() {
                memory.quarantine(plugin.digest(), &plugin.fingerprint(), why);
            }
            *plugin = to.clone();
        }
        let path = self.seen.keys().find(|path| name_of(path) == Some(to.name()));
        // A file that was refused already holds other bytes, and its own reason stands.
        let path = path.filter(|path| self.refusals.iter().all(|refusal| refusal.path != **path));
        next.refusals.extend(path.map(|path| Refusal { path: path.clone(), reason: why.to_owned() }));
        memory.went_back(to.name(), to.digest());
        memory.save().await;
        next
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.name() == name)
    }

    /// SHA-256 of a file's content as it was last read, in hexadecimal; `None` for one that was not read.
    pub fn digest_of(&self, path: &Path) -> Option<&str> {
        self.seen.get(path).map(|seen| seen.digest.as_str())
    }

    /// Takes over what is known of an unchanged file: its plugin, its refusal, or both.
    fn keep(&mut self, before: &Self, path: &Path, plugin: Option<&Plugin>) {
        self.plugins.extend(plugin.cloned());
        self.refusals.extend(before.refusals.iter().filter(|r| r.path == path).cloned());
        if let Some(seen) = before.seen.get(path) {
            self.seen.insert(path.to_owned(), seen.clone());
        }
    }

    /// Notes what came of a file that was refused.
    fn fall_back(&mut self, before: &Self, path: PathBuf, fallen: FallenBack, changes: &mut Vec<Change>) {
        let FallenBack { serving, restored, reason } = fallen;
        self.refuse(before, Refusal { path, reason }, serving.is_some(), changes);
        if restored {
            changes.extend(serving.as_ref().map(|plugin| before.change_to(plugin)));
        }
        self.plugins.extend(serving);
    }

    /// What it means for this catalog that a plugin comes.
    fn change_to(&self, plugin: &Plugin) -> Change {
        let (name, digest) = (plugin.name().to_owned(), plugin.digest().to_owned());
        match self.get(&name) {
            None => Change::Added { name, digest },
            Some(_) => Change::Replaced { name, digest },
        }
    }

    /// Notes a refusal; it is told once, not at every scan.
    fn refuse(&mut self, before: &Self, refusal: Refusal, serving: bool, changes: &mut Vec<Change>) {
        if !before.refusals.contains(&refusal) {
            changes.push(Change::Refused { refusal: refusal.clone(), serving });
        }
        self.refusals.push(refusal);
    }
}

/// What serves in the place of a refused file.
struct FallenBack {
    serving: Option<Plugin>,
    /// It was not served before this scan.
    restored: bool,
    reason: String,
}

/// The last good generation: the one that serves, or the one remembered from before the start.
async fn fall_back(
    engine: &PluginEngine,
    name: &str,
    settings: &PluginSettings,
    last: Option<&Plugin>,
    memory: &Memory,
    reason: String,
) -> FallenBack {
    if let Some(last) = last {
        let reason = serving_instead(&reason, last);
        return FallenBack { serving: Some(last.clone()), restored: false, reason };
    }
    let fits = |file: &FileBytes| {
        let fingerprint = settings.fingerprint();
        settings.admits(file.digest()) && memory.quarantined(file.digest(), &fingerprint).is_none()
    };
    let Some(file) = memory.last_good(name).await.filter(fits) else {
        return FallenBack { serving: None, restored: false, reason };
    };
    let digest = file.digest().to_owned();
    match Plugin::load_bytes(engine, name, file, settings.clone(), None).await {
        Ok(plugin) => {
            let reason = serving_instead(&reason, &plugin);
            FallenBack { serving: Some(plugin), restored: true, reason }
        }
        Err(error) => {
            let reason = format!("{reason}; nor do its last good bytes ({digest}) load: {error}");
            FallenBack { serving: None, restored: false, reason }
        }
    }
}

/// The same words whether they served before this start or not: a refusal is told once.
fn serving_instead(reason: &str, plugin: &Plugin) -> String {
    format!("{reason}; its last good bytes ({}) serve", plugin.digest())
}

impl Seen {
    fn is_still(&self, outside: Option<&Outside>) -> bool {
        self.outside.is_some() && self.outside.as_ref() == outside
    }
}

impl Outside {
    fn look(path: &Path) -> Option<Self> {
        let about = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let file = std::os::unix::fs::MetadataExt::ino(&about);
        #[cfg(not(unix))]
        let file = 0;
        Some(Self { size: about.len(), modified: about.modified().ok(), file })
    }

    fn is_fresh(&self) -> bool {
        // A time in the future is no age at all.
        self.modified.is_none_or(|at| at.elapsed().map_or(true, |age| age < FRESH))
    }
}

/// Where a link leads, if that is outside the folder. Who may write into the folder chooses what runs here, and must not
/// thereby choose what else of this machine is read. Links inside it are how Kubernetes mounts files.
fn outside(dir: &Path, path: &Path) -> Option<PathBuf> {
    if !path.is_symlink() {
        return None;
    }
    // What leads nowhere is found out by reading it.
    let (dir, target) = (dir.canonicalize().ok()?, path.canonicalize().ok()?);
    (!target.starts_with(dir)).then_some(target)
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

#[cfg(test)]
mod tests;

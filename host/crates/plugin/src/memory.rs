//! What is known of a folder's plugins beyond its files: each one's last good bytes, and what is not loaded again.
//!
//! With a private folder it survives restarts: `memory/<digest of the plugin folder's path>/` holds one JSON file
//! and the bytes, each written whole. Without one it lasts as long as the process. What is damaged is told and
//! dropped: memory is a comfort, the folder of plugins is the truth. Where two gateways serve one folder, what is
//! written last counts.
//!
//! Bounds: 1 024 plugins, 256 entries of quarantine, 1 GiB of bytes a folder, 64 folders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::load::{FileBytes, blocking, hex, tame};
use crate::private::{NotPrivate, PrivateFolder};

const FOLDER: &str = "memory";
const FILE: &str = "memory.json";
/// Of what is written. Another version is not read.
const VERSION: u32 = 1;
/// The longest memory file that is read, in bytes; the bounds below keep what is written within it.
const MAX_FILE: u64 = 4 << 20;
const MAX_PLUGINS: usize = 1_024;
const MAX_QUARANTINE: usize = 256;
const MAX_FOLDERS: usize = 64;
/// Bytes of all plugins of one folder together.
const MAX_BYTES: u64 = 1 << 30;

/// What is known of one folder's plugins.
#[derive(Debug, Default)]
pub struct Memory {
    state: State,
    folder: Option<PrivateFolder>,
    /// Whether what changes is written down. Commands only look.
    writes: bool,
    changed: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    /// The folder of plugins, for people.
    folder: String,
    plugins: BTreeMap<String, Generations>,
    quarantine: VecDeque<Quarantined>,
}

/// A plugin's generations whose bytes are kept.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Generations {
    last_good: Generation,
    /// What it took the place of: where a rollback leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Generation>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Generation {
    sha256: String,
    size: u64,
}

/// Bytes that are not loaded again with these settings.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Quarantined {
    sha256: String,
    /// The settings' fingerprint.
    settings: String,
    reason: String,
    /// Seconds since 1970.
    since: u64,
}

impl Memory {
    /// What is remembered of this folder of plugins. Nothing is written before [`Memory::write_changes`].
    pub(crate) fn open(private: &PrivateFolder, plugins: &Path) -> Self {
        let path = shown(plugins);
        let key = hex(&Sha256::digest(&path));
        let state = State { version: VERSION, folder: path, ..State::default() };
        let all = private.inside(FOLDER);
        let folder = all.as_ref().map_err(ToString::to_string).and_then(|all| {
            forget_oldest(all, &key).map_err(|e| e.to_string())?;
            all.inside(&key).map_err(|e: NotPrivate| e.to_string())
        });
        let folder = match folder {
            Ok(folder) => folder,
            Err(why) => {
                tracing::warn!(target: "jackfield::plugin", why, "nothing about plugins is remembered across restarts");
                return Self { state, ..Self::default() };
            }
        };
        let state = match read(&folder) {
            Ok(remembered) => State { folder: state.folder.clone(), ..remembered.unwrap_or(state) },
            Err(why) => {
                let file = folder.path().join(FILE).display().to_string();
                tracing::warn!(target: "jackfield::plugin", file, why, "what was remembered about plugins is damaged and begun anew");
                state
            }
        };
        Self { state, folder: Some(folder), writes: false, changed: false }
    }

    /// From now on what changes is written down: for the one that serves.
    #[must_use]
    pub fn write_changes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Whether this is what is remembered of that folder of plugins. Without a private folder there is one for all.
    pub fn is_of(&self, plugins: &Path) -> bool {
        self.folder.is_none() || self.state.folder == shown(plugins)
    }

    /// Why these bytes are not loaded with the settings of this fingerprint, if they are not.
    pub(crate) fn quarantined(&self, digest: &str, settings: &str) -> Option<&str> {
        let entry = self.state.quarantine.iter().find(|entry| entry.is(digest, settings))?;
        Some(&entry.reason)
    }

    /// Does not load these bytes again with these settings.
    pub(crate) fn quarantine(&mut self, digest: &str, settings: &str, reason: &str) {
        let quarantine = &mut self.state.quarantine;
        quarantine.retain(|entry| !entry.is(digest, settings));
        if quarantine.len() >= MAX_QUARANTINE {
            quarantine.pop_front();
        }
        quarantine.push_back(Quarantined {
            sha256: digest.to_owned(),
            settings: settings.to_owned(),
            reason: tame(reason),
            since: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        });
        self.changed = true;
    }

    /// A generation loaded and serves from now on.
    pub(crate) async fn serves(&mut self, name: &str, file: &FileBytes) {
        let now = Generation { sha256: file.digest().to_owned(), size: file.bytes().len() as u64 };
        let known = self.state.plugins.get(name);
        if known.is_some_and(|known| known.last_good == now) || !self.writes {
            return;
        }
        let Some(folder) = self.folder.clone() else { return };
        if (known.is_none() && self.state.plugins.len() >= MAX_PLUGINS) || self.size() + now.size > MAX_BYTES
        {
            tracing::warn!(target: "jackfield::plugin", plugin = name, "too much is remembered already: this plugin's last good bytes are not kept");
            return;
        }
        let (bytes, entry) = (file.bytes().clone(), bytes_of(&now.sha256));
        let kept = blocking(move || keep(&folder, &entry, &bytes)).await;
        if let Err(why) = kept.map_err(|e| e.to_string()).and_then(|kept| kept.map_err(|e| e.to_string())) {
            tracing::warn!(target: "jackfield::plugin", plugin = name, why, "its last good bytes cannot be kept");
            return;
        }
        let before = self.state.plugins.remove(name).map(|known| known.last_good);
        self.state.plugins.insert(name.to_owned(), Generations { last_good: now, before });
        self.changed = true;
    }

    /// A plugin went back to the generation before.
    pub(crate) fn went_back(&mut self, name: &str, digest: &str) {
        let Some(known) = self.state.plugins.get_mut(name) else { return };
        if let Some(before) = known.before.take_if(|before| before.sha256 == digest) {
            known.last_good = before;
            self.changed = true;
        }
    }

    /// The last good bytes of a plugin, whole or not at all.
    pub(crate) async fn last_good(&self, name: &str) -> Option<FileBytes> {
        let known = self.state.plugins.get(name)?.last_good.clone();
        let folder = self.folder.clone()?;
        let read = blocking(move || {
            let file = FileBytes::new(folder.read(&bytes_of(&known.sha256), known.size)?);
            if file.digest() != known.sha256 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "their SHA-256 is not the one remembered",
                ));
            }
            Ok(file)
        });
        match read.await.map_err(|e| e.to_string()).and_then(|read| read.map_err(|e| e.to_string())) {
            Ok(file) => Some(file),
            Err(why) => {
                tracing::warn!(target: "jackfield::plugin", plugin = name, why, "its last good bytes are lost");
                None
            }
        }
    }

    /// Forgets the plugins whose files are gone.
    pub(crate) fn keep_only(&mut self, present: &BTreeSet<&str>) {
        let before = self.state.plugins.len();
        self.state.plugins.retain(|name, _| present.contains(name.as_str()));
        self.changed |= self.state.plugins.len() != before;
    }

    /// Writes down what changed.
    pub async fn save(&mut self) {
        if !std::mem::take(&mut self.changed) || !self.writes {
            return;
        }
        let Some(folder) = self.folder.clone() else { return };
        let state = self.state.clone();
        let saved = blocking(move || write(&folder, &state)).await;
        if let Err(why) = saved.map_err(|e| e.to_string()).and_then(|saved| saved.map_err(|e| e.to_string()))
        {
            tracing::warn!(target: "jackfield::plugin", why, "what is known about plugins cannot be written down");
        }
    }

    fn size(&self) -> u64 {
        self.state.generations().map(|known| known.size).sum()
    }
}

impl State {
    /// All generations whose bytes are kept.
    fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.plugins.values().flat_map(|known| std::iter::once(&known.last_good).chain(&known.before))
    }
}

impl Quarantined {
    fn is(&self, digest: &str, settings: &str) -> bool {
        self.sha256 == digest && self.settings == settings
    }
}

/// A folder of plugins by its whole path: where it is, not what it is at present.
fn shown(plugins: &Path) -> String {
    std::path::absolute(plugins).unwrap_or_else(|_| plugins.to_owned()).display().to_string()
}

fn bytes_of(digest: &str) -> String {
    format!("{digest}.wasm")
}

fn keep(folder: &PrivateFolder, name: &str, bytes: &Bytes) -> io::Result<()> {
    if folder.has(name) {
        return Ok(());
    }
    folder.write(name, bytes)
}

/// What was written down; `None` when nothing ever was.
fn read(folder: &PrivateFolder) -> Result<Option<State>, String> {
    let text = match folder.read(FILE, MAX_FILE) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let state: State = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    if state.version != VERSION {
        return Err(format!("it is of version {}, and this program reads {VERSION}", state.version));
    }
    // Digests become names of files.
    if !state.generations().all(|known| is_digest(&known.sha256)) {
        return Err("it names a digest that is none".to_owned());
    }
    Ok(Some(state))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The state first, then what it no longer names: a crash in between leaves too much, never too little.
fn write(folder: &PrivateFolder, state: &State) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(state).map_err(io::Error::other)?;
    folder.write(FILE, &text)?;
    let named: BTreeSet<String> = state.generations().map(|known| bytes_of(&known.sha256)).collect();
    for file in folder.files()? {
        if file.name.ends_with(".wasm") && !named.contains(&file.name) {
            folder.remove(&file.name)?;
        }
    }
    Ok(())
}

/// Makes room for one more folder's memory, if it is not there yet.
fn forget_oldest(all: &PrivateFolder, key: &str) -> io::Result<()> {
    let mut folders = all.folders()?;
    if folders.iter().any(|folder| folder.name == key) {
        return Ok(());
    }
    folders.sort_by_key(|folder| folder.modified);
    for folder in folders.iter().take((folders.len() + 1).saturating_sub(MAX_FOLDERS)) {
        all.remove_folder(&folder.name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

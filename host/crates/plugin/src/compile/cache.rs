//! Compiled plugins on disk, for the next start and for the way back.
//!
//! An entry is a file named after three digests: the component's, the engine's (its settings, wasmtime's version
//! and this host's) and its own. So an entry is found by the first two and proved by the third before a byte of it
//! is trusted. At most 1 GiB: what was used longest ago goes first. Gateways may share the folder: entries
//! appear whole, and one that another gateway removed is compiled anew.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;

use crate::load::hex;
use crate::private::{Draft, NotPrivate, PrivateFolder};

/// Bytes of all entries together, at most.
const MOST: u64 = 1 << 30;
/// The folder in the private one.
const FOLDER: &str = "compiled";
const ENDING: &str = ".cwasm";
/// To be raised when what an entry is, or how its component is checked before, changes.
const FORMAT: &str = concat!("jackfield ", env!("CARGO_PKG_VERSION"), " entry 1");

/// The compiled plugins of one engine's settings.
pub(super) struct CompiledCache {
    folder: PrivateFolder,
    /// What makes an artefact fit: the engine's compatibility, digested.
    engine: String,
    most: u64,
}

impl CompiledCache {
    /// The cache in this folder.
    pub(super) fn open(private: &PrivateFolder, engine: &Engine) -> Result<Self, NotPrivate> {
        let folder = private.inside(FOLDER)?;
        Ok(Self { folder, engine: compatibility(engine), most: MOST })
    }

    /// The artefact of this component, proved whole. A damaged one is removed.
    pub(super) fn find(&self, component: &str) -> Option<File> {
        let start = self.start(component);
        let entries = self.folder.files().ok()?;
        for entry in entries.iter().filter(|entry| entry.name.starts_with(&start)) {
            match self.prove(&entry.name) {
                Ok(artefact) => {
                    // When it was used last, for the eviction. Our own file: this cannot fail for lack of rights.
                    let _ = artefact.set_modified(SystemTime::now());
                    return Some(artefact);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let (entry, why) = (&entry.name, error.to_string());
                    tracing::warn!(target: "jackfield::plugin", entry, why, "a compiled plugin in the cache is damaged and removed");
                    let _ = self.folder.remove(entry);
                }
            }
        }
        None
    }

    /// A file to compile into.
    pub(super) fn draft(&self) -> io::Result<Draft> {
        self.folder.draft()
    }

    /// Keeps a finished draft as this component's artefact and makes room for it.
    pub(super) fn keep(&self, component: &str, draft: Draft) -> io::Result<()> {
        let digest = digest(draft.file())?;
        let name = format!("{}{digest}{ENDING}", self.start(component));
        draft.publish(&name)?;
        self.evict(&name)
    }

    /// Forgets an artefact that is whole and still of no use.
    pub(super) fn forget(&self, component: &str) {
        let start = self.start(component);
        for entry in self.folder.files().unwrap_or_default() {
            if entry.name.starts_with(&start) {
                let _ = self.folder.remove(&entry.name);
            }
        }
    }

    fn start(&self, component: &str) -> String {
        format!("{component}-{}-", self.engine)
    }

    fn prove(&self, name: &str) -> io::Result<File> {
        let artefact = self.folder.file(name)?;
        let promised = name.rsplit('-').next().and_then(|end| end.strip_suffix(ENDING));
        if promised != Some(digest(&artefact)?.as_str()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its SHA-256 is not the one in its name"));
        }
        Ok(artefact)
    }

    /// Removes what was used longest ago until the rest fits. The newest entry stays whatever its size.
    fn evict(&self, newest: &str) -> io::Result<()> {
        let mut entries = self.folder.files()?;
        entries.sort_by_key(|entry| (entry.name == newest, entry.modified));
        let mut sum: u64 = entries.iter().map(|entry| entry.size).sum();
        for entry in entries {
            if sum <= self.most || entry.name == newest {
                break;
            }
            self.folder.remove(&entry.name)?;
            sum -= entry.size;
        }
        Ok(())
    }
}

/// SHA-256 of a whole file, in hexadecimal.
fn digest(mut file: &File) -> io::Result<String> {
    let (mut sum, mut piece) = (Sha256::new(), vec![0; 256 << 10]);
    file.rewind()?;
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&sum.finalize())),
            read => sum.update(&piece[..read]),
        }
    }
}

/// What two engines share that can run each other's artefacts, and what this version makes of components.
pub(super) fn compatibility(engine: &Engine) -> String {
    let mut sum = Sum(Sha256::new_with_prefix(FORMAT));
    engine.precompile_compatibility_hash().hash(&mut sum);
    // Half of it tells apart what a person could ever make; names stay within a file system's 255 bytes.
    hex(&sum.0.finalize()[..16])
}

/// A hasher whose answer is the same in every process.
struct Sum(Sha256);

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.clone().finalize().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests;

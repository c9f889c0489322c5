//! A folder that nobody but us can write to: what lies in it is trusted as far as running it.
//!
//! It is held open from the check on, and everything in it is reached through that handle, so that nobody can put
//! another folder in its place. A folder that is a link, another user's, or open to others is refused. Files appear
//! in it whole: written under a draft's name, synced, renamed.

use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

/// What drafts are called. One that is left over belonged to a process that died.
const DRAFT: &str = ".draft-";
/// A draft is written in less than this.
const STALE: Duration = Duration::from_secs(6 * 3_600);

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum NotPrivate {
    /// It cannot be made, opened or written to.
    #[error("cannot be used: {0}")]
    Unusable(#[from] io::Error),
    /// It is a symbolic link: who may turn it is not known.
    #[error("is a symbolic link; name the folder it leads to")]
    Link,
    /// Somebody else's.
    #[error("belongs to the user {owner}, not to {us}, who runs this")]
    Foreign {
        /// Its owner's number.
        owner: u32,
        /// Ours.
        us: u32,
    },
    /// Others may read or write in it.
    #[error("is open to others (mode {mode:03o}); `chmod 700` closes it")]
    Open {
        /// Its permissions.
        mode: u32,
    },
}

/// A folder that is ours alone. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PrivateFolder {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    handle: OwnedFd,
    path: PathBuf,
}

/// A file of the folder as it looks from outside.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub name: String,
    pub size: u64,
    pub modified: SystemTime,
}

/// A file under way. Gone when it is dropped without [`Draft::publish`].
#[derive(Debug)]
pub(crate) struct Draft {
    folder: PrivateFolder,
    name: String,
    file: File,
    published: bool,
}

impl PrivateFolder {
    /// Opens a folder and makes it where it is missing, with mode 0700.
    ///
    /// # Errors
    /// When anybody else could have put something there, or when we cannot.
    pub fn open(path: &Path) -> Result<Self, NotPrivate> {
        // Without a trailing slash, which would have a link followed.
        let path: PathBuf = std::path::absolute(path)?.components().collect();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        if path.symlink_metadata()?.is_symlink() {
            return Err(NotPrivate::Link);
        }
        Self::hold(rustix::fs::openat(CWD, &path, folder_flags(), Mode::empty()), path)
    }

    /// A folder in this one, made where it is missing.
    pub(crate) fn inside(&self, name: &str) -> Result<Self, NotPrivate> {
        match rustix::fs::mkdirat(&self.held.handle, name, Mode::RWXU) {
            Err(error) if error != rustix::io::Errno::EXIST => return Err(io::Error::from(error).into()),
            _ => {}
        }
        let opened = rustix::fs::openat(&self.held.handle, name, folder_flags(), Mode::empty());
        Self::hold(opened, self.held.path.join(name))
    }

    fn hold(opened: rustix::io::Result<OwnedFd>, path: PathBuf) -> Result<Self, NotPrivate> {
        let opened = File::from(opened.map_err(io::Error::from)?);
        let about = opened.metadata()?;
        let us = rustix::process::geteuid().as_raw();
        if about.uid() != us {
            return Err(NotPrivate::Foreign { owner: about.uid(), us });
        }
        if about.mode() & 0o077 != 0 {
            return Err(NotPrivate::Open { mode: about.mode() & 0o777 });
        }
        let folder = Self { held: Arc::new(Held { handle: opened.into(), path }) };
        // Whether we can write is best asked by writing.
        drop(folder.draft()?);
        Ok(folder)
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &Path {
        &self.held.path
    }

    /// Opens a file for reading: a regular one of ours that others cannot write to.
    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::openat(&self.held.handle, name, flags, Mode::empty())?);
        let about = file.metadata()?;
        let ours = about.uid() == rustix::process::geteuid().as_raw() && about.mode() & 0o022 == 0;
        if !about.is_file() || !ours {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is no file of ours alone"));
        }
        Ok(file)
    }

    /// A file's content, if it is no longer than this.
    pub(crate) fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file(name)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is longer than {most} bytes"),
            ));
        }
        Ok(bytes)
    }

    /// Puts a whole file in its place.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut draft = self.draft()?;
        draft.file.write_all(bytes)?;
        draft.publish(name).map(drop)
    }

    /// A new file under a name of its own.
    pub(crate) fn draft(&self) -> io::Result<Draft> {
        let name = format!("{DRAFT}{}-{:016x}", std::process::id(), RandomState::new().hash_one(()));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.held.handle, &name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Draft { folder: self.clone(), name, file: file.into(), published: false })
    }

    /// Whether there is something of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.held.handle, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Removes a file; one that is gone already is removed.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.held.handle, name, AtFlags::empty()) {
            Err(error) if error != rustix::io::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes a folder in this one, with its files.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        let inner = self.inside(name).map_err(io::Error::other)?;
        for file in inner.files()? {
            inner.remove(&file.name)?;
        }
        Ok(rustix::fs::unlinkat(&self.held.handle, name, AtFlags::REMOVEDIR)?)
    }

    /// The files in it, drafts left out. Drafts that nobody writes to any more are removed.
    pub(crate) fn files(&self) -> io::Result<Vec<Listed>> {
        let mut files = Vec::new();
        for (listed, kind) in self.entries()? {
            if kind != FileType::RegularFile {
                continue;
            }
            if listed.name.starts_with(DRAFT) {
                if listed.modified.elapsed().is_ok_and(|age| age > STALE) {
                    self.remove(&listed.name)?;
                }
                continue;
            }
            files.push(listed);
        }
        Ok(files)
    }

    /// The folders in it.
    pub(crate) fn folders(&self) -> io::Result<Vec<Listed>> {
        let folders = self.entries()?.into_iter().filter(|(_, kind)| *kind == FileType::Directory);
        Ok(folders.map(|(listed, _)| listed).collect())
    }

    fn entries(&self) -> io::Result<Vec<(Listed, FileType)>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.held.handle)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            // We give no such names.
            let Ok(name) = name.into_string() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            // Gone since it was listed: another process of ours works here too.
            let Ok(about) = rustix::fs::statat(&self.held.handle, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let since = Duration::new(
                u64::try_from(about.st_mtime).unwrap_or(0),
                u32::try_from(about.st_mtime_nsec).unwrap_or(0),
            );
            let listed = Listed {
                name,
                size: u64::try_from(about.st_size).unwrap_or(0),
                modified: SystemTime::UNIX_EPOCH + since,
            };
            entries.push((listed, FileType::from_raw_mode(about.st_mode)));
        }
        Ok(entries)
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

impl Draft {
    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Makes the file durable and gives it its name, in the place of what had it.
    pub(crate) fn publish(mut self, name: &str) -> io::Result<File> {
        self.file.sync_all()?;
        let handle = &self.folder.held.handle;
        rustix::fs::renameat(handle, &self.name, handle, name)?;
        self.published = true;
        rustix::fs::fsync(handle)?;
        self.file.try_clone()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            let _ = self.folder.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests;

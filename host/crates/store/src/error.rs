//! Why something could not be written down or read.

use std::path::Path;
use std::sync::Arc;

/// The state cannot be used. Names the file and the remedy; the same error may be told to many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The file cannot be opened or made.
    #[error("open the state {path}: {reason}; {remedy}")]
    Open {
        /// The file.
        path: Arc<str>,
        /// What was said.
        reason: Arc<str>,
        /// What to do.
        remedy: &'static str,
    },
    /// Something could not be written.
    #[error("write to the state {path}: {reason}; is the disk full, or not writable?")]
    Write {
        /// The file.
        path: Arc<str>,
        /// What was said.
        reason: Arc<str>,
    },
    /// Something could not be read.
    #[error("read the state {path}: {reason}")]
    Read {
        /// The file.
        path: Arc<str>,
        /// What was said.
        reason: Arc<str>,
    },
    /// What hosts share cannot be asked.
    #[error("ask the shared state {server}: {reason}")]
    Shared {
        /// The server, without who connects.
        server: Arc<str>,
        /// What was said.
        reason: Arc<str>,
    },
    /// A run is not under way, so that nothing more of it is written down.
    #[error(
        "write down the run {run}: it is over, or not kept any more; look at it, and begin a new one if need be"
    )]
    NoRun {
        /// Its id.
        run: Arc<str>,
    },
    /// More waits to be written than may wait.
    #[error("write to the state {path}: too much waits to be written; is the disk slow or full?")]
    Busy {
        /// The file.
        path: Arc<str>,
    },
}

impl StateError {
    /// A file that cannot be opened.
    pub(crate) fn open(path: &Path, reason: impl ToString, remedy: &'static str) -> Self {
        let path = path.display().to_string().into();
        Self::Open { path, reason: reason.to_string().into(), remedy }
    }
}

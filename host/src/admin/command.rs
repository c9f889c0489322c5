//! What the admin port may ask of the task that makes worlds. Few wait, everyone is answered or forgotten.

use tokio::sync::oneshot;

/// Something to be done to a plugin.
#[derive(Debug)]
pub struct Command {
    /// What.
    pub act: Act,
    /// The plugin.
    pub name: String,
    /// Where the answer goes, once the world is the way that was asked for. Nobody listens any more when who asked
    /// has gone: then nothing is to be done.
    pub answer: oneshot::Sender<Result<(), NotDone>>,
}

/// What can be done to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its canary is to go, or without one, its generation before this one is to serve again.
    RollBack,
    /// Its canary is to serve.
    Promote,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// No plugin of this name is known.
    Unknown,
    /// There is nothing to do it with, and why.
    Nothing(String),
}

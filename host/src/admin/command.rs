//! What the admin port may ask of the task that makes worlds. Few wait, everyone is answered or forgotten.

use tokio::sync::oneshot;

/// Something to be done to the world.
#[derive(Debug)]
pub enum Command {
    /// A plugin's generation before this one is to serve again.
    RollBack {
        /// The plugin.
        name: String,
        /// Where the answer goes. Nobody listens any more when who asked has gone: then nothing is to be done.
        answer: oneshot::Sender<Result<RolledBack, NotRolledBack>>,
    },
}

/// The generation before serves again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolledBack;

/// Why nothing was rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRolledBack {
    /// No plugin of this name is known.
    Unknown,
    /// There is nothing to go back to, and why.
    Nothing(String),
}

//! The seam behind which checks of streamed answers live: they see the pieces as they come, hold text back, and say
//! what of it may go.

use super::{Ask, BoxFuture, FinishReason, PluginFault};

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// More text.
    Text(String),
    /// More of a tool call's arguments.
    ToolCall(String),
    /// The choice is complete.
    Finish(Option<FinishReason>),
}

/// What to do with the text held back so far, the last piece included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Keep holding all of it.
    Hold,
    /// Let the first so many bytes go, and keep the rest. More than are held mean all; a number inside a character lets go
    /// of that character with the next number that covers it.
    Release(usize),
    /// Let this text go in place of all that is held.
    Replace(String),
    /// Do not deliver it, for these issues.
    Reject(Vec<String>),
}

/// A check of answers while they stream.
pub trait StreamValidator: Send + Sync {
    /// The check's name in configuration, trail and metrics.
    fn name(&self) -> &str;

    /// Begins to watch one stream.
    fn open(&self, ask: Ask) -> BoxFuture<'_, Result<Box<dyn StreamWatch>, PluginFault>>;
}

/// The watch over one stream. Each step is bounded in time and memory by the implementation; after a fault it is
/// not to be used again.
pub trait StreamWatch: Send {
    /// A piece of this choice came.
    fn push(&mut self, choice: u32, piece: Piece) -> BoxFuture<'_, Result<Held, PluginFault>>;

    /// The stream is over; what is still held goes or does not: all of it is released, replaced (where one choice holds
    /// any) or rejected. To keep some of it is a failure.
    fn finish(&mut self) -> BoxFuture<'_, Result<Held, PluginFault>>;
}

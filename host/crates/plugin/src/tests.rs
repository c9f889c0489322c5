//! The hostile suite: whatever a guest or a file does, it ends in a typed error within its limit, the host lives, and
//! the next call is right. A case is a row of a table; every table is run on both allocators, fresh and warm.
//!
//! Nothing timed is asserted: time is what the guests' own limits count, and what hangs is red.

/// How cases are made and run.
mod suite;

/// Any bytes at all, as files.
mod bytes;
/// Computing without end.
mod cpu;
/// Answers without sense.
mod decisions;
/// Files that are no plugins, or will not hold still.
mod files;
/// Asking the host for too much.
mod host_calls;
/// Wanting or offering what does not fit.
mod imports_exports;
/// What one call leaves for another.
mod isolation;
/// What cannot be read.
mod lifting;
/// An ear at the log.
mod log;
/// Wanting more space.
mod memory;
/// Calling without end.
mod stack;
/// Trapping.
mod traps;
/// The system that is not there.
mod wasi;

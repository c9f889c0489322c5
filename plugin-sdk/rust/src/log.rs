//! The plugin's voice in the host's log.
//!
//! A line is cut at 2 KiB, a call's lines beyond the 64th are dropped, and control characters are removed.

use crate::imports;

pub use crate::bindings::imports::jackfield::plugin::log::Level;

/// A line for the plugin's author.
pub fn debug(line: impl AsRef<str>) {
    write(Level::Debug, line.as_ref());
}

/// A line worth keeping.
pub fn info(line: impl AsRef<str>) {
    write(Level::Info, line.as_ref());
}

/// Something is odd.
pub fn warn(line: impl AsRef<str>) {
    write(Level::Warn, line.as_ref());
}

/// Something is wrong.
pub fn error(line: impl AsRef<str>) {
    write(Level::Error, line.as_ref());
}

/// A line of any level.
pub fn write(level: Level, line: &str) {
    imports::log::write(level, line);
}

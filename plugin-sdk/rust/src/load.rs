//! How busy the host is.

use crate::imports;

pub use crate::bindings::imports::jackfield::plugin::load::LoadState;

/// The host now.
pub fn current() -> LoadState {
    imports::load::current()
}

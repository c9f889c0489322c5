//! The time.

use std::time::Duration;

use crate::imports;

/// The time since the Unix epoch, to the millisecond.
pub fn now() -> Duration {
    Duration::from_millis(imports::clock::now_ms())
}

/// The time since some moment before the plugin was loaded, to the nanosecond; never goes back.
pub fn monotonic() -> Duration {
    Duration::from_nanos(imports::clock::monotonic_ns())
}

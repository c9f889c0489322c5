//! A small memory of the plugin's own, shared by all its calls on this host and lost at a restart.
//!
//! Plugin instances keep nothing from call to call: what has to last goes here. The quota is 1 MiB of keys and
//! values for each plugin; a key has 1 to 256 bytes, a value at most 64 KiB.

use std::time::Duration;

use crate::imports;

pub use crate::bindings::imports::jackfield::plugin::kv::KvError;

/// The value at a key, unless there is none or its time is up.
pub fn get(key: &str) -> Option<Vec<u8>> {
    imports::kv::get(key)
}

/// The value at a key as text; absent also when it is no UTF-8.
pub fn get_text(key: &str) -> Option<String> {
    String::from_utf8(get(key)?).ok()
}

/// Keeps a value, for at most `ttl` if given (to the millisecond).
///
/// # Errors
/// The quota is used up, key or value is too large, or this is a shadow run.
pub fn set(key: &str, value: impl AsRef<[u8]>, ttl: Option<Duration>) -> Result<(), KvError> {
    imports::kv::set(key, value.as_ref(), ttl.map(millis))
}

/// Forgets a value.
///
/// # Errors
/// This is a shadow run.
pub fn delete(key: &str) -> Result<(), KvError> {
    imports::kv::delete(key)
}

/// Adds to a counter in one step and returns its new value. A key that is not there counts from 0 and gets the
/// given life time; a later call does not prolong it.
///
/// # Errors
/// The value there is no counter, the quota is used up, the key is too large, or this is a shadow run.
pub fn increment(key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KvError> {
    imports::kv::increment(key, by, ttl.map(millis))
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

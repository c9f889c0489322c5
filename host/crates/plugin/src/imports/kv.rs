//! `kv`: a small memory of the plugin's own. Bounded in bytes; a value's time is checked when it is
//! read, and what is past its time is cleared when room is needed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bindings::jackfield::plugin::kv::{Host, KvError};
use crate::state::CallState;

/// Bytes of keys and values together, [`ENTRY_COST`] for each entry included.
const QUOTA: usize = 1 << 20;
/// What an entry costs beside its bytes, so that a million empty values are not free.
const ENTRY_COST: usize = 64;
const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 64 << 10;

/// One plugin's values.
#[derive(Debug, Default)]
pub(crate) struct KvStore {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    map: HashMap<String, Entry>,
    bytes: usize,
    /// No entry dies before this, so that a full store is not searched for dead ones in vain.
    soonest: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    until: Option<Instant>,
}

impl KvStore {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // No code that can panic runs under the lock; a poisoned map would still be whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, as the quota counts it.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Entries {
    fn live(&self, key: &str, now: Instant) -> Option<&Entry> {
        self.map.get(key).filter(|entry| entry.is_live(now))
    }

    fn put(&mut self, key: String, entry: Entry, now: Instant) -> Result<(), KvError> {
        if key.is_empty() || key.len() > MAX_KEY || entry.value.len() > MAX_VALUE {
            return Err(KvError::TooLarge);
        }
        let cost = cost(&key, &entry);
        let replaced = self.map.get(&key).map_or(0, |old| self::cost(&key, old));
        if self.bytes - replaced + cost > QUOTA && self.soonest.is_some_and(|at| at <= now) {
            self.clear_dead(now);
        }
        let replaced = self.map.get(&key).map_or(0, |old| self::cost(&key, old));
        if self.bytes - replaced + cost > QUOTA {
            return Err(KvError::QuotaExceeded);
        }
        self.bytes = self.bytes - replaced + cost;
        self.soonest = self.soonest.into_iter().chain(entry.until).min();
        self.map.insert(key, entry);
        Ok(())
    }

    fn take(&mut self, key: &str) {
        if let Some(entry) = self.map.remove(key) {
            self.bytes -= cost(key, &entry);
        }
    }

    fn clear_dead(&mut self, now: Instant) {
        self.map.retain(|_, entry| entry.is_live(now));
        self.bytes = self.map.iter().map(|(key, entry)| cost(key, entry)).sum();
        self.soonest = self.map.values().filter_map(|entry| entry.until).min();
    }
}

fn cost(key: &str, entry: &Entry) -> usize {
    key.len() + entry.value.len() + ENTRY_COST
}

fn until(now: Instant, ttl_ms: Option<u64>) -> Option<Instant> {
    // A life beyond what the clock can count is endless.
    ttl_ms.and_then(|ms| now.checked_add(Duration::from_millis(ms)))
}

impl Host for CallState {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.meter.enter(key.len())?;
        Ok(self.plugin.kv.lock().live(&key, Instant::now()).map(|entry| entry.value.clone()))
    }

    fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<(), KvError>> {
        self.meter.enter(key.len().saturating_add(value.len()))?;
        let now = Instant::now();
        Ok(self.plugin.kv.lock().put(key, Entry { value, until: until(now, ttl_ms) }, now))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), KvError>> {
        self.meter.enter(key.len())?;
        self.plugin.kv.lock().take(&key);
        Ok(Ok(()))
    }

    fn increment(
        &mut self,
        key: String,
        by: i64,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<i64, KvError>> {
        self.meter.enter(key.len())?;
        let now = Instant::now();
        let mut entries = self.plugin.kv.lock();
        let (count, until) = match entries.live(&key, now) {
            None => (Some(0), until(now, ttl_ms)),
            Some(entry) => {
                let text = std::str::from_utf8(&entry.value).ok();
                (text.and_then(|t| t.parse::<i64>().ok()), entry.until)
            }
        };
        let Some(sum) = count.and_then(|count| count.checked_add(by)) else {
            return Ok(Err(KvError::NotACounter));
        };
        // Counters are decimal text, so that `get` shows what a person would write.
        let entry = Entry { value: sum.to_string().into_bytes(), until };
        Ok(entries.put(key, entry, now).map(|()| sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize, until: Option<Instant>) -> Entry {
        Entry { value: vec![0; bytes], until }
    }

    #[test]
    fn the_quota_holds_and_dead_entries_make_room() {
        let mut entries = Entries::default();
        let now = Instant::now();
        let soon = now + Duration::from_secs(1);
        let mut kept = 0;
        while entries.put(format!("k{kept}"), entry(MAX_VALUE, Some(soon)), now).is_ok() {
            kept += 1;
        }
        assert_eq!(kept, 15);
        assert!(entries.bytes <= QUOTA);
        assert_eq!(entries.put("late".into(), entry(MAX_VALUE, None), soon), Ok(()));
        assert_eq!(entries.map.len(), 1);
        assert_eq!(entries.put(String::new(), entry(1, None), now), Err(KvError::TooLarge));
        assert_eq!(entries.put("x".into(), entry(MAX_VALUE + 1, None), now), Err(KvError::TooLarge));
        entries.take("late");
        assert_eq!(entries.bytes, 0);
    }

    #[test]
    fn a_full_store_is_searched_only_when_something_may_be_dead() {
        let mut entries = Entries::default();
        let now = Instant::now();
        let later = [5, 3].map(|secs| now + Duration::from_secs(secs));
        entries.put("keeps".into(), entry(1, None), now).unwrap();
        assert_eq!(entries.soonest, None);
        entries.put("long".into(), entry(1, Some(later[0])), now).unwrap();
        entries.put("short".into(), entry(1, Some(later[1])), now).unwrap();
        assert_eq!(entries.soonest, Some(later[1]));
        entries.clear_dead(later[1]);
        assert_eq!((entries.soonest, entries.map.len()), (Some(later[0]), 2));
        entries.clear_dead(later[0]);
        assert_eq!((entries.soonest, entries.map.len()), (None, 1));
    }

    #[test]
    fn many_empty_values_are_not_free() {
        let mut entries = Entries::default();
        let now = Instant::now();
        let kept =
            (0..1_000_000).take_while(|i| entries.put(i.to_string(), entry(0, None), now).is_ok()).count();
        assert!(kept < QUOTA / ENTRY_COST, "{kept}");
    }
}

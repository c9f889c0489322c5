//! `kv`: a small memory of the plugin's own. Bounded in bytes; a value's time is checked when it is
//! read, and what is past its time is cleared when room is needed. The quota counts keys and values together, and
//! a little for each entry. A shadow's writes are answered and not kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bindings::jackfield::plugin::kv::{Host, KvError};
use crate::state::CallState;

/// What an entry costs beside its bytes, so that a million empty values are not free.
const ENTRY_COST: usize = 64;
/// The longest key, in bytes.
const MAX_KEY: usize = 256;

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

/// What a plugin may keep, in bytes.
#[derive(Clone, Copy)]
struct Quota {
    bytes: usize,
    value: usize,
}

impl CallState {
    fn quota(&self) -> Quota {
        Quota { bytes: self.plugin.limits.kv, value: self.plugin.limits.kv_value }
    }
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

    /// Whether there is room for a value. What is past its time is cleared if that makes room.
    fn fits(&mut self, key: &str, entry: &Entry, now: Instant, most: Quota) -> Result<(), KvError> {
        if key.is_empty() || key.len() > MAX_KEY || entry.value.len() > most.value {
            return Err(KvError::TooLarge);
        }
        let cost = cost(key, entry);
        let replaced = self.map.get(key).map_or(0, |old| self::cost(key, old));
        if self.bytes - replaced + cost > most.bytes && self.soonest.is_some_and(|at| at <= now) {
            self.clear_dead(now);
        }
        let replaced = self.map.get(key).map_or(0, |old| self::cost(key, old));
        if self.bytes - replaced + cost > most.bytes {
            return Err(KvError::QuotaExceeded);
        }
        Ok(())
    }

    fn put(&mut self, key: String, entry: Entry, now: Instant, most: Quota) -> Result<(), KvError> {
        self.fits(&key, &entry, now, most)?;
        let replaced = self.map.get(&key).map_or(0, |old| cost(&key, old));
        self.bytes = self.bytes - replaced + cost(&key, &entry);
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

impl CallState {
    /// Keeps a value; a shadow only hears whether it could be kept.
    fn keep(&self, key: String, entry: Entry, now: Instant, entries: &mut Entries) -> Result<(), KvError> {
        match self.plugin.shadow {
            true => entries.fits(&key, &entry, now, self.quota()),
            false => entries.put(key, entry, now, self.quota()),
        }
    }
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
        Ok(self.keep(key, Entry { value, until: until(now, ttl_ms) }, now, &mut self.plugin.kv.lock()))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), KvError>> {
        self.meter.enter(key.len())?;
        if !self.plugin.shadow {
            self.plugin.kv.lock().take(&key);
        }
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
        Ok(self.keep(key, entry, now, &mut entries).map(|()| sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Quota = Quota { bytes: 1 << 20, value: 64 << 10 };

    fn entry(bytes: usize, until: Option<Instant>) -> Entry {
        Entry { value: vec![0; bytes], until }
    }

    #[test]
    fn the_quota_holds_and_dead_entries_make_room() {
        let mut entries = Entries::default();
        let now = Instant::now();
        let soon = now + Duration::from_secs(1);
        let mut kept = 0;
        while entries.put(format!("k{kept}"), entry(MOST.value, Some(soon)), now, MOST).is_ok() {
            kept += 1;
        }
        assert_eq!(kept, 15);
        assert!(entries.bytes <= MOST.bytes);
        assert_eq!(entries.put("late".into(), entry(MOST.value, None), soon, MOST), Ok(()));
        assert_eq!(entries.map.len(), 1);
        assert_eq!(entries.put(String::new(), entry(1, None), now, MOST), Err(KvError::TooLarge));
        assert_eq!(entries.put("x".into(), entry(MOST.value + 1, None), now, MOST), Err(KvError::TooLarge));
        entries.take("late");
        assert_eq!(entries.bytes, 0);
    }

    #[test]
    fn a_full_store_is_searched_only_when_something_may_be_dead() {
        let mut entries = Entries::default();
        let now = Instant::now();
        let later = [5, 3].map(|secs| now + Duration::from_secs(secs));
        entries.put("keeps".into(), entry(1, None), now, MOST).unwrap();
        assert_eq!(entries.soonest, None);
        entries.put("long".into(), entry(1, Some(later[0])), now, MOST).unwrap();
        entries.put("short".into(), entry(1, Some(later[1])), now, MOST).unwrap();
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
        let kept = (0..1_000_000)
            .take_while(|i| entries.put(i.to_string(), entry(0, None), now, MOST).is_ok())
            .count();
        assert!(kept < MOST.bytes / ENTRY_COST, "{kept}");
    }
}

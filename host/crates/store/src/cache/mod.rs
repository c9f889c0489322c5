//! Answers that are kept for identical requests (`orchestrator.cache`): in memory, by key, each for a time.
//!
//! Bounded by the bytes that they really take, `max_size` together and `MAX_ENTRY` each. What leaves for want of room is
//! moka's choice (TinyLFU: what is asked for most stays). How old an answer may be is decided here, at each look, so that
//! a shorter `ttl` holds at once. Knows nothing of requests: who builds keys must put all in that makes answers differ.

mod canonical;
pub(crate) mod codec;
mod entry;
mod key;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use moka::notification::RemovalCause;

use jackfield_core::config::Cache as Settings;

pub use canonical::digest;
pub use entry::{Entry, Given, Kept, weight_of_chunk, weight_of_reply};
pub use key::{CacheKey, KeyBuilder};

use crate::shared::Answers;

/// What one answer may take, in bytes: larger ones are not kept.
pub const MAX_ENTRY: usize = 8 << 20;

/// Kept answers. Nothing is kept before [`Cache::configure`] says so.
#[derive(Debug, Default)]
pub struct Cache {
    state: RwLock<Option<State>>,
    /// Answers that left for want of room.
    evicted: Arc<AtomicU64>,
    /// Where answers are shared with other hosts.
    answers: Option<Arc<Answers>>,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    answers: moka::sync::Cache<CacheKey, Arc<Entry>>,
}

/// What the cache holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheSize {
    /// Answers.
    pub entries: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// Answers that left for want of room, or were not taken, since the process began.
    pub evicted: u64,
}

impl Cache {
    /// One whose answers are shared with other hosts.
    pub(crate) fn sharing(answers: Arc<Answers>) -> Self {
        Self { answers: Some(answers), ..Self::default() }
    }

    /// These settings hold from now on. What is kept stays as far as they allow; switched off, nothing does.
    pub fn configure(&self, settings: &Settings) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !settings.enabled {
            *state = None;
            return;
        }
        let bounds = |of: &Settings| (of.max_size, of.ttl);
        match &mut *state {
            Some(there) if bounds(&there.settings) == bounds(settings) => there.settings = *settings,
            _ => {
                // The library's bounds do not change while it runs.
                let answers = self.with_bounds(settings);
                for (key, entry) in state.iter().flat_map(|before| &before.answers) {
                    answers.insert(*key, entry);
                }
                *state = Some(State { settings: *settings, answers });
            }
        }
    }

    /// What is kept under this key and is younger than the `ttl` and than `max_age`.
    pub fn get(&self, key: &CacheKey, now: Instant, max_age: Option<Duration>) -> Option<Arc<Entry>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let State { settings, answers } = state.as_ref()?;
        let entry = answers.get(key)?;
        let age = entry.age(now);
        if age >= settings.ttl {
            answers.invalidate(key);
            return None;
        }
        max_age.is_none_or(|most| age < most).then_some(entry)
    }

    /// Keeps an answer, unless it is too large.
    pub fn keep(&self, key: CacheKey, entry: Entry) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(State { settings, answers }) = state.as_ref() else { return };
        if entry.weight() <= most(settings) {
            let entry = Arc::new(entry);
            if let Some(shared) = &self.answers {
                shared.put(key, Arc::clone(&entry), settings.ttl);
            }
            answers.insert(key, entry);
        }
    }

    /// Whether hosts share what they keep.
    pub fn is_shared(&self) -> bool {
        self.answers.is_some() && self.most() > 0
    }

    /// As [`Self::get`], and where nothing is kept here, what another host has shared. Waits for the shared state's timeout at
    /// most.
    pub async fn fetch(&self, key: &CacheKey, now: Instant, max_age: Option<Duration>) -> Option<Arc<Entry>> {
        if let Some(entry) = self.get(key, now, max_age) {
            return Some(entry);
        }
        let shared = self.answers.as_ref()?;
        if self.most() == 0 {
            return None;
        }
        let entry = shared.get(key, now).await?;
        let entry = self.take_over(*key, entry, now)?;
        max_age.is_none_or(|most| entry.age(now) < most).then_some(entry)
    }

    /// Has what is kept under these keys kept here too, where another host has shared it: [`Self::get`] finds it then. Waits for
    /// the shared state's timeout at most, for all of them together.
    pub async fn fetch_all(&self, keys: &[CacheKey], now: Instant, max_age: Option<Duration>) {
        let Some(shared) = self.answers.as_ref().filter(|_| self.most() > 0) else { return };
        let mut seen = HashSet::new();
        let unknown = keys.iter().filter(|key| seen.insert(**key) && self.get(key, now, max_age).is_none());
        let unknown: Vec<CacheKey> = unknown.copied().collect();
        shared
            .get_all(&unknown, now, |key, entry| {
                let _ = self.take_over(key, entry, now);
            })
            .await;
    }

    /// Keeps here what another host has shared, unless it is too old; too large a one is only passed on.
    fn take_over(&self, key: CacheKey, entry: Entry, now: Instant) -> Option<Arc<Entry>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let State { settings, answers } = state.as_ref()?;
        if entry.age(now) >= settings.ttl {
            return None;
        }
        let entry = Arc::new(entry);
        if entry.weight() <= most(settings) {
            answers.insert(key, Arc::clone(&entry));
        }
        Some(entry)
    }

    /// What one answer may take at present, in bytes; 0 while nothing is kept.
    pub fn most(&self) -> usize {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.as_ref().map_or(0, |state| most(&state.settings))
    }

    /// What it holds. Does what the library has put off, so it is for those who look, not for requests.
    pub fn size(&self) -> CacheSize {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let held = state.as_ref().map(|state| {
            state.answers.run_pending_tasks();
            (state.answers.entry_count(), state.answers.weighted_size())
        });
        let (entries, bytes) = held.unwrap_or_default();
        CacheSize { entries, bytes, evicted: self.evicted.load(Ordering::Relaxed) }
    }

    fn with_bounds(&self, settings: &Settings) -> moka::sync::Cache<CacheKey, Arc<Entry>> {
        let evicted = Arc::clone(&self.evicted);
        moka::sync::Cache::builder()
            .max_capacity(settings.max_size)
            .weigher(|_, entry: &Arc<Entry>| u32::try_from(entry.weight()).unwrap_or(u32::MAX))
            // Frees what nobody asks for any more; what is asked for is looked at in `get`.
            .time_to_live(settings.ttl)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evicted.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build()
    }
}

fn most(settings: &Settings) -> usize {
    usize::try_from(settings.max_size).unwrap_or(usize::MAX).min(MAX_ENTRY)
}

#[cfg(test)]
mod tests;

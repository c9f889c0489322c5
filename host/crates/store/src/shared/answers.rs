//! Kept answers that hosts share: looked for where this host has none, and put there by one task, after the answer.
//!
//! A connection of its own, so that a large answer is not in a limit's way. Bounded: `MOST` bytes an answer, `WAITING` answers on
//! their way (the oldest is not put there), the time that answers are kept, and the link's timeout for a look. What cannot be
//! read for any reason is not there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use super::counters::prefix;
use super::link::Link;
use crate::cache::codec::{self, LAYOUT};
use crate::cache::{CacheKey, Entry};

/// The largest answer that is shared, in bytes as it is kept there.
const MOST: usize = 1 << 20;
/// Answers that wait to be put there.
const WAITING: usize = 256;

/// Kept answers at the server.
#[derive(Debug)]
pub(crate) struct Answers {
    link: Link,
    prefix: String,
    waiting: Mutex<VecDeque<Waiting>>,
    more: Notify,
}

#[derive(Debug)]
struct Waiting {
    key: CacheKey,
    entry: Arc<Entry>,
    ttl: Duration,
}

impl Answers {
    pub(crate) fn new(link: Link, name: &str) -> Self {
        let prefix = format!("{}{LAYOUT}:", prefix(name));
        Self { link, prefix, waiting: Mutex::default(), more: Notify::new() }
    }

    /// The connection.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// The answer that is kept under this key, if one is and can be read.
    pub(crate) async fn get(&self, key: &CacheKey, now: Instant) -> Option<Entry> {
        let mut command = redis::cmd("GETRANGE");
        command.arg(self.name(key)).arg(0).arg(MOST);
        let send = |mut connection| {
            let command = command.clone();
            async move { command.query_async::<Vec<u8>>(&mut connection).await }
        };
        let found = self.link.ask(send).await.ok()?;
        let (given, kept, at) = codec::decode(key, &found)?;
        let age = Duration::from_millis(wall().saturating_sub(at));
        // Older than this machine's clock goes back: nobody can say how old.
        Some(Entry::new(given, kept, now.checked_sub(age)?))
    }

    /// Puts an answer there, soon, for so long.
    pub(crate) fn put(&self, key: CacheKey, entry: Arc<Entry>, ttl: Duration) {
        if entry.weight() > MOST {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() == WAITING {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { key, entry, ttl });
        drop(waiting);
        self.more.notify_one();
    }

    /// Keeps the connection and puts answers there, until it is dropped.
    pub(crate) async fn serve(&self) {
        let told = |now: Result<(), &str>| {
            tracing::debug!(target: "jackfield::store", state = &**self.link.server(), ?now, "where kept answers are shared");
        };
        tokio::join!(self.link.keep(told), async {
            loop {
                let more = self.more.notified();
                let next = self.waiting().pop_front();
                match next {
                    Some(next) => self.send(next).await,
                    None => more.await,
                }
            }
        });
    }

    async fn send(&self, next: Waiting) {
        let Waiting { key, entry, ttl } = next;
        let age = entry.age(Instant::now());
        let Some(left) = ttl.checked_sub(age).filter(|left| !left.is_zero()) else { return };
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let bytes = codec::encode(&key, &entry, wall().saturating_sub(age));
        if bytes.len() > MOST {
            return;
        }
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 40);
        let mut command = redis::cmd("SET");
        command.arg(self.name(&key)).arg(bytes).arg("PX").arg(left);
        let send = |mut connection| {
            let command = command.clone();
            async move { command.query_async::<()>(&mut connection).await }
        };
        if let Err(error) = self.link.ask(send).await {
            tracing::debug!(target: "jackfield::store", %error, "an answer is not shared");
        }
    }

    fn name(&self, key: &CacheKey) -> String {
        use std::fmt::Write as _;
        let mut name = self.prefix.clone();
        for byte in key.as_ref() {
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970.
fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

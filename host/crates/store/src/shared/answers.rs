//! Kept answers that hosts share: looked for where this host has none, and put there by one task, after the answer.
//!
//! A connection of its own, so that a large answer is not in a limit's way. Bounded: `MOST` bytes an answer, `WAITING` bytes of
//! answers on their way (the oldest are not put there), the time that answers are kept, and the link's timeout for a look. A
//! look for many is for `MOST_ASKED` at most, in questions of `TOGETHER`, of `MOST_PART` bytes each; its time is for all of
//! them, and what came until then counts. What cannot be read for any reason is not there.

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
/// What waits to be put there, in bytes.
const WAITING: usize = 64 << 20;
/// Answers that one request looks for together: the parts of the longest request that providers take, and what goes with them.
const MOST_ASKED: usize = 2_049;
/// Answers that are asked for, or put there, with one question.
const TOGETHER: usize = 64;
/// The largest of answers that are looked for together.
const MOST_PART: usize = 256 << 10;
/// What is put there with one question, in bytes, but for a larger answer alone.
const PUT: usize = 4 << 20;

/// Kept answers at the server.
#[derive(Debug)]
pub(crate) struct Answers {
    link: Link,
    prefix: String,
    waiting: Mutex<Queue>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    answers: VecDeque<Waiting>,
    /// What they take.
    bytes: usize,
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
        read(key, &found, now)
    }

    /// Those of these answers that are kept, each given to `found`. Waits for the link's timeout at most, for all of them; what
    /// is asked for beyond the bounds is not there.
    pub(crate) async fn get_all(
        &self,
        keys: &[CacheKey],
        now: Instant,
        mut found: impl FnMut(CacheKey, Entry),
    ) {
        let keys = keys.get(..MOST_ASKED).unwrap_or(keys);
        let until = tokio::time::Instant::now() + self.link.timeout();
        for keys in keys.chunks(TOGETHER) {
            let mut pipe = redis::pipe();
            for key in keys {
                pipe.cmd("GETRANGE").arg(self.name(key)).arg(0).arg(MOST_PART);
            }
            let send = |mut connection| {
                let pipe = pipe.clone();
                async move { pipe.query_async::<Vec<Vec<u8>>>(&mut connection).await }
            };
            // A server that does not answer this does not answer the rest either. What came so far is of use.
            let Ok(answers) = self.link.ask_until(until, send).await else { return };
            for (key, bytes) in keys.iter().zip(answers) {
                if let Some(entry) = read(key, &bytes, now) {
                    found(*key, entry);
                }
            }
        }
    }

    /// Puts an answer there, soon, for so long.
    pub(crate) fn put(&self, key: CacheKey, entry: Arc<Entry>, ttl: Duration) {
        if entry.weight() > MOST {
            return;
        }
        self.waiting().push(Waiting { key, entry, ttl });
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
                let next = self.waiting().take();
                match next.is_empty() {
                    false => self.send(next).await,
                    true => more.await,
                }
            }
        });
    }

    async fn send(&self, next: Vec<Waiting>) {
        let mut pipe = redis::pipe();
        for Waiting { key, entry, ttl } in next {
            let age = entry.age(Instant::now());
            let Some(left) = ttl.checked_sub(age).filter(|left| !left.is_zero()) else { continue };
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let bytes = codec::encode(&key, &entry, wall().saturating_sub(age));
            if bytes.len() > MOST {
                continue;
            }
            let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 40);
            pipe.cmd("SET").arg(self.name(&key)).arg(bytes).arg("PX").arg(left).ignore();
        }
        if pipe.is_empty() {
            return;
        }
        let send = |mut connection| {
            let pipe = pipe.clone();
            async move { pipe.query_async::<()>(&mut connection).await }
        };
        if let Err(error) = self.link.ask(send).await {
            tracing::debug!(target: "jackfield::store", %error, "answers are not shared");
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

    fn waiting(&self) -> MutexGuard<'_, Queue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// One more. The oldest make room for it.
    fn push(&mut self, next: Waiting) {
        self.bytes += next.entry.weight();
        self.answers.push_back(next);
        while self.bytes > WAITING {
            let Some(oldest) = self.answers.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.entry.weight());
        }
    }

    /// What goes with one question, the oldest first.
    fn take(&mut self) -> Vec<Waiting> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < TOGETHER {
            let weight = self.answers.front().map_or(0, |next| next.entry.weight());
            if !taken.is_empty() && bytes + weight > PUT {
                break;
            }
            let Some(next) = self.answers.pop_front() else { break };
            bytes += weight;
            taken.push(next);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        taken
    }
}

/// An answer as it is kept there, if it can be read.
fn read(key: &CacheKey, bytes: &[u8], now: Instant) -> Option<Entry> {
    let (given, kept, at) = codec::decode(key, bytes)?;
    let age = Duration::from_millis(wall().saturating_sub(at));
    // Older than this machine's clock goes back: nobody can say how old.
    Some(Entry::new(given, kept, now.checked_sub(age)?))
}

/// Milliseconds since 1970.
fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

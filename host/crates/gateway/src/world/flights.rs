//! Calls that identical requests share while they are under way: one opens the flight, the others tail what comes of it.
//!
//! A flight is a task of its own, which belongs to one [`Flights`] for the life of the process and ends with it. It goes on
//! when its readers leave, so that its answer can be kept. Its buffer holds the whole answer as long as that could be
//! kept; a longer one takes no more readers, waits for the slowest it has and keeps only what that has not read, and is
//! given up when nobody reads any more. As many flights are possible as requests may be under way: each holds its opener's place.
//! Knows nothing of how an answer comes about.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use jackfield_core::contract::{Chunk, ChunkStream, Fault, FaultKind, Reply};
use jackfield_store::cache::{CacheKey, Given, weight_of_chunk};

/// The flights under way, by what is asked.
#[derive(Debug, Default)]
pub struct Flights {
    open: Mutex<Open>,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Open {
    by_key: HashMap<CacheKey, Arc<Tail>>,
}

#[derive(Debug, Default)]
struct Tasks {
    set: JoinSet<()>,
    ended: bool,
}

/// What one flight has brought so far.
#[derive(Debug)]
struct Tail {
    /// Our id of the request that opened it.
    opener: String,
    /// From this many bytes on it is not kept whole.
    most: usize,
    state: Mutex<State>,
    /// Something came.
    came: Notify,
    /// Something was read, or a reader left.
    read: Notify,
}

#[derive(Debug, Default)]
struct State {
    begun: Option<Arc<Begun>>,
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk that is still held.
    first: usize,
    /// What is held, in bytes.
    size: usize,
    /// It grew larger than can be kept.
    over: bool,
    end: Option<Result<(), Fault>>,
    /// The next chunk that each reader wants.
    readers: BTreeMap<u64, usize>,
    last_reader: u64,
}

/// What is known once an answer begins.
#[derive(Debug)]
pub(crate) struct Begun {
    /// Who gives it.
    pub given: Given,
    /// All of it, when it is no stream.
    pub whole: Option<Reply>,
    /// So much of the time was a provider's.
    pub waited: Duration,
    /// How old it was, when it was kept: nobody was called for it.
    pub age: Option<Duration>,
    /// Its opener's budget made it what it is: it is nobody else's answer.
    pub own: bool,
}

/// A request's way to its answer.
pub(crate) enum Joined<K> {
    /// It is kept.
    Kept(K),
    /// It is under way.
    Follows(Reader),
    /// It is to be called for.
    Opens(Reader, Departure),
}

/// One request's place at a flight.
#[derive(Debug)]
pub(crate) struct Reader {
    tail: Arc<Tail>,
    number: u64,
}

/// The flight's own end of it. Dropped before the answer is whole, it tells the readers that the flight was cut off.
#[derive(Debug)]
pub(crate) struct Departure {
    flights: Arc<Flights>,
    key: CacheKey,
    tail: Arc<Tail>,
}

impl Flights {
    /// A place at the flight with this key: under way, or to be opened by `opener`, a request's id. `kept` looks for an
    /// answer that has just landed, while nobody else can join anything, so it must be quick; `fresh` wants one that is called for from now on. The answer is kept up to `most` bytes.
    pub(crate) fn join<K>(
        self: &Arc<Self>,
        key: CacheKey,
        opener: &str,
        most: usize,
        fresh: bool,
        kept: impl FnOnce() -> Option<K>,
    ) -> Joined<K> {
        let mut open = lock(&self.open);
        if !fresh {
            if let Some(reader) = open.by_key.get(&key).and_then(Tail::follow) {
                return Joined::Follows(reader);
            }
            // What lands is kept before it leaves the table: nobody finds neither.
            if let Some(found) = kept() {
                return Joined::Kept(found);
            }
        }
        let tail = Arc::new(Tail {
            opener: opener.to_owned(),
            most,
            state: Mutex::default(),
            came: Notify::new(),
            read: Notify::new(),
        });
        open.by_key.insert(key, Arc::clone(&tail));
        let departure = Departure { flights: Arc::clone(self), key, tail: Arc::clone(&tail) };
        Joined::Opens(Tail::reader(&tail, &mut lock(&tail.state)), departure)
    }

    /// Runs a flight. After the end, it is dropped at once.
    pub(crate) fn launch(&self, flight: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.set.try_join_next().is_some() {}
        if !tasks.ended {
            tasks.set.spawn(flight);
        }
    }

    /// Cuts every flight off, and takes no more.
    pub async fn end(&self) {
        let mut set = {
            let mut tasks = lock(&self.tasks);
            tasks.ended = true;
            std::mem::take(&mut tasks.set)
        };
        set.shutdown().await;
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        lock(&self.open).by_key.len()
    }

    /// A flight takes no more readers.
    fn close(&self, key: &CacheKey, tail: &Arc<Tail>) {
        let mut open = lock(&self.open);
        if open.by_key.get(key).is_some_and(|there| Arc::ptr_eq(there, tail)) {
            open.by_key.remove(key);
        }
    }
}

impl Tail {
    /// One more reader, from the beginning on; nothing where that is no longer there or failed.
    fn follow(self: &Arc<Self>) -> Option<Reader> {
        let mut state = lock(&self.state);
        let failed = matches!(state.end, Some(Err(_)));
        (!state.over && !failed).then(|| Self::reader(self, &mut state))
    }

    fn reader(tail: &Arc<Self>, state: &mut State) -> Reader {
        state.last_reader += 1;
        state.readers.insert(state.last_reader, 0);
        Reader { tail: Arc::clone(tail), number: state.last_reader }
    }

    /// Waits until the state gives an answer to `look`.
    async fn wait<T>(&self, on: &Notify, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut told = std::pin::pin!(on.notified());
            // Whatever happens from here on is heard.
            told.as_mut().enable();
            if let Some(found) = look(&mut lock(&self.state)) {
                return found;
            }
            told.await;
        }
    }

    fn end(&self, how: Result<(), Fault>) {
        lock(&self.state).end.get_or_insert(how);
        self.came.notify_waiters();
    }
}

impl State {
    /// Lets go of what every reader has.
    fn trim(&mut self) {
        let Some(slowest) = self.readers.values().min().copied() else { return };
        while self.over && self.first < slowest {
            let Some(chunk) = self.chunks.pop_front() else { break };
            self.size = self.size.saturating_sub(weight_of_chunk(&chunk));
            self.first += 1;
        }
    }
}

impl Reader {
    /// The id of the request that opened the flight.
    pub(crate) fn opener(&self) -> &str {
        &self.tail.opener
    }

    /// Waits until the answer begins, or there is none.
    pub(crate) async fn begun(&self, deadline: Instant) -> Result<Arc<Begun>, Fault> {
        let look = |state: &mut State| match (&state.begun, &state.end) {
            (Some(begun), _) => Some(Ok(Arc::clone(begun))),
            (None, Some(Err(fault))) => Some(Err(fault.clone())),
            (None, Some(Ok(())) | None) => None,
        };
        let begun = self.tail.wait(&self.tail.came, look);
        tokio::time::timeout_at(deadline.into(), begun).await.unwrap_or_else(|_| Err(late()))
    }

    /// The answer's chunks, from the first on.
    pub(crate) fn chunks(self, deadline: Instant) -> ChunkStream {
        stream::unfold(Some(self), move |reader| async move {
            let reader = reader?;
            let next = tokio::time::timeout_at(deadline.into(), reader.next()).await;
            match next.unwrap_or_else(|_| Some(Err(late())))? {
                Ok(chunk) => Some((Ok(chunk), Some(reader))),
                Err(fault) => Some((Err(fault), None)),
            }
        })
        .boxed()
    }

    async fn next(&self) -> Option<Result<Chunk, Fault>> {
        let look = |state: &mut State| {
            let wanted = state.readers.get(&self.number).copied()?;
            if let Some(chunk) = state.chunks.get(wanted.saturating_sub(state.first)).cloned() {
                state.readers.insert(self.number, wanted + 1);
                state.trim();
                return Some(Some(Ok(chunk)));
            }
            state.end.clone().map(|end| end.err().map(Err))
        };
        let next = self.tail.wait(&self.tail.came, look).await;
        self.tail.read.notify_waiters();
        next
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.tail.state);
        state.readers.remove(&self.number);
        state.trim();
        drop(state);
        self.tail.read.notify_waiters();
    }
}

impl Departure {
    /// The id of the request that opened the flight.
    pub(crate) fn opener(&self) -> &str {
        &self.tail.opener
    }

    /// The answer begins.
    pub(crate) fn begin(&self, begun: Begun) {
        lock(&self.tail.state).begun = Some(Arc::new(begun));
        self.tail.came.notify_waiters();
    }

    /// One more chunk. Waits for the slowest reader once the answer is larger than can be kept; then says whether anybody
    /// reads on.
    pub(crate) async fn push(&self, chunk: Chunk) -> bool {
        let over = {
            let mut state = lock(&self.tail.state);
            state.size += weight_of_chunk(&chunk);
            state.chunks.push_back(chunk);
            let grew = !state.over && state.size > self.tail.most;
            state.over |= grew;
            state.trim();
            (state.over, grew)
        };
        self.tail.came.notify_waiters();
        let (over, grew) = over;
        if grew {
            self.close();
        }
        if !over {
            return true;
        }
        let room = |state: &mut State| match state.readers.is_empty() {
            true => Some(false),
            false => (state.size <= self.tail.most).then_some(true),
        };
        self.tail.wait(&self.tail.read, room).await
    }

    /// All chunks, if the answer can be kept.
    pub(crate) fn all(&self) -> Option<Vec<Chunk>> {
        let state = lock(&self.tail.state);
        (!state.over).then(|| state.chunks.iter().cloned().collect())
    }

    /// Nobody else is to follow: whoever asks from now on is told what is kept, or calls.
    pub(crate) fn close(&self) {
        self.flights.close(&self.key, &self.tail);
    }

    /// The answer is whole.
    pub(crate) fn land(self) {
        self.close();
        self.tail.end(Ok(()));
    }

    /// There is no answer, or no more of it.
    pub(crate) fn fail(self, fault: Fault) {
        self.close();
        self.tail.end(Err(fault));
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        let fault = || Fault::new(FaultKind::Stopping, "the call that this request shared was cut off");
        self.close();
        self.tail.end(Err(fault()));
    }
}

/// A request's own time is up.
fn late() -> Fault {
    let message = "the request's time was up while the same request's answer was waited for";
    Fault::new(FaultKind::UpstreamTimeout, message)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

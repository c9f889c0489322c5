//! Calls for embeddings that are asked for at once and are alike in all but their inputs: while one is under way, the others
//! wait for it a little and then go together, as one call.
//!
//! The first who asks never waits. Who waits does so until a call like its own is over, for `wait` at most; then one of those
//! who wait asks for all. Bounded: `inputs` in one call; what finds no room asks by itself. A kind of call that was refused
//! together is asked for one by one for `APART`. A group is forgotten when nobody of it is under way. Knows nothing of how a
//! call is made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use jackfield_core::contract::{Called, Facts, Usage};
use jackfield_store::cache::CacheKey;

use crate::charge::Payer;

/// How long calls that were refused together are not put together again.
const APART: Duration = Duration::from_secs(60);
/// Kinds of calls that are remembered as refused.
const MOST_APART: usize = 1_024;

/// The groups of calls that are alike.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<CacheKey, Group>,
    /// Until when these are asked for one by one.
    apart: HashMap<CacheKey, Instant>,
    last: u64,
}

#[derive(Debug, Default)]
struct Group {
    /// Calls under way.
    under_way: usize,
    waiting: Vec<Guest>,
    /// The inputs of those who wait.
    inputs: usize,
}

/// What one request wants of a call.
pub(crate) struct Wanted {
    /// The request, for these inputs alone.
    pub facts: Arc<Facts>,
    /// On whose account.
    pub payer: Payer,
    /// What is to be embedded, each as JSON.
    pub inputs: Vec<Bytes>,
}

/// What one request gets of a call that was made for several.
#[derive(Debug)]
pub(crate) struct Share {
    /// Its vectors, in the order of its inputs, each as JSON.
    pub vectors: Vec<Bytes>,
    /// The model, in the provider's words.
    pub model: String,
    /// What it pays.
    pub usage: Usage,
    /// The call.
    pub called: Called,
    /// How many requests it was made for.
    pub together: usize,
}

/// One who waits. Dropped without a word, it asks by itself.
pub(crate) struct Guest {
    number: u64,
    /// What it wants.
    pub wanted: Wanted,
    tell: oneshot::Sender<Told>,
}

/// Who asks.
pub(crate) enum Turn {
    /// This request, by itself.
    Alone(UnderWay),
    /// This request, for these too.
    Leads(Wanted, Vec<Guest>, UnderWay),
    /// Somebody did, and this came of it; nothing: it asks by itself.
    Asked(Option<Share>),
}

enum Told {
    Leads(Wanted, Vec<Guest>, UnderWay),
    Share(Box<Share>),
}

/// A call that is under way. Dropped, it is over, and those who wait for it have their turn.
pub(crate) struct UnderWay {
    batches: Arc<Batches>,
    key: CacheKey,
}

/// What bounds a call for several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Inputs at most.
    pub inputs: usize,
    /// How long one waits at most.
    pub wait: Duration,
    /// When the request must be over.
    pub deadline: Instant,
}

impl Batches {
    /// This request's turn. `key`: what calls have in common that can be put together.
    pub(crate) async fn turn(self: &Arc<Self>, key: CacheKey, wanted: Wanted, bounds: Bounds) -> Turn {
        let (number, mut told) = {
            let mut state = self.lock();
            let apart = state.apart.get(&key).is_some_and(|until| Instant::now() < *until);
            let group = state.groups.entry(key).or_default();
            let inputs = group.inputs.saturating_add(wanted.inputs.len());
            if group.under_way == 0 || apart || inputs > bounds.inputs {
                group.under_way += 1;
                return Turn::Alone(UnderWay { batches: Arc::clone(self), key });
            }
            state.last += 1;
            let number = state.last;
            let (tell, told) = oneshot::channel();
            if let Some(group) = state.groups.get_mut(&key) {
                group.inputs = inputs;
                group.waiting.push(Guest { number, wanted, tell });
            }
            (number, told)
        };
        let told = match tokio::time::timeout(bounds.wait, &mut told).await {
            Ok(told) => told,
            Err(_) => match self.lead(key, number) {
                Some(leads) => return leads,
                // Somebody asks for it already.
                None => match tokio::time::timeout_at(bounds.deadline.into(), told).await {
                    Ok(told) => told,
                    Err(_) => return Turn::Asked(None),
                },
            },
        };
        match told {
            Ok(Told::Leads(wanted, guests, under_way)) => Turn::Leads(wanted, guests, under_way),
            Ok(Told::Share(share)) => Turn::Asked(Some(*share)),
            Err(_) => Turn::Asked(None),
        }
    }

    /// Calls of this kind were refused together: for a while each is made by itself.
    pub(crate) fn keep_apart(&self, key: CacheKey) {
        let now = Instant::now();
        let mut state = self.lock();
        state.apart.retain(|_, until| now < *until);
        if state.apart.len() < MOST_APART {
            state.apart.insert(key, now + APART);
        }
    }

    /// Waited long enough: asks for all who wait, itself first, if it still does.
    fn lead(self: &Arc<Self>, key: CacheKey, number: u64) -> Option<Turn> {
        let mut state = self.lock();
        let group = state.groups.get_mut(&key)?;
        let at = group.waiting.iter().position(|guest| guest.number == number)?;
        let own = group.waiting.remove(at);
        let guests = std::mem::take(&mut group.waiting);
        group.inputs = 0;
        group.under_way += 1;
        drop(state);
        Some(Turn::Leads(own.wanted, guests, UnderWay { batches: Arc::clone(self), key }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// What came of it.
    pub(crate) fn tell(self, share: Share) {
        // It may have left.
        let _ = self.tell.send(Told::Share(Box::new(share)));
    }
}

impl Drop for UnderWay {
    /// The next who waits and has not left asks for all of them.
    fn drop(&mut self) {
        let mut state = self.batches.lock();
        let Some(group) = state.groups.get_mut(&self.key) else { return };
        group.under_way = group.under_way.saturating_sub(1);
        let mut waiting = std::mem::take(&mut group.waiting);
        group.inputs = 0;
        waiting.retain(|guest| !guest.tell.is_closed());
        if waiting.is_empty() {
            if group.under_way == 0 {
                state.groups.remove(&self.key);
            }
            return;
        }
        group.under_way += 1;
        drop(state);
        let Guest { wanted, tell, .. } = waiting.remove(0);
        let under_way = Self { batches: Arc::clone(&self.batches), key: self.key };
        // One that leaves just now takes the others along: each then asks by itself.
        let _ = tell.send(Told::Leads(wanted, waiting, under_way));
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("number", &self.number).finish_non_exhaustive()
    }
}

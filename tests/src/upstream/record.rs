//! What a scripted provider was asked, and how each answer ended.
//!
//! Everything is kept in order of arrival and can be waited for: a change wakes whoever waits, and a
//! wait that does not end in `PATIENCE` fails with all that was seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::watch;

use crate::PATIENCE;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, to the byte.
    pub body: Bytes,
    /// Which connection it came over, the first being 0.
    pub connection: usize,
    /// How its answer stands.
    pub outcome: Outcome,
    /// Bytes of its answer's body that were handed to the connection.
    pub sent: usize,
}

/// How an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being given.
    Open,
    /// All of it was handed to the connection.
    Finished,
    /// The script broke it off.
    Broken,
    /// The client went away before the end.
    Disconnected,
}

impl Received {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {:?}", self.text()))
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// A header's value, if it was sent and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// All that a provider saw, shared by its connections and the test.
#[derive(Debug)]
pub(super) struct Record {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    connections: usize,
    gates: BTreeMap<String, Gate>,
    unscripted: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    open: bool,
    waiting: usize,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// A new connection's number.
    pub(super) fn connected(&self) -> usize {
        self.change(|state| {
            state.connections += 1;
            state.connections - 1
        })
    }

    /// Notes a request and returns the guard of its answer.
    pub(super) fn received(self: &Arc<Self>, request: Received) -> OpenAnswer {
        let index = self.change(|state| {
            state.received.push(request);
            state.received.len() - 1
        });
        OpenAnswer { record: self.clone(), index, over: false }
    }

    pub(super) fn unscripted(&self) {
        self.change(|state| state.unscripted += 1);
    }

    pub(super) fn all(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.lock().connections
    }

    pub(super) fn unscripted_count(&self) -> usize {
        self.lock().unscripted
    }

    /// Waits at a gate until it is open.
    pub(super) async fn pass(&self, name: &str) {
        self.change(|state| state.gates.entry(name.to_owned()).or_default().waiting += 1);
        // Counted down even when the client goes away and this future is dropped.
        let _leave = Leave { record: self, name };
        self.until(|state| state.gates[name].open.then_some(())).await;
    }

    pub(super) fn open_gate(&self, name: &str) {
        self.change(|state| state.gates.entry(name.to_owned()).or_default().open = true);
    }

    /// Waits until `count` answers stand at a closed gate.
    pub(super) async fn at_gate(&self, name: &str, count: usize) {
        let waited = self.until(|state| {
            state.gates.get(name).is_some_and(|gate| gate.waiting >= count && !gate.open).then_some(())
        });
        self.patiently(&format!("{count} answers to stand at the gate `{name}`"), waited).await;
    }

    /// Waits until `count` requests have come.
    pub(super) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let waited = self.until(|state| (state.received.len() >= count).then(|| state.received.clone()));
        self.patiently(&format!("{count} requests"), waited).await
    }

    /// Waits until the answer to request `index` is no longer open.
    pub(super) async fn outcome(&self, index: usize) -> Outcome {
        let waited = self.until(|state| {
            state.received.get(index).map(|r| r.outcome).filter(|outcome| *outcome != Outcome::Open)
        });
        self.patiently(&format!("the end of answer {index}"), waited).await
    }

    async fn until<T>(&self, mut found: impl FnMut(&State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(value) = found(&self.lock()) {
                return value;
            }
            // The sender lives in `self`.
            let _ = changed.changed().await;
        }
    }

    async fn patiently<T>(&self, what: &str, waited: impl Future<Output = T>) -> T {
        match tokio::time::timeout(PATIENCE, waited).await {
            Ok(value) => value,
            Err(_) => panic!("waited {PATIENCE:?} in vain for {what}; seen:\n{}", self.summary()),
        }
    }

    fn summary(&self) -> String {
        let state = self.lock();
        let mut out = format!("{} connections, {} unscripted\n", state.connections, state.unscripted);
        for (index, r) in state.received.iter().enumerate() {
            let body = String::from_utf8_lossy(&r.body[..r.body.len().min(400)]);
            let _ = writeln!(out, "#{index} {} {} {:?}: {body}", r.method, r.path, r.outcome);
        }
        for (name, gate) in &state.gates {
            let _ = writeln!(out, "gate `{name}`: open {}, waiting {}", gate.open, gate.waiting);
        }
        out
    }

    fn change<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let value = with(&mut self.lock());
        self.changed.send_replace(());
        value
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One answer being given. Dropped before it is finished or broken, the client has gone.
#[derive(Debug)]
pub(super) struct OpenAnswer {
    record: Arc<Record>,
    index: usize,
    over: bool,
}

impl OpenAnswer {
    pub(super) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Notes that so many bytes more were handed to the connection.
    pub(super) fn sent(&self, bytes: usize) {
        self.record.change(|state| state.received[self.index].sent += bytes);
    }

    /// Notes how the answer ended; the first word counts.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.over, true) {
            self.record.change(|state| state.received[self.index].outcome = outcome);
        }
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.ended(Outcome::Disconnected);
    }
}

struct Leave<'a> {
    record: &'a Record,
    name: &'a str,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.record.change(|state| {
            if let Some(gate) = state.gates.get_mut(self.name) {
                gate.waiting -= 1;
            }
        });
    }
}

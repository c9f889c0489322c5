//! What this host holds at the server: each reservation a lease, renewed while its call lives, ended once.
//!
//! What ended waits here until the server took it, so that nothing that was spent is lost while the server is gone and this
//! process lives: as many entries as calls were under way when it went, and one sum a counter for what was counted alone. What
//! spent nothing waits only behind `MOST_GIVEN_BACK` others: beyond them a lease is left to its term.
//! Two loops, both run by the one task that serves: they end with it. No lock is held across an await.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;

use jackfield_core::base::RequestId;
use jackfield_core::config::OnStoreError;

use super::counters::{Bound, Counters, Held, Place, Seen};
use crate::StateError;
use crate::ledger::Amount;

/// Ends that are on their way at once.
const TOGETHER: usize = 64;
/// Counters in one message, and leases in one renewal.
const BATCH: usize = 256;
/// Ends that wait, beyond which a lease that spent nothing is not given back but left to its term: as many come as there are
/// requests while the server fails.
const MOST_GIVEN_BACK: usize = 4_096;
/// How long is waited after the server refused an end.
const PAUSE: Duration = Duration::from_secs(1);

/// What this host holds at the server.
#[derive(Debug)]
pub(crate) struct Leases {
    counters: Counters,
    on_error: OnStoreError,
    books: Mutex<Books>,
    /// There is something to renew, and to end.
    renewable: Notify,
    ended: Notify,
    /// Ends that the server has not taken.
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Books {
    live: HashMap<Arc<str>, Live>,
    ended: VecDeque<End>,
    /// What was spent while this host counted alone.
    owed: HashMap<Place, Amount>,
    /// Ends that are on their way.
    under_way: usize,
    /// Calls that were counted alone.
    alone: u64,
}

/// A lease that the server granted.
#[derive(Clone, Debug)]
struct Live {
    places: Arc<[Place]>,
    amount: Amount,
    whole: bool,
}

/// What ends, until the server took it.
#[derive(Debug)]
struct End {
    id: Arc<str>,
    spent: Vec<(Place, Amount)>,
    told: Option<oneshot::Sender<()>>,
    /// What only one host is to do, until this moment, in milliseconds since 1970.
    claim: Option<(i64, Tell)>,
}

/// What is done by the host that claims it.
struct Tell(Box<dyn FnOnce() + Send>);

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

/// One reservation at the server. Dropped, it is given back.
#[derive(Debug)]
#[must_use = "dropped, it is given back"]
pub(crate) struct Lease {
    leases: Arc<Leases>,
    id: Arc<str>,
    places: Arc<[Place]>,
    whole: bool,
    /// The server may have heard of it.
    sent: AtomicBool,
    ended: bool,
}

/// How things stand with the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedStatus {
    /// Whether it is there, as far as is known.
    pub up: bool,
    /// Commands that failed for want of it, since the process began.
    pub failures: u64,
    /// Calls that were counted by this host alone, since the process began.
    pub alone: u64,
    /// What was spent here and the server has not been told yet: messages.
    pub waiting: u64,
    /// Whether the connection for kept answers is there.
    pub answers_up: bool,
    /// Looks at kept answers, and answers to be kept, that failed for want of the server.
    pub answers_failures: u64,
}

impl Leases {
    pub(crate) fn new(counters: Counters, on_error: OnStoreError) -> Self {
        Self {
            counters,
            on_error,
            books: Mutex::default(),
            renewable: Notify::new(),
            ended: Notify::new(),
            waiting: watch::Sender::new(0),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether this host counts on alone when the server is gone.
    pub(crate) fn counts_alone(&self) -> bool {
        self.on_error == OnStoreError::Local
    }

    /// A lease that holds nothing yet. The id names it everywhere and for good.
    pub(crate) fn lease(self: &Arc<Self>, id: Arc<str>, places: Arc<[Place]>, whole: bool) -> Lease {
        Lease { leases: Arc::clone(self), id, places, whole, sent: AtomicBool::new(false), ended: false }
    }

    /// A call is counted by this host alone.
    pub(crate) fn alone(&self) {
        self.books().alone += 1;
    }

    /// This was spent, and the server hears of it when it is back.
    pub(crate) fn owe(&self, places: &[Place], spent: Amount) {
        if spent == Amount::default() {
            return;
        }
        let mut books = self.books();
        for place in places {
            let owed = books.owed.entry(place.clone()).or_default();
            *owed = owed.plus(spent);
        }
        drop(books);
        self.count();
        self.ended.notify_one();
    }

    /// What a process before this one had under way: it is settled as it would have been.
    pub(crate) fn recover(&self, id: Arc<str>, places: &[Place], spent: Amount) {
        self.end(End {
            id,
            spent: places.iter().map(|place| (place.clone(), spent)).collect(),
            told: None,
            claim: None,
        });
    }

    /// Does what only one host is to do, if this is the first to claim it; also where the server cannot be asked.
    pub(crate) fn claim(&self, what: String, until: i64, tell: Box<dyn FnOnce() + Send>) {
        match self.counters.link().is_up() {
            true => self.end(End {
                id: what.into(),
                spent: Vec::new(),
                told: None,
                claim: Some((until, Tell(tell))),
            }),
            false => tell(),
        }
    }

    /// Resolves when the server has taken everything that ended.
    pub(crate) async fn settled(&self) {
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await;
    }

    /// How things stand.
    pub(crate) fn status(&self) -> SharedStatus {
        let link = self.counters.link();
        let waiting = *self.waiting.borrow() as u64;
        SharedStatus {
            up: link.is_up(),
            failures: link.failures(),
            alone: self.books().alone,
            waiting,
            ..SharedStatus::default()
        }
    }

    /// Keeps the connection, renews what lives, and sends what ended; until it is dropped.
    pub(crate) async fn serve(self: Arc<Self>) {
        let mut was_up = None;
        let told = |now: Result<(), &str>| self.tell(&mut was_up, now);
        tokio::join!(self.counters.link().keep(told), self.renew(), Arc::clone(&self).send());
    }

    /// Tells of the server going and coming back, once each.
    fn tell(&self, was_up: &mut Option<bool>, now: Result<(), &str>) {
        let up = now.is_ok();
        let before = was_up.replace(up);
        if before == Some(up) {
            return;
        }
        let (state, waiting) = (&**self.counters.link().server(), *self.waiting.borrow());
        match now {
            Ok(()) if before.is_some() => tracing::info!(
                target: "jackfield::store", state, waiting, alone = self.books().alone,
                "the shared state is back; what was spent meanwhile is counted there now"
            ),
            Ok(()) => tracing::info!(target: "jackfield::store", state, "limits are shared"),
            Err(reason) => tracing::error!(
                target: "jackfield::store", state, reason, on_store_error = self.on_error.name(),
                "the shared state is gone; {}",
                match self.on_error {
                    OnStoreError::Fail => "what a budget has to be asked for is refused",
                    OnStoreError::Local => "this host counts on alone",
                }
            ),
        }
    }

    fn end(&self, end: End) {
        self.books().ended.push_back(end);
        self.count();
        self.ended.notify_one();
    }

    /// Says how many ends the server has not taken.
    fn count(&self) {
        let books = self.books();
        let waiting = books.ended.len() + books.owed.len().div_ceil(BATCH) + books.under_way;
        drop(books);
        self.waiting.send_replace(waiting);
    }

    /// Sends what ended, as it ends.
    async fn send(self: Arc<Self>) {
        let mut under_way = JoinSet::new();
        loop {
            let next = async {
                self.counters.link().up().await;
                self.next_end().await
            };
            tokio::select! {
                end = next, if under_way.len() < TOGETHER => {
                    let this = Arc::clone(&self);
                    under_way.spawn(async move { this.send_one(end).await });
                }
                Some(done) = under_way.join_next() => {
                    // None of them can panic, and nobody aborts them but with this.
                    let Ok((end, sent)) = done else { continue };
                    self.books().under_way -= 1;
                    match sent {
                        // Nobody may be waiting any more.
                        Ok(()) => drop(end.told.map(|told| told.send(()))),
                        Err(error) => {
                            tracing::debug!(target: "jackfield::store", %error, "what ended waits");
                            self.books().ended.push_front(end);
                            self.pause().await;
                        }
                    }
                    self.count();
                }
            }
        }
    }

    async fn send_one(&self, mut end: End) -> (End, Result<(), StateError>) {
        let Some((until, Tell(tell))) = end.claim.take() else {
            let sent = self.counters.settle(&end.id, &end.spent).await;
            return (end, sent);
        };
        if self.counters.claim(&end.id, until).await.unwrap_or(true) {
            tell();
        }
        (end, Ok(()))
    }

    /// The next end; what was counted alone is made into some.
    async fn next_end(&self) -> End {
        loop {
            let more = self.ended.notified();
            let end = self.books().next_end();
            if let Some(end) = end {
                return end;
            }
            more.await;
        }
    }

    /// After a failure: until the server is back, and a while where it is there and refuses.
    async fn pause(&self) {
        match self.counters.link().is_up() {
            true => tokio::time::sleep(PAUSE).await,
            false => self.counters.link().up().await,
        }
    }

    /// Renews what lives, three times a term. Waits for nothing while nothing lives.
    async fn renew(&self) {
        loop {
            let more = self.renewable.notified();
            if self.books().live.is_empty() {
                more.await;
            }
            tokio::time::sleep(self.counters.term() / 3).await;
            let ids: Vec<Arc<str>> = self.books().live.keys().cloned().collect();
            for ids in ids.chunks(BATCH) {
                let Ok(gone) = self.counters.renew(ids).await else { continue };
                for id in gone.into_iter().filter_map(|at| ids.get(at)) {
                    let Some(live) = self.books().live.get(id).cloned() else { continue };
                    // The server lost it, or was away for longer than its term: it is held again, whatever the limits say,
                    // because the call is under way.
                    let Live { places, amount, whole } = live;
                    let sent = AtomicBool::new(false);
                    let held = self.counters.hold(id, &sent, whole, &places, &[], &[amount]).await;
                    tracing::debug!(target: "jackfield::store", lease = &**id, ?held, "a lease was lost and is held again");
                }
            }
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing under this lock can panic half-way through a change.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn next_end(&mut self) -> Option<End> {
        if self.ended.is_empty() && !self.owed.is_empty() {
            let owed: Vec<(Place, Amount)> = std::mem::take(&mut self.owed).into_iter().collect();
            for spent in owed.chunks(BATCH) {
                let id = format!("owed:{}", RequestId::generate()).into();
                self.ended.push_back(End { id, spent: spent.to_vec(), told: None, claim: None });
            }
        }
        let end = self.ended.pop_front();
        self.under_way += usize::from(end.is_some());
        end
    }
}

impl Lease {
    /// Holds the first of these amounts that all bounds have room for, in place of what it holds now. Dropped in the middle,
    /// it may hold that: the lease's end gives back whatever it is.
    pub(crate) async fn hold(&self, bounds: &[Bound], amounts: &[Amount]) -> Result<Held, StateError> {
        let leases = &self.leases;
        let held =
            leases.counters.hold(&self.id, &self.sent, self.whole, &self.places, bounds, amounts).await?;
        if let Held::Taken(at, _) = &held
            && let Some(amount) = amounts.get(*at)
        {
            let live = Live { places: Arc::clone(&self.places), amount: *amount, whole: self.whole };
            leases.books().live.insert(Arc::clone(&self.id), live);
            leases.renewable.notify_one();
        }
        Ok(held)
    }

    /// Its counters.
    pub(crate) fn places(&self) -> &Arc<[Place]> {
        &self.places
    }

    /// Whose it is.
    pub(crate) fn leases(&self) -> &Arc<Leases> {
        &self.leases
    }

    /// It never held anything: the server refused it.
    pub(crate) fn forget(mut self) {
        self.ended = true;
    }

    /// The call is over, and this was spent. The receiver hears when the server took it.
    pub(crate) fn end(mut self, spent: Amount) -> oneshot::Receiver<()> {
        self.over(spent)
    }

    fn over(&mut self, spent: Amount) -> oneshot::Receiver<()> {
        self.ended = true;
        let (told, hears) = oneshot::channel();
        let mut books = self.leases.books();
        books.live.remove(&self.id);
        if spent == Amount::default() && books.ended.len() >= MOST_GIVEN_BACK {
            return hears;
        }
        drop(books);
        let spent = match spent == Amount::default() {
            true => Vec::new(),
            false => self.places.iter().map(|place| (place.clone(), spent)).collect(),
        };
        self.leases.end(End { id: Arc::clone(&self.id), spent, told: Some(told), claim: None });
        hears
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What the server never heard of, it need not be told the end of.
        if !self.ended && *self.sent.get_mut() {
            drop(self.over(Amount::default()));
        }
    }
}

/// What counters say, for whoever has no lease yet.
pub(crate) async fn read(leases: &Leases, places: &[Place]) -> Result<Vec<Seen>, StateError> {
    leases.counters.read(places).await
}

#[cfg(test)]
mod tests {
    use jackfield_core::config::Config;

    use super::super::link::Link;
    use super::*;

    /// One that is served by nobody.
    fn leases() -> Arc<Leases> {
        let config = Config::from_text("test", "state: redis://127.0.0.1:1", &|_| None).unwrap();
        let shared = config.state().shared().unwrap();
        let counters = Counters::new(Link::new(shared).unwrap(), &shared.name, shared.lease);
        Arc::new(Leases::new(counters, OnStoreError::Fail))
    }

    #[test]
    fn what_spent_nothing_waits_in_bounds_and_what_was_spent_is_never_lost() {
        let leases = leases();
        let places: Arc<[Place]> = [leases.counters().place("global", "daily", 0, 1)].into();
        let lease = |n: usize| {
            let mut lease = leases.lease(n.to_string().into(), Arc::clone(&places), false);
            *lease.sent.get_mut() = true;
            lease
        };
        (0..MOST_GIVEN_BACK + 10).for_each(|n| drop(lease(n)));
        assert_eq!(leases.status().waiting, MOST_GIVEN_BACK as u64);
        let mut hears = lease(MOST_GIVEN_BACK + 10).end(Amount::default());
        assert!(hears.try_recv().is_err_and(|why| why == oneshot::error::TryRecvError::Closed));
        drop(lease(MOST_GIVEN_BACK + 11).end(Amount { tokens: 1, ..Amount::default() }));
        assert_eq!(leases.status().waiting, MOST_GIVEN_BACK as u64 + 1);
    }
}

//! The counters at the server: four scripts, each one step for all scopes and windows that a call is charged to.
//!
//! Keys share a hash tag, so that a cluster keeps them together. Counters are gone an hour after their window's end; what a
//! call holds is a lease with a term by the server's clock. Every script may arrive twice. Bounded by the link's timeout.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::Script;

use jackfield_core::base::NanoUsd;

use super::link::Link;
use crate::StateError;
use crate::ledger::Amount;

/// How long counters outlive their window, for what is settled late and for clocks that differ, in milliseconds.
const AFTERWARDS: i64 = 3_600_000;
/// How long the end of a lease is remembered, in milliseconds.
const REMEMBERED: u64 = 3_600_000;
/// The largest amount that is sent: the scripts count exactly up to here.
const MOST: u64 = 1 << 53;

/// One counter: of one scope in one window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    key: Box<str>,
    /// When it is forgotten, in milliseconds since 1970.
    ends: i64,
}

/// What one counter has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Nano-dollars.
    pub(crate) usd: Option<u64>,
    pub(crate) tokens: Option<u64>,
}

/// One counter as the server has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) spent: Amount,
    pub(crate) held: Amount,
    /// Whole answers under way.
    pub(crate) open: u32,
}

/// What became of a wish to hold something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// This amount, of those that were offered.
    Taken(usize, Vec<Seen>),
    /// No limit is touched, since one has no room.
    Full(Vec<Seen>),
    /// The lease has ended before.
    Ended,
}

/// The scripts, and where they run.
#[derive(Debug)]
pub(crate) struct Counters {
    link: Link,
    prefix: String,
    term: Duration,
    hold: Script,
    settle: Script,
    renew: Script,
    read: Script,
}

impl Counters {
    pub(crate) fn new(link: Link, name: &str, term: Duration) -> Self {
        let script = |body: &str| Script::new(&format!("{}{body}", include_str!("begin.lua")));
        Self {
            link,
            prefix: prefix(name),
            term,
            hold: script(include_str!("hold.lua")),
            settle: script(include_str!("settle.lua")),
            renew: script(include_str!("renew.lua")),
            read: script(include_str!("read.lua")),
        }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// How long a lease lives without being renewed.
    pub(crate) fn term(&self) -> Duration {
        self.term
    }

    /// The counter of a scope (`project:shop`) in a window (`daily`) that begins and ends then, in milliseconds since 1970.
    pub(crate) fn place(&self, scope: &str, window: &str, start: i64, end: i64) -> Place {
        let key = format!("{}c:{window}:{start}:{scope}", self.prefix).into();
        Place { key, ends: end.saturating_add(AFTERWARDS) }
    }

    /// Holds the first of these amounts that all bounds have room for, in place of what the lease holds. `sent` says whether the
    /// server may have heard of it, also where this fails or is dropped.
    pub(crate) async fn hold(
        &self,
        lease: &str,
        sent: &AtomicBool,
        whole: bool,
        places: &[Place],
        bounds: &[Bound],
        amounts: &[Amount],
    ) -> Result<Held, StateError> {
        let mut call = self.hold.prepare_invoke();
        call.key(self.leases()).key(self.lease(lease));
        call.arg(millis(self.term)).arg(u8::from(whole)).arg(amounts.len());
        for amount in amounts {
            call.arg(amount.usd.nanos().min(MOST)).arg(amount.tokens.min(MOST));
        }
        let limit = |limit: Option<u64>| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        for (at, place) in places.iter().enumerate() {
            let bound = bounds.get(at).copied().unwrap_or_default();
            call.key(&*place.key).arg(place.ends).arg(limit(bound.usd)).arg(limit(bound.tokens));
        }
        let call = &call;
        let send = |mut connection| {
            sent.store(true, Ordering::Relaxed);
            async move { call.invoke_async(&mut connection).await }
        };
        let answer: Vec<i64> = self.link.ask(send).await?;
        let (taken, seen) = answer.split_first().ok_or_else(|| self.foreign())?;
        match (usize::try_from(*taken), seen_in(seen, places.len())) {
            (Err(_), _) => Ok(Held::Ended),
            (Ok(0), Some(seen)) => Ok(Held::Full(seen)),
            (Ok(taken), Some(seen)) => Ok(Held::Taken(taken - 1, seen)),
            (Ok(_), None) => Err(self.foreign()),
        }
    }

    /// Ends a lease: what it holds goes back, and this was spent.
    pub(crate) async fn settle(&self, lease: &str, spent: &[(Place, Amount)]) -> Result<(), StateError> {
        let mut call = self.settle.prepare_invoke();
        call.key(self.leases()).key(self.lease(lease)).arg(REMEMBERED);
        for (place, amount) in spent {
            call.key(&*place.key).arg(place.ends);
            call.arg(amount.usd.nanos().min(MOST)).arg(amount.tokens.min(MOST));
        }
        self.invoke::<Vec<i64>>(&call).await.map(drop)
    }

    /// Renews leases. Says the places, among these, of those that are gone.
    pub(crate) async fn renew(&self, leases: &[Arc<str>]) -> Result<Vec<usize>, StateError> {
        let mut call = self.renew.prepare_invoke();
        call.key(self.leases()).arg(millis(self.term));
        for lease in leases {
            call.key(self.lease(lease));
        }
        self.invoke(&call).await
    }

    /// What counters say.
    pub(crate) async fn read(&self, places: &[Place]) -> Result<Vec<Seen>, StateError> {
        let mut call = self.read.prepare_invoke();
        call.key(self.leases());
        for place in places {
            call.key(&*place.key);
        }
        let answer: Vec<i64> = self.invoke(&call).await?;
        seen_in(&answer, places.len()).ok_or_else(|| self.foreign())
    }

    /// Whether nobody has claimed this before: until `end`, in milliseconds since 1970.
    pub(crate) async fn claim(&self, what: &str, end: i64) -> Result<bool, StateError> {
        let mut command = redis::cmd("SET");
        let key = format!("{}once:{what}", self.prefix);
        command.arg(key).arg(1).arg("NX").arg("PXAT").arg(end.saturating_add(AFTERWARDS));
        let send = |mut connection| {
            let command = command.clone();
            async move { command.query_async::<Option<String>>(&mut connection).await }
        };
        self.link.ask(send).await.map(|set| set.is_some())
    }

    async fn invoke<T: redis::FromRedisValue>(
        &self,
        call: &redis::ScriptInvocation<'_>,
    ) -> Result<T, StateError> {
        self.link.ask(|mut connection| async move { call.invoke_async(&mut connection).await }).await
    }

    fn leases(&self) -> String {
        format!("{}leases", self.prefix)
    }

    fn lease(&self, id: &str) -> String {
        format!("{}lease:{id}", self.prefix)
    }

    fn foreign(&self) -> StateError {
        let reason = "it answers what no script of ours does".into();
        StateError::Shared { server: Arc::clone(self.link.server()), reason }
    }
}

/// What all keys of one shared state begin with.
pub(super) fn prefix(name: &str) -> String {
    format!("jackfield:{{{name}}}:")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Five numbers for each counter.
fn seen_in(numbers: &[i64], counters: usize) -> Option<Vec<Seen>> {
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let seen: Vec<Seen> = numbers
        .chunks_exact(5)
        .map(|five| Seen {
            spent: Amount { usd: NanoUsd::new(number(five[0])), tokens: number(five[1]) },
            held: Amount { usd: NanoUsd::new(number(five[2])), tokens: number(five[3]) },
            open: u32::try_from(five[4]).unwrap_or(0),
        })
        .collect();
    (seen.len() == counters && numbers.len() == 5 * counters).then_some(seen)
}

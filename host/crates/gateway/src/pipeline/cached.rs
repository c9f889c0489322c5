//! A request's dealings with kept answers (`orchestrator.cache`): it gets one that is kept, follows a call that is under way
//! for the same, or opens one. A request that keeps nothing takes the way it takes without a cache.
//!
//! | the request says | read | kept |
//! |---|---|---|
//! | nothing | yes | yes |
//! | `cache-control: max-age=60` | an answer younger than that | yes |
//! | `cache-control: no-cache`, or `max-age=0` | no | yes |
//! | `cache-control: no-store`, or `x-jackfield-cache: bypass` | no | no |
//!
//! Kept is an answer that is whole, that no filter stopped and that every validator let through without failing itself. What
//! a follower waits for, it waits for no longer than its own deadline. When a shared call fails before it began to
//! answer, those who followed ask again: one of them opens the next call, once; what that comes to holds for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use jackfield_core::contract::{
    CacheOutcome, ChunkStream, Facts, Fault, FaultKind, FinishReason, Step, Target,
};
use jackfield_store::cache::{CacheKey, Entry, Given, Kept, KeyBuilder};

use super::attempt::{Answered, Proven};
use super::cache_key;
use super::flight::Flight;
use super::judge::Judge;
use super::settle::Closing;
use super::vectors::{self, Divided};
use super::walk;
use crate::world::{Begun, Joined, Reader, World};

/// Says that nothing is to be read or kept.
const HEADER: &str = "x-jackfield-cache";
const CACHE_CONTROL: &str = "cache-control";
/// Calls of others that a request follows, one after the other, before it takes a failure for its own.
const FOLLOWED: usize = 2;
/// How much longer the opener waits than the call's own deadline, so that it hears why there is no answer.
const GRACE: Duration = Duration::from_secs(1);

/// What a request wants of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// An answer that is younger than this, if there is one.
    Kept(Option<Duration>),
    /// A new answer, which may be kept.
    Fresh,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// Where one request stands with the cache.
#[derive(Debug, Default)]
pub(super) struct Cached {
    /// What came of it, as far as that is known.
    pub outcome: Option<CacheOutcome>,
    /// Who gave the answer, when it is not this request's alone.
    pub given: Option<Given>,
    keys: Vec<(Target, CacheKey)>,
    /// The request by input, where its parts are kept.
    pub divided: Option<Divided>,
    /// The candidates whose vectors other hosts were asked for.
    fetched: Vec<Target>,
    /// The candidate whose answer is delivered.
    pub answers: Option<Target>,
    wants: Option<Wants>,
    /// What the answer is kept under.
    under: Option<CacheKey>,
    /// How old the answer was, when it was there.
    pub age: Option<Duration>,
    spoiled: Spoiled,
}

/// What is kept of an answer.
enum Found {
    Whole(Arc<Entry>),
    /// To be put together.
    Parts(vectors::Found),
}

impl Found {
    /// The answer.
    fn entry(self) -> Option<Arc<Entry>> {
        match self {
            Self::Whole(entry) => Some(entry),
            Self::Parts(parts) => parts.entry(),
        }
    }
}

/// Whether an answer must not be kept after all. Shared with whoever gets to know it late.
#[derive(Clone, Debug, Default)]
pub(super) struct Spoiled(Arc<AtomicBool>);

impl Spoiled {
    /// The answer is not to be kept.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Cached {
    /// The same for a call on the request's behalf.
    pub(super) fn of_flight(&self) -> Self {
        Self {
            keys: self.keys.clone(),
            divided: self.divided.clone(),
            fetched: self.fetched.clone(),
            wants: self.wants,
            ..Self::default()
        }
    }

    /// Nobody was called for this request.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.outcome, Some(CacheOutcome::Hit | CacheOutcome::Joined))
    }

    /// What is kept here for this candidate, if it may be read. This may be asked under a lock.
    fn find(&self, world: &World, target: &Target) -> Option<Found> {
        let Some(Wants::Kept(max_age)) = self.wants else { return None };
        let (_, key) = self.keys.iter().find(|(there, _)| there == target)?;
        match &self.divided {
            Some(divided) => divided.find(world, target, key, max_age).map(Found::Parts),
            None => world.store().cache().get(key, now(), max_age).map(Found::Whole),
        }
    }

    /// How old what is kept may be, if it may be read: `Some(None)` is of any age.
    pub(super) fn max_age(&self) -> Option<Option<Duration>> {
        match self.wants {
            Some(Wants::Kept(max_age)) => Some(max_age),
            _ => None,
        }
    }

    /// The answer that is kept for this candidate, also where other hosts keep answers, if one may be read. Waits until `deadline`
    /// at most.
    pub(super) async fn fetch(
        &mut self,
        world: &World,
        target: &Target,
        deadline: Instant,
    ) -> Option<Arc<Entry>> {
        let Some(Wants::Kept(max_age)) = self.wants else { return None };
        let (_, key) = self.keys.iter().find(|(there, _)| there == target)?;
        let Some(divided) = &self.divided else {
            let fetched = world.store().cache().fetch(key, now(), max_age);
            return tokio::time::timeout_at(deadline.into(), fetched).await.ok().flatten();
        };
        // Once a request: the walk comes to the first candidate again.
        if !self.fetched.contains(target) {
            let fetched = divided.fetch(world, target, key, max_age);
            let _ = tokio::time::timeout_at(deadline.into(), fetched).await;
            self.fetched.push(target.clone());
        }
        self.find(world, target).and_then(Found::entry)
    }

    /// This candidate's answer is delivered. `steps` are those of its judgement.
    pub(super) fn judged(&mut self, target: &Target, steps: &[Step]) {
        self.under = self.keys.iter().find(|(there, _)| there == target).map(|(_, key)| *key);
        self.answers = Some(target.clone());
        let reached = |step: &Step| matches!(step, Step::BudgetReached { .. });
        if steps.iter().any(|step| failed_to_judge(step) || reached(step)) {
            self.spoiled.set();
        }
    }

    /// A validator said something about an answer that is on its way out.
    pub(super) fn found(&self, step: &Step) {
        let good = |verdict: &str| matches!(verdict, "accept" | "replace" | "skipped");
        match step {
            Step::Validated { verdict, .. } if !good(verdict) => self.spoiled.set(),
            Step::BudgetReached { .. } => self.spoiled.set(),
            _ => {}
        }
    }

    /// What it is kept under, if anything, and what may still keep it from that.
    pub(super) fn keeps(&mut self) -> (Option<CacheKey>, Spoiled) {
        (self.under.take(), self.spoiled.clone())
    }
}

/// A validator that failed let the answer through unseen.
fn failed_to_judge(step: &Step) -> bool {
    matches!(step, Step::Validated { verdict: "fault", .. })
}

/// What a request wants of the cache; nothing is said where there is none.
pub(super) fn wants(world: &World, facts: &Facts) -> Result<Option<Wants>, Fault> {
    if !world.config().orchestrator().cache().enabled {
        return Ok(None);
    }
    let mut wants = Wants::Kept(None);
    for value in facts.headers.get_all(HEADER) {
        if value.as_bytes().trim_ascii() != b"bypass" {
            let message = format!("invalid value for the header '{HEADER}': the only one is 'bypass'");
            return Err(Fault::invalid(HEADER, message));
        }
        wants = Wants::Nothing("header");
    }
    let controls = facts.headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    for word in controls.flat_map(|value| value.split(',')) {
        let word = word.trim().to_ascii_lowercase();
        let age = word.strip_prefix("max-age=").map(|age| age.trim_matches('"').parse::<u64>());
        wants = match (wants, &*word, age) {
            (Wants::Nothing(why), ..) => Wants::Nothing(why),
            (_, "no-store", _) => Wants::Nothing("no-store"),
            (Wants::Fresh, ..) | (_, "no-cache", _) | (_, _, Some(Ok(0))) => Wants::Fresh,
            (Wants::Kept(before), _, Some(Ok(age))) => {
                let age = Duration::from_secs(age);
                Wants::Kept(Some(before.map_or(age, |before| before.min(age))))
            }
            // What is no word of HTTP's, or none for us, is passed over, as HTTP has it.
            (wants, ..) => wants,
        };
    }
    Ok(Some(wants))
}

/// Answers a request whose candidates are known: from what is kept, from a call under way, or by a call.
pub(super) async fn answer(
    world: &Arc<World>,
    closing: &mut Closing,
    targets: Vec<Target>,
    judge: Judge,
    wants: Option<Wants>,
) -> Result<Answered, Fault> {
    let Some(wants) = wants else { return walk::walk(world, closing, targets, judge).await };
    let keys = match wants {
        Wants::Nothing(why) => Err(why),
        _ => cache_key::keys(world, &closing.exchange.facts, &targets, judge.added()),
    };
    match keys {
        Ok(keys) => closing.cached.keys = keys,
        Err(why) => {
            bypassed(closing, why);
            return walk::walk(world, closing, targets, judge).await;
        }
    }
    closing.cached.wants = Some(wants);
    if world.config().orchestrator().cache().embeddings.per_input {
        closing.cached.divided = cache_key::by_input(world, &closing.exchange.facts, &targets, judge.added());
    }
    let first = match targets.first() {
        Some(target) => closing.cached.fetch(world, target, closing.exchange.deadline).await,
        None => None,
    };
    if let Some(entry) = first {
        return Ok(hit(closing, entry));
    }
    share(world, closing, targets, judge, wants).await
}

/// The request is answered without a look at what is kept.
pub(super) fn bypassed(closing: &mut Closing, why: &str) {
    tell(closing, CacheOutcome::Bypass, Some(why.to_owned()), None, None);
}

/// A kept answer as this request's.
pub(super) fn hit(closing: &mut Closing, entry: Arc<Entry>) -> Answered {
    let (given, age) = (entry.given().clone(), entry.age(now()));
    tell(closing, CacheOutcome::Hit, None, given.model.clone(), Some(age));
    closing.is_given(given);
    closing.cached.age = Some(age);
    let answer = match entry.kept() {
        Kept::Whole(reply) => Proven::Whole(reply.clone()),
        Kept::Stream(_) => Proven::Stream { held: Vec::new(), rest: chunks_of(entry) },
    };
    Answered { answer, call: None }
}

/// The chunks of a kept stream, each copied when it is its turn.
fn chunks_of(entry: Arc<Entry>) -> ChunkStream {
    let chunk = |(entry, at): (Arc<Entry>, usize)| async move {
        let Kept::Stream(chunks) = entry.kept() else { return None };
        let chunk = chunks.get(at).cloned()?;
        Some((Ok(chunk), (entry, at + 1)))
    };
    stream::unfold((entry, 0), chunk).boxed()
}

/// Follows the call that is under way for the same, or opens it.
async fn share(
    world: &Arc<World>,
    closing: &mut Closing,
    targets: Vec<Target>,
    judge: Judge,
    wants: Wants,
) -> Result<Answered, Fault> {
    let all = closing.cached.keys.iter().fold(KeyBuilder::default(), |key, (_, one)| key.part("", one));
    let key = all.finish();
    let id = closing.exchange.facts.id.to_string();
    let (most, deadline) = (world.store().cache().most(), closing.exchange.deadline);
    let mut followed = 0;
    // It follows nobody: what it would be given is older than it wants, or may be in parts.
    let parts = closing.cached.divided.is_some();
    let mut fresh = wants == Wants::Fresh || (parts && matches!(wants, Wants::Kept(Some(_))));
    loop {
        let first = || targets.first().and_then(|target| closing.cached.find(world, target));
        match world.flights().join(key, &id, most, fresh, first) {
            Joined::Kept(found) => match found.entry() {
                Some(entry) => return Ok(hit(closing, entry)),
                // What cannot be put together is called for.
                None => fresh = true,
            },
            Joined::Follows(reader) => {
                let opener = reader.opener().to_owned();
                let began = Instant::now();
                let begun = reader.begun(deadline).await;
                closing.waited(began.elapsed());
                followed += 1;
                match begun {
                    // Another's budget says nothing about this one's.
                    Ok(begun) if begun.own => {
                        let why = format!("{opener}: its budget");
                        tell(closing, CacheOutcome::Joined, Some(why), None, None);
                    }
                    // The first candidates failed, and the next one's answer was there: as old as the opener allowed.
                    Ok(begun) if too_old(begun.age, wants) => {
                        let why = format!("{opener}: its answer is too old");
                        tell(closing, CacheOutcome::Joined, Some(why), None, begun.age);
                        fresh = true;
                    }
                    Ok(begun) => {
                        let model = begun.given.model.clone();
                        tell(closing, CacheOutcome::Joined, Some(opener), model, begun.age);
                        closing.cached.age = begun.age;
                        return Ok(tailed(closing, &begun, reader));
                    }
                    Err(fault) => {
                        let why = format!("{opener} failed: {}", fault.kind.reason());
                        tell(closing, CacheOutcome::Joined, Some(why), None, None);
                        // Another's budget says nothing about this one's.
                        let own = matches!(fault.kind, FaultKind::BudgetExceeded | FaultKind::PriceUnknown);
                        if (followed >= FOLLOWED && !own) || Instant::now() >= deadline {
                            return Err(fault);
                        }
                    }
                }
            }
            Joined::Opens(reader, departure) => {
                tell(closing, CacheOutcome::Miss, None, None, None);
                let under_way = closing.opens();
                let flight = Flight::new(world, closing.of_flight(), departure, under_way);
                world.flights().launch(flight.fly(targets, judge));
                let begun = reader.begun(deadline + GRACE).await;
                closing.exchange.trail.catch_up();
                let begun = begun?;
                closing.waited(begun.waited);
                if let Some(age) = begun.age {
                    // Its first candidates failed, and the next one's answer was there. The call has told so itself.
                    closing.cached.outcome = Some(CacheOutcome::Hit);
                    closing.cached.age = Some(age);
                }
                return Ok(tailed(closing, &begun, reader));
            }
        }
    }
}

/// Whether an answer that was kept for so long is older than the request wants.
fn too_old(age: Option<Duration>, wants: Wants) -> bool {
    match (age, wants) {
        (Some(age), Wants::Kept(Some(most))) => age > most,
        _ => false,
    }
}

/// What a shared call brings, as this request's answer.
fn tailed(closing: &mut Closing, begun: &Begun, reader: Reader) -> Answered {
    closing.is_given(begun.given.clone());
    let answer = match &begun.whole {
        Some(reply) => Proven::Whole(reply.clone()),
        None => {
            let rest = reader.chunks(closing.exchange.deadline + GRACE);
            Proven::Stream { held: Vec::new(), rest }
        }
    };
    Answered { answer, call: None }
}

fn tell(
    closing: &mut Closing,
    outcome: CacheOutcome,
    why: Option<String>,
    model: Option<String>,
    age: Option<Duration>,
) {
    closing.cached.outcome = Some(outcome);
    closing.exchange.trail.push(Step::Cache { outcome, why, model, age });
}

/// Whether an answer that stopped like this must not be kept: a filter stopped it, its model refuses, or it is as long as
/// there was budget for. Another's may be whole.
pub(super) fn is_stopped(finish: Option<FinishReason>, refusal: Option<&str>, clamped: bool) -> bool {
    refusal.is_some()
        || finish == Some(FinishReason::ContentFilter)
        || (clamped && finish == Some(FinishReason::Length))
}

/// The clock that ages go by: a test may hold it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

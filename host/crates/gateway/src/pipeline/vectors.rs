//! Embeddings by input: each input's vector is kept under a key of its own, so that a request with ten inputs of which seven are
//! known asks for three; and requests that are alike in all but their inputs go to the provider together while a call like
//! theirs is under way.
//!
//! | what is known under the first candidate | what is done |
//! |---|---|
//! | every input's vector | the answer is put together: the provider's own bytes where all come of one answer to the same request |
//! | some | only the others are asked for, of that candidate alone: vectors of two models do not fit together |
//! | none, or that candidate fails | the whole request goes the usual way, to every candidate |
//!
//! What the client is told to have consumed is what all its inputs take, as if nothing had been kept; what is charged, logged
//! and recorded is what was asked for. An answer that does not say which vector is which input's is passed on and not kept.
//!
//! A call for several requests is made once. Should it fail in any way, each of them asks by itself, with all that its own
//! candidates, keys and repeated calls allow. Each is charged its share, by tokens; the shares add up to the nano-dollar.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;

use jackfield_core::contract::{
    CacheOutcome, Call, Called, Choice, Facts, Fault, FaultKind, Reply, Step, Target, Usage,
};
use jackfield_dialect::openai::embeddings::{Parts, compose, divide, fill, inputs, with_inputs};
use jackfield_store::cache::{CacheKey, Entry, Given, Kept, KeyBuilder};

use super::attempt::{self, Answered, Proven};
use super::cached::now;
use super::fit::fitted;
use super::judge::Judge;
use super::settle::Closing;
use super::walk;
use crate::charge::{self, Charge, Payer};
use crate::world::{Bounds, CallEnd, Guest, Model, Share, Turn, Wanted, World};

/// A request in parts.
#[derive(Clone, Debug)]
pub(super) struct Divided(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    inputs: Vec<Bytes>,
    candidates: Vec<Candidate>,
    /// The digest of each input.
    digests: Vec<[u8; 32]>,
}

#[derive(Debug)]
struct Candidate {
    target: Target,
    /// What the keys of its vectors have in common.
    common: KeyBuilder,
    /// What calls of it have in common that can be put together.
    group: CacheKey,
    /// The keys of its vectors, once they were asked for.
    keys: OnceLock<Vec<CacheKey>>,
}

/// What a whole answer is made of.
#[derive(Debug)]
pub(super) struct Found {
    known: Vec<Arc<Entry>>,
    shell: Option<Arc<Entry>>,
}

impl Divided {
    /// A request with these inputs, and what else is in its keys, by candidate; nothing where an input cannot be told from
    /// others.
    pub(super) fn new(facts: &Facts, candidates: Vec<(Target, KeyBuilder, CacheKey)>) -> Option<Self> {
        let inputs = inputs(&facts.request);
        let digests: Option<Vec<_>> = inputs.iter().map(|one| jackfield_store::cache::digest(one)).collect();
        let candidates = candidates.into_iter().map(|(target, common, group)| Candidate {
            target,
            common,
            group,
            keys: OnceLock::new(),
        });
        Some(Self(Arc::new(Inner { inputs, candidates: candidates.collect(), digests: digests? })))
    }

    fn candidate(&self, target: &Target) -> Option<&Candidate> {
        self.0.candidates.iter().find(|there| there.target == *target)
    }

    fn group(&self, target: &Target) -> Option<CacheKey> {
        self.candidate(target).map(|there| there.group)
    }

    /// What each input's vector of this candidate is kept under.
    fn keys(&self, target: &Target) -> Option<&[CacheKey]> {
        let there = self.candidate(target)?;
        let key = |digest: &[u8; 32]| there.common.clone().part("input", digest).finish();
        Some(there.keys.get_or_init(|| self.0.digests.iter().map(key).collect()))
    }

    /// What is kept of each input for this candidate, no older than that.
    fn known(&self, world: &World, target: &Target, most: Option<Duration>) -> Vec<Option<Arc<Entry>>> {
        let Some(keys) = self.keys(target) else { return vec![None; self.0.inputs.len()] };
        keys.iter().map(|key| world.store().cache().get(key, now(), most)).collect()
    }

    /// Has the vectors that only other hosts keep, and what else their answer held, kept here too. Nothing where nothing is
    /// shared.
    pub(super) async fn fetch(
        &self,
        world: &World,
        target: &Target,
        whole: &CacheKey,
        most: Option<Duration>,
    ) {
        // What goes with the vectors first: there may be more of them than are asked for.
        let keys = self.keys(target).map(|keys| [&[shell_key(whole)], keys].concat());
        if let Some(keys) = keys.filter(|_| world.store().cache().is_shared()) {
            world.store().cache().fetch_all(&keys, now(), most).await;
        }
    }

    /// What the whole answer is made of, if every input's vector is kept. `whole`: what the answer would be kept under. This may be
    /// asked under a lock: the first that is not there ends it, and nothing is put together.
    pub(super) fn find(
        &self,
        world: &World,
        target: &Target,
        whole: &CacheKey,
        most: Option<Duration>,
    ) -> Option<Found> {
        let (cache, now) = (world.store().cache(), now());
        let known: Option<Vec<_>> = self.keys(target)?.iter().map(|key| cache.get(key, now, most)).collect();
        let known = known.filter(|known| !known.is_empty())?;
        Some(Found { known, shell: cache.get(&shell_key(whole), now, most) })
    }

    /// Keeps these vectors, which came of one answer and took so many tokens, each under its own key.
    fn keep(
        &self,
        world: &World,
        target: &Target,
        given: &Given,
        answer: &Reply,
        asked: &[usize],
        vectors: &[Bytes],
    ) {
        let Some(keys) = self.keys(target) else { return };
        let weights: Vec<u64> =
            asked.iter().map(|at| self.0.inputs.get(*at).map_or(1, |input| input.len() as u64)).collect();
        let tokens = shares(answer.usage.map_or(0, |usage| usage.input_tokens), &weights);
        let (cache, at_time) = (world.store().cache(), now());
        for ((at, vector), tokens) in asked.iter().zip(vectors).zip(tokens) {
            let Some(key) = keys.get(*at) else { continue };
            let usage = Usage { input_tokens: tokens, ..Usage::default() };
            let reply = reply_of(answer.model.clone(), vector.clone(), usage);
            cache.keep(*key, Entry::new(given.clone(), Kept::Whole(reply), at_time));
        }
    }
}

impl Found {
    /// The whole answer.
    pub(super) fn entry(self) -> Option<Arc<Entry>> {
        let Self { known, shell } = self;
        let age = known.iter().map(|entry| entry.age(now())).max()?;
        let given = known.first()?.given().clone();
        let parts: Option<Vec<(Bytes, u64)>> = known.iter().map(|entry| vector(entry)).collect();
        let (vectors, tokens): (Vec<Bytes>, Vec<u64>) = parts?.into_iter().unzip();
        let tokens: u64 = tokens.iter().sum();
        let model = model_of(known.first()?)?;
        // Its own bytes, where all of it is that answer's.
        let of_one =
            |shell: &&Entry| known.iter().all(|entry| entry.given().request == shell.given().request);
        let own = shell.as_deref().filter(of_one).and_then(|shell| match shell.kept() {
            Kept::Whole(reply) => fill(&Parts { vectors: vectors.clone(), shell: reply.wire.clone()? }),
            Kept::Stream(_) => None,
        });
        let wire = own.unwrap_or_else(|| compose(&model, &vectors, tokens));
        let usage = Usage { input_tokens: tokens, ..Usage::default() };
        let at = now().checked_sub(age)?;
        Some(Arc::new(Entry::new(given, Kept::Whole(reply_of(model, wire, usage)), at)))
    }
}

/// The walk of a request that may be in parts: what of it is not known is asked for, and kept.
pub(super) async fn walk(
    world: &Arc<World>,
    closing: &mut Closing,
    targets: Vec<Target>,
    judge: Judge,
) -> Result<Answered, Fault> {
    let (Some(divided), Some(first)) = (closing.cached.divided.clone(), targets.first().cloned()) else {
        return walk::walk(world, closing, targets, judge).await;
    };
    let known = match closing.cached.max_age() {
        Some(most) => divided.known(world, &first, most),
        None => vec![None; divided.0.inputs.len()],
    };
    let asked = missing(&divided, &known);
    if asked.is_empty() {
        // All of it came to be kept since it was looked for: the walk finds it.
        return whole_walk(world, closing, &divided, targets, judge).await;
    }
    let some = asked.len() < divided.0.inputs.len();
    let wanted: Vec<Bytes> = asked.iter().filter_map(|at| divided.0.inputs.get(*at).cloned()).collect();
    let whole = Arc::clone(&closing.exchange.facts);
    let facts = if some { part_of(&whole, &wanted)? } else { Arc::clone(&whole) };
    if some && asked.len() < known.len() {
        let kept = known.iter().flatten().count();
        let all = known.len();
        tell(closing, format!("{kept} of {all} inputs are kept, {} are asked for", asked.len()));
    }
    let turn = turn(world, closing, &divided, &first, &facts, wanted).await;
    let (share, _under_way) = match turn {
        Turn::Alone(under_way) => (None, Some(under_way)),
        // It may have been asked for and paid; a second call, out of time from the start, would be paid too.
        Turn::Asked(None) if Instant::now() >= closing.exchange.deadline => {
            let message = "the request's time was up while a call for several requests was waited for";
            return Err(Fault::new(FaultKind::UpstreamTimeout, message));
        }
        Turn::Asked(share) => (share, None),
        Turn::Leads(own, guests, under_way) if guests.is_empty() => {
            drop(own);
            (None, Some(under_way))
        }
        Turn::Leads(own, guests, under_way) => {
            let share = lead(world, closing, &divided, &first, own, guests).await;
            drop(under_way);
            (share, None)
        }
    };
    if let Some(share) = share {
        let Share { vectors, model, usage, called, together } = share;
        tell(closing, format!("asked for together with {} other requests", together - 1));
        let given = given(closing, &called.model, &called.provider);
        closing.asked_elsewhere(called);
        let answer = reply_of(model, Bytes::new(), usage);
        divided.keep(world, &first, &given, &answer, &asked, &vectors);
        return put_together(&divided, &known, &asked, &vectors, answer);
    }
    if some {
        closing.exchange.facts = facts;
        let answered = walk::walk(world, closing, vec![first.clone()], judge).await;
        closing.exchange.facts = Arc::clone(&whole);
        closing.cached.keeps();
        let answers = closing.cached.answers.take();
        match answered {
            Ok(Answered { answer: Proven::Whole(reply), call }) => {
                let parts = reply.wire.as_ref().and_then(|wire| divide(wire, asked.len()));
                if let Some(Parts { vectors, .. }) = parts.filter(|_| answers.as_ref() == Some(&first)) {
                    let (model, provider, ..) = closing.told();
                    let given = given(closing, &model.unwrap_or_default(), &provider.unwrap_or_default());
                    divided.keep(world, &first, &given, &reply, &asked, &vectors);
                    let put = put_together(&divided, &known, &asked, &vectors, reply)?;
                    return Ok(Answered { call, ..put });
                }
                // It does not say which is which, or a budget has put another model in the first one's place: the request goes
                // as a whole, to the one that answered.
                if let Some(call) = call {
                    call.end(CallEnd::Answered);
                }
                if let Some(other) = answers.filter(|answers| *answers != first) {
                    let judge = Judge::new(world, &closing.exchange)?;
                    return whole_walk(world, closing, &divided, vec![other], judge).await;
                }
            }
            Ok(other) => return Ok(other),
            Err(fault) if !fault.kind.try_next() || targets.len() == 1 => return Err(fault),
            Err(_) => {
                let judge = Judge::new(world, &closing.exchange)?;
                let rest = targets.get(1..).unwrap_or_default().to_vec();
                return whole_walk(world, closing, &divided, rest, judge).await;
            }
        }
        let judge = Judge::new(world, &closing.exchange)?;
        return whole_walk(world, closing, &divided, targets, judge).await;
    }
    whole_walk(world, closing, &divided, targets, judge).await
}

/// The usual way, for the request as it is; what comes of it is kept by input.
async fn whole_walk(
    world: &Arc<World>,
    closing: &mut Closing,
    divided: &Divided,
    targets: Vec<Target>,
    judge: Judge,
) -> Result<Answered, Fault> {
    let answered = walk::walk(world, closing, targets, judge).await?;
    let answers = closing.cached.answers.take();
    let (under, _) = closing.cached.keeps();
    // An answer that was kept already stays as old as it is.
    if let (Proven::Whole(reply), Some(target), None) = (&answered.answer, answers, closing.cached.age)
        && let Some(Parts { vectors, shell }) =
            reply.wire.as_ref().and_then(|wire| divide(wire, divided.0.inputs.len()))
    {
        let (model, provider, ..) = closing.told();
        let given = given(closing, &model.unwrap_or_default(), &provider.unwrap_or_default());
        let all: Vec<usize> = (0..vectors.len()).collect();
        divided.keep(world, &target, &given, reply, &all, &vectors);
        if let Some(under) = under {
            let shell = reply_of(reply.model.clone(), shell, Usage::default());
            world.store().cache().keep(shell_key(&under), Entry::new(given, Kept::Whole(shell), now()));
        }
    }
    Ok(answered)
}

/// The inputs to be asked for: what is not known, each once.
fn missing(divided: &Divided, known: &[Option<Arc<Entry>>]) -> Vec<usize> {
    let mut seen = HashMap::new();
    let unknown = known.iter().enumerate().filter(|(_, known)| known.is_none()).map(|(at, _)| at);
    unknown.filter(|at| seen.insert(divided.0.digests.get(*at).copied(), ()).is_none()).collect()
}

/// The answer to the whole request: what is known, and what was asked for. `answer` has the model and what was paid.
fn put_together(
    divided: &Divided,
    known: &[Option<Arc<Entry>>],
    asked: &[usize],
    vectors: &[Bytes],
    answer: Reply,
) -> Result<Answered, Fault> {
    let paid = answer.usage.unwrap_or_default();
    let weights: Vec<u64> =
        asked.iter().map(|at| divided.0.inputs.get(*at).map_or(1, |input| input.len() as u64)).collect();
    let tokens = shares(paid.input_tokens, &weights);
    let fresh: HashMap<[u8; 32], (Bytes, u64)> = asked
        .iter()
        .zip(vectors.iter().zip(tokens))
        .filter_map(|(at, (one, tokens))| Some((*divided.0.digests.get(*at)?, (one.clone(), tokens))))
        .collect();
    let part = |(at, known): (usize, &Option<Arc<Entry>>)| match known {
        Some(entry) => vector(entry),
        None => fresh.get(divided.0.digests.get(at)?).cloned(),
    };
    let parts: Option<Vec<(Bytes, u64)>> = known.iter().enumerate().map(part).collect();
    let broken =
        || Fault::new(FaultKind::UpstreamBroken, "the provider's answer has not one vector for each input");
    let (all, tokens): (Vec<Bytes>, Vec<u64>) = parts.ok_or_else(broken)?.into_iter().unzip();
    let wire = compose(&answer.model, &all, tokens.iter().sum());
    let reply = Reply { wire: Some(wire), ..answer };
    Ok(Answered { answer: Proven::Whole(reply), call: None })
}

/// Who asks: this request, or one for several.
async fn turn(
    world: &Arc<World>,
    closing: &mut Closing,
    divided: &Divided,
    target: &Target,
    facts: &Arc<Facts>,
    inputs: Vec<Bytes>,
) -> Turn {
    let settings = world.config().orchestrator().cache().embeddings;
    let Some(group) = divided.group(target).filter(|_| settings.batch > 1) else {
        return Turn::Asked(None);
    };
    let payer = Payer::of(&closing.exchange);
    let wanted = Wanted { facts: Arc::clone(facts), payer, inputs };
    let bounds = Bounds { inputs: settings.batch, wait: settings.wait, deadline: closing.exchange.deadline };
    let began = Instant::now();
    let turn = world.batches().turn(group, wanted, bounds).await;
    closing.waited(began.elapsed());
    turn
}

/// One call for this request and its guests. Whoever gets nothing of it asks by itself.
async fn lead(
    world: &Arc<World>,
    closing: &mut Closing,
    divided: &Divided,
    target: &Target,
    own: Wanted,
    guests: Vec<Guest>,
) -> Option<Share> {
    let model = world.models().get(&target.model)?;
    if model.live().breaker().is_open(Instant::now()) {
        return None;
    }
    let deadline = closing.exchange.deadline.min(Instant::now() + model.spec().timeouts.total);
    let mut all = vec![(own, None)];
    all.extend(guests.into_iter().map(|guest| {
        let wanted = Wanted {
            facts: Arc::clone(&guest.wanted.facts),
            payer: guest.wanted.payer.clone(),
            inputs: guest.wanted.inputs.clone(),
        };
        (wanted, Some(guest))
    }));
    // Who has no budget for its part is told so when it asks by itself.
    let reserving = all.into_iter().map(|(wanted, guest)| async {
        let mut call = call_of(&model, target, Arc::clone(&wanted.facts), deadline);
        let charge = model.charge(&wanted.payer, &mut call).await.ok()??;
        Some((wanted, guest, charge))
    });
    let paying: Vec<_> = join_all(reserving).await.into_iter().flatten().collect();
    if paying.len() < 2 {
        return None;
    }
    let inputs: Vec<Bytes> = paying.iter().flat_map(|(wanted, ..)| wanted.inputs.clone()).collect();
    let facts = part_of(&paying.first()?.0.facts, &inputs).ok()?;
    let call = call_of(&model, target, facts, deadline);
    let (key, began) = (call.key, Instant::now());
    let live = model.begin(false);
    let (whose, charges): (Vec<_>, Vec<Charge>) =
        paying.into_iter().map(|(wanted, guest, charge)| ((wanted, guest), charge)).unzip();
    let numbers: Vec<u32> = charges.iter().map(Charge::number).collect();
    let asked = charge::call_together(&**model.provider(), call, charges).await;
    let took = began.elapsed();
    closing.waited(took);
    let (reply, paid) = match asked {
        Ok(answered) => answered,
        Err(fault) => {
            tracing::debug!(
                target: "jackfield::attempt", request_id = %closing.exchange.facts.id, model = model.spec().name,
                reason = fault.kind.reason(), requests = whose.len(), "a call for several failed, each asks by itself: {fault}"
            );
            if let Some(group) = divided.group(target).filter(|_| !fault.kind.is_transient()) {
                world.batches().keep_apart(group);
            }
            match fault.kind {
                kind if kind.is_transient() => live.end(CallEnd::Failed(kind)),
                kind if kind.try_next() => live.end(CallEnd::Refused(kind)),
                kind => live.end(CallEnd::Unfit(kind)),
            }
            return None;
        }
    };
    live.end(CallEnd::Answered);
    let Some(parts) = reply.wire.as_ref().and_then(|wire| divide(wire, inputs.len())) else {
        if let Some(group) = divided.group(target) {
            world.batches().keep_apart(group);
        }
        return None;
    };
    let together = whose.len();
    let (mut vectors, mut share_of_own) = (parts.vectors.into_iter(), None);
    for (((wanted, guest), usage), number) in whose.into_iter().zip(paid).zip(numbers) {
        let vectors: Vec<Bytes> = vectors.by_ref().take(wanted.inputs.len()).collect();
        // What it cost could not be written down: it gets nothing.
        let Some(usage) = usage else { continue };
        let called = Called {
            model: model.spec().name.clone(),
            provider: model.provider().name().to_owned(),
            key,
            took,
            charge: Some(number),
        };
        let share = Share { vectors, model: reply.model.clone(), usage, called, together };
        match guest {
            Some(guest) => guest.tell(share),
            None => share_of_own = Some(share),
        }
    }
    share_of_own
}

fn call_of(model: &Model, target: &Target, facts: Arc<Facts>, deadline: Instant) -> Call {
    let spec = model.spec();
    Call {
        facts,
        model_id: spec.id.as_str().into(),
        overrides: fitted(&target.overrides, spec),
        appended: Vec::new(),
        max_output: spec.max_output,
        key: model.provider().pick_key(&spec.id, &[]).map(|pick| pick.index),
        timeouts: model.timeouts(),
        deadline,
    }
}

/// The same request for these inputs.
fn part_of(facts: &Facts, inputs: &[Bytes]) -> Result<Arc<Facts>, Fault> {
    let Facts { id, request, task, caller, headers, run, step } = facts;
    Ok(Arc::new(Facts {
        id: *id,
        request: with_inputs(request, inputs)?,
        task: task.clone(),
        caller: caller.clone(),
        headers: headers.clone(),
        run: run.clone(),
        step: step.clone(),
    }))
}

/// A kept vector, and the tokens that its input took.
fn vector(entry: &Entry) -> Option<(Bytes, u64)> {
    match entry.kept() {
        Kept::Whole(reply) => Some((reply.wire.clone()?, reply.usage?.input_tokens)),
        Kept::Stream(_) => None,
    }
}

/// What the rest of an answer is kept under, whose whole is kept under this: never the same, or it would be served without its
/// vectors wherever answers are kept whole.
fn shell_key(whole: &CacheKey) -> CacheKey {
    KeyBuilder::default().part("shell", whole).finish()
}

fn model_of(entry: &Entry) -> Option<String> {
    match entry.kept() {
        Kept::Whole(reply) => Some(reply.model.clone()),
        Kept::Stream(_) => None,
    }
}

fn reply_of(model: String, wire: Bytes, usage: Usage) -> Reply {
    Reply {
        id: String::new(),
        model,
        created: 0,
        choices: vec![Choice::default()],
        usage: Some(usage),
        wire: Some(wire),
    }
}

fn given(closing: &Closing, model: &str, provider: &str) -> Given {
    Given {
        request: closing.exchange.facts.id.to_string(),
        created: attempt::now().as_secs(),
        model: Some(model.to_owned()),
        provider: Some(provider.to_owned()),
        score: None,
    }
}

fn tell(closing: &mut Closing, why: String) {
    closing.exchange.trail.push(Step::Cache {
        outcome: CacheOutcome::Miss,
        why: Some(why),
        model: None,
        age: None,
    });
}

/// So much in parts as large as these, which add up to it.
fn shares(whole: u64, weights: &[u64]) -> Vec<u64> {
    let all = u128::from(weights.iter().fold(0_u64, |sum, one| sum.saturating_add(*one)).max(1));
    let (mut before, mut sum) = (0, 0_u128);
    let share = |weight: &u64| {
        sum += u128::from(*weight);
        let until = u64::try_from(u128::from(whole) * sum / all).unwrap_or(whole);
        let share = until - before;
        before = until;
        share
    };
    weights.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_as_large_as_their_weights() {
        for (whole, weights) in
            [(7, vec![1, 1, 1]), (0, vec![3, 4]), (1_000_003, vec![1, 99, 900]), (5, vec![0, 0])]
        {
            let parts = shares(whole, &weights);
            let some = weights.iter().any(|weight| *weight > 0);
            assert_eq!(parts.iter().sum::<u64>(), if some { whole } else { 0 }, "{weights:?}");
        }
        assert_eq!(shares(100, &[1, 9, 90]), [1, 9, 90]);
    }
}

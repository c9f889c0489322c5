//! What becomes of an answer before anybody has read it: its validators are asked in order, until one does not accept.
//!
//! | verdict | what is done |
//! |---|---|
//! | accept | the next validator; after the last, it is delivered as it came |
//! | reject | the next candidate, as after any failure; the model is not held to be unwell |
//! | repair | the same candidate again with the answer and the instruction, `max_repairs` times a request; then as reject |
//! | replace | the text takes the answer's place; the validators after this one judge that |
//! | it failed | as its `on_error` says |
//!
//! What the row of a task wants of its answers (`result`) comes before all of them, and holds a stream. An answer that nothing
//! applies to is not touched, and its stream is not held. How a stream is judged is up to its validators' `stream` (see
//! [`window`](super::window) and [`after`](super::after)); with one among them that holds, it is held and judged as a
//! whole by all of them but those that come after.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;

use jackfield_core::base::{CompiledSchema, excerpt};
use jackfield_core::catalogue::Capability;
use jackfield_core::config::StreamMode;
use jackfield_core::contract::{
    AnswerFormat, Ask, Choice, Chunk, ChunkStream, Delta, Draft, Exchange, Facts, Fault, FaultKind,
    FinishReason, PluginFault, Reply, Review, Step, Validation, Verdict,
};
use jackfield_dialect::client;
use jackfield_dialect::openai::render_reply;

use super::after::{self, After};
use super::attempt::Proven;
use super::candidate::Candidate;
use super::delivery::Coming;
use super::hold::{Held, MAX_HELD, hold, weight};
use super::record::micros;
use super::result::{Processed, RESULT, process};
use super::settle::Closing;
use super::verdict::{self, listed, lowest};
use super::whole::{self, Found, chunks_of};
use super::window::Window;
use crate::policy::{RESPONSE_FORMAT, ValidatorSlot};
use crate::world::World;

/// The validators of one request.
pub(super) struct Judge {
    /// What the client adds to what the configuration has.
    added: Vec<ValidatorSlot>,
    format: Format,
    /// Repairs that may still be asked for.
    repairs: u32,
}

/// The schema that the request itself binds its answer to.
enum Format {
    /// Nobody has looked yet.
    Unread,
    /// There is none, or none that can be enforced.
    None,
    /// For models that do not keep to it by themselves.
    Schema(ValidatorSlot),
}

/// What becomes of an answer.
pub(super) enum Judged {
    /// It is delivered.
    Deliver(Proven),
    /// It is not, and this is why.
    Failed(Fault),
    /// The same model is asked again.
    Repair {
        /// What it said.
        said: String,
        /// What is wrong with that.
        instruction: String,
        /// The same, as a failure.
        fault: Fault,
    },
}

/// What one validator makes of an answer.
enum Opinion {
    Next,
    Replace(String),
    End(Judged),
}

impl Judge {
    /// The validators of this request.
    pub(super) fn new(world: &World, exchange: &Exchange) -> Result<Self, Fault> {
        let added = world.policy().added_validators(&exchange.facts)?;
        Ok(Self { added, format: Format::Unread, repairs: world.config().orchestrator().max_repairs() })
    }

    /// What the client adds to what the configuration has.
    pub(super) fn added(&self) -> &[ValidatorSlot] {
        &self.added
    }

    /// Judges a candidate's answer. Reads a stream to its end first.
    pub(super) async fn judge(
        &mut self,
        world: &World,
        candidate: &mut Candidate,
        answer: Proven,
        closing: &mut Closing,
    ) -> Judged {
        if !closing.exchange.facts.request.dialect.converses() {
            // There are no words to judge.
            return Judged::Deliver(answer);
        }
        let mut slots = self.slots_for(world, candidate, &mut closing.exchange);
        for slot in &mut slots {
            slot.equip(world, &closing.exchange);
        }
        let result = candidate.target().overrides.answer_format.clone();
        if slots.is_empty() && result.is_none() {
            return Judged::Deliver(answer);
        }
        candidate.begins();
        let about = After {
            slots: Vec::new(),
            ask: Ask {
                facts: Arc::clone(&closing.exchange.facts),
                labels: Arc::from([]),
                view: Arc::clone(world.view()),
                completer: None,
            },
            model: candidate.target().model.clone(),
            attempt: u32::try_from(closing.exchange.trail.attempts() + 1).unwrap_or(u32::MAX),
        };
        let (held, rest) = match answer {
            Proven::Whole(reply) => {
                return self.whole(&slots, result.as_ref(), &about, reply, None, closing).await;
            }
            Proven::Stream { held, rest } => (held, rest),
            Proven::Watched { .. } | Proven::Text(_) => return Judged::Deliver(answer),
        };
        let (late, slots): (Vec<_>, Vec<_>) =
            slots.into_iter().partition(|slot| slot.mode == StreamMode::After);
        let judged = if result.is_none() && slots.is_empty() {
            Judged::Deliver(Proven::Stream { held, rest })
        } else if result.is_none() && slots.iter().all(|slot| slot.mode == StreamMode::Window) {
            let upstream = stream::iter(held.into_iter().map(Ok)).chain(rest).boxed();
            through(slots, &about, upstream, closing).await
        } else {
            let began = Instant::now();
            let whole = hold(held, rest).await;
            closing.waited(began.elapsed());
            match whole {
                Ok(Held { chunks, reply }) => {
                    self.whole(&slots, result.as_ref(), &about, reply, Some(chunks), closing).await
                }
                Err(fault) => Judged::Failed(fault),
            }
        };
        match judged {
            Judged::Deliver(answer) if !late.is_empty() => {
                Judged::Deliver(listened(After { slots: late, ..about }, answer))
            }
            judged => judged,
        }
    }

    /// Judges a whole answer. With `chunks`, it is delivered as those.
    async fn whole(
        &mut self,
        slots: &[ValidatorSlot],
        result: Option<&AnswerFormat>,
        about: &After,
        mut reply: Reply,
        chunks: Option<Vec<Chunk>>,
        closing: &mut Closing,
    ) -> Judged {
        let After { ask, model, attempt, .. } = about;
        let (mut replaced, mut score) = (false, None);
        if let Some(format) = result {
            match as_result(format, &reply, model, &mut closing.exchange) {
                Ok(None) => {}
                Ok(Some(cut)) => (reply, replaced) = (cut, true),
                Err(fault) => return self.unfit(fault, &reply, &ask.facts),
            }
        }
        let draft = |reply| Arc::new(Draft::new(reply, model.clone(), *attempt, render_reply));
        let mut review = Review { ask: ask.clone(), draft: draft(reply) };
        for slot in slots {
            let began = Instant::now();
            let (found, instead) = match whole::ask(slot, &review).await {
                Ok(Found { validation, instead }) => (Ok(validation), instead),
                Err(fault) => (Err(fault), None),
            };
            let step = verdict::step(slot, model, began.elapsed(), &found, ask.facts.id);
            closing.exchange.trail.push(step);
            if let Ok(found) = &found {
                score = lowest(score, found.score);
                review.ask.labels = [&review.ask.labels[..], &found.labels].concat().into();
            }
            match self.opinion(slot, found, &review.draft) {
                Opinion::Next => {}
                Opinion::Replace(text) => {
                    review.draft = draft(instead.unwrap_or_else(|| with_text(&review.draft.reply, text)));
                    replaced = true;
                }
                Opinion::End(judged) => return judged,
            }
        }
        closing.score = score;
        let draft = review.draft;
        // A plugin's instance may still hold on to it.
        let reply = Arc::try_unwrap(draft).map_or_else(|draft| draft.reply.clone(), |draft| draft.reply);
        Judged::Deliver(match chunks {
            Some(held) if !replaced => Proven::Stream { held, rest: stream::empty().boxed() },
            Some(_) => Proven::Stream { held: chunks_of(&reply), rest: stream::empty().boxed() },
            None => Proven::Whole(reply),
        })
    }

    /// An answer that is not the JSON that is wanted of it. A step of a workflow asks the same model once more; a row has
    /// its fallback for that.
    fn unfit(&mut self, fault: Fault, reply: &Reply, facts: &Facts) -> Judged {
        if facts.step.is_none() || self.repairs == 0 {
            return Judged::Failed(fault);
        }
        self.repairs -= 1;
        let said = reply.choices.first().and_then(|choice| choice.text.clone()).unwrap_or_default();
        let instruction =
            format!("{fault}. Answer again, with nothing but the whole JSON, and put that right.");
        Judged::Repair { said, instruction, fault }
    }

    fn opinion(
        &mut self,
        slot: &ValidatorSlot,
        found: Result<Validation, PluginFault>,
        draft: &Draft,
    ) -> Opinion {
        let name = slot.name();
        let rejected = |message| Fault::new(FaultKind::AnswerRejected, message);
        let found = match found {
            Ok(found) => found,
            Err(fault) => {
                return match verdict::failed(slot, &fault) {
                    None => Opinion::Next,
                    Some(fault) => Opinion::End(Judged::Failed(fault)),
                };
            }
        };
        match &found.verdict {
            Verdict::Accept => Opinion::Next,
            Verdict::Replace(text) => Opinion::Replace(text.clone()),
            Verdict::Reject => Opinion::End(Judged::Failed(verdict::rejected(slot, &found.issues))),
            Verdict::Repair(instruction) => {
                let why = listed(&found.issues, instruction);
                if self.repairs == 0 {
                    let message =
                        format!("validator `{name}` wants another answer, and there were enough{why}");
                    return Opinion::End(Judged::Failed(rejected(message)));
                }
                self.repairs -= 1;
                let fault = rejected(format!("validator `{name}` wants another answer{why}"));
                let (said, instruction) = (draft.text().to_owned(), instruction.clone());
                Opinion::End(Judged::Repair { said, instruction, fault })
            }
        }
    }

    /// What an answer of this model must pass. A model that lists no `response_schema` among its capabilities is not
    /// trusted to keep to the schema that the request binds it to.
    fn slots_for(
        &mut self,
        world: &World,
        candidate: &Candidate,
        exchange: &mut Exchange,
    ) -> Vec<ValidatorSlot> {
        let model = candidate.model();
        let mut slots = world.policy().validators_of(candidate.target().task.as_deref()).to_vec();
        let named = |slots: &[ValidatorSlot], name: &str| slots.iter().any(|there| there.name() == name);
        for slot in &self.added {
            if !named(&slots, slot.name()) {
                slots.push(slot.clone());
            }
        }
        slots.extend(world.policy().validators_of_step(&exchange.facts).iter().cloned());
        let request = &exchange.facts.request;
        if !request.has_response_schema || model.spec().capabilities.contains(&Capability::ResponseSchema) {
            return slots;
        }
        if let Format::Unread = self.format {
            let schema = client(request.dialect).response_schema(request);
            self.format = match schema.map(|schema| CompiledSchema::compile_foreign(&schema)) {
                None => Format::None,
                Some(Ok(schema)) => Format::Schema(ValidatorSlot::response_format(schema)),
                Some(Err(why)) => {
                    let why = format!("the schema is not enforced: {why}");
                    exchange.trail.push(verdict::skipped(RESPONSE_FORMAT, &model.spec().name, why));
                    Format::None
                }
            };
        }
        if let Format::Schema(slot) = &self.format {
            slots.push(slot.clone());
        }
        slots
    }
}

/// Makes a result of an answer, and tells the trail. The answer without what stands around its JSON, if there was something.
fn as_result(
    format: &AnswerFormat,
    reply: &Reply,
    model: &str,
    exchange: &mut Exchange,
) -> Result<Option<Reply>, Fault> {
    let began = Instant::now();
    let (verdict, issues, done) = match process(format, reply) {
        Processed::Fits => ("accept", Vec::new(), Ok(None)),
        Processed::Cut(reply) => ("replace", Vec::new(), Ok(Some(reply))),
        Processed::Unfit(issues) => {
            let issues: Vec<String> = issues.iter().map(|issue| excerpt(issue, verdict::MAX_ISSUE)).collect();
            let message = format!("the answer is not the JSON that its task wants: {}", issues.join("; "));
            ("reject", issues, Err(Fault::new(FaultKind::AnswerRejected, message)))
        }
    };
    let (name, model, micros) = (RESULT.to_owned(), model.to_owned(), micros(began.elapsed()));
    exchange.trail.push(Step::Validated { name, model, verdict, score: None, issues, micros });
    done
}

/// Takes a stream through the window until something of it may go out. What happens before that, the client does not see.
async fn through(
    slots: Vec<ValidatorSlot>,
    about: &After,
    upstream: ChunkStream,
    closing: &mut Closing,
) -> Judged {
    let mut window = Window::open(slots, &about.ask, &about.model, upstream).await;
    let (mut held, mut size) = (Vec::new(), 0);
    let failed = loop {
        match window.next().await {
            Some(Ok(Coming::Found(step))) => closing.exchange.trail.push(step),
            Some(Ok(Coming::Chunk(chunk))) => {
                size += weight(&chunk);
                let begun = chunk.done || chunk.deltas.iter().any(Delta::has_substance);
                held.push(chunk);
                if begun || size > MAX_HELD {
                    break None;
                }
            }
            Some(Err(fault)) => break Some(fault),
            None => break None,
        }
    };
    closing.waited(window.waited());
    match failed {
        Some(fault) => Judged::Failed(fault),
        None => Judged::Deliver(Proven::Watched { held, rest: window.into_stream() }),
    }
}

/// An answer with those listening who judge it once it is out.
fn listened(after: After, answer: Proven) -> Proven {
    let coming = match answer {
        Proven::Stream { held, rest } => {
            let chunks = stream::iter(held.into_iter().map(Ok)).chain(rest);
            chunks.map(|chunk| chunk.map(Coming::Chunk)).boxed()
        }
        Proven::Watched { held, rest } => {
            stream::iter(held.into_iter().map(|chunk| Ok(Coming::Chunk(chunk)))).chain(rest).boxed()
        }
        whole @ (Proven::Whole(_) | Proven::Text(_)) => return whole,
    };
    Proven::Watched { held: Vec::new(), rest: after::listen(after, coming) }
}

/// The same answer with another text. What it cost stays.
fn with_text(reply: &Reply, text: String) -> Reply {
    // What was cut short stays so, whatever stands for it.
    let cut = reply.choices.iter().any(|choice| choice.finish_reason == Some(FinishReason::Length));
    let finish_reason = Some(if cut { FinishReason::Length } else { FinishReason::Stop });
    let choice = Choice { text: Some(text), finish_reason, ..Choice::default() };
    Reply { choices: vec![choice], wire: None, ..reply.clone() }
}

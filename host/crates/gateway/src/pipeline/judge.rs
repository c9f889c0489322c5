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
//! A request that no validator applies to is not touched, and its stream is not held.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;

use jackfield_core::base::{CompiledSchema, JsonObject, excerpt};
use jackfield_core::config::{Capability, ValidatorOnError};
use jackfield_core::contract::{
    Ask, Choice, Chunk, Delta, Draft, Exchange, Fault, FaultKind, FinishReason, PluginFault, Reply, Review,
    Step, Validation, Verdict,
};
use jackfield_dialect::openai::render_reply;

use super::attempt::Proven;
use super::candidate::Candidate;
use super::hold::{Held, hold};
use super::record::micros;
use super::settle::Closing;
use crate::policy::{RESPONSE_FORMAT, ValidatorSlot};
use crate::world::{Model, World};

/// What is told of one answer's issues: their number, and each one's length in characters.
const MAX_ISSUES: usize = 16;
const MAX_ISSUE: usize = 240;

/// The validators of one request.
pub(super) struct Judge {
    slots: Vec<ValidatorSlot>,
    format: Format,
    /// Repairs that may still be asked for.
    repairs: u32,
}

/// The schema of the request's own `response_format`.
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
        let slots = world.policy().validators_of(&exchange.facts)?;
        Ok(Self { slots, format: Format::Unread, repairs: world.config().orchestrator().max_repairs() })
    }

    /// Judges a candidate's answer. Reads a stream to its end first.
    pub(super) async fn judge(
        &mut self,
        world: &World,
        candidate: &mut Candidate,
        answer: Proven,
        closing: &mut Closing,
    ) -> Judged {
        let slots = self.slots_for(candidate.model(), &mut closing.exchange);
        if slots.is_empty() {
            return Judged::Deliver(answer);
        }
        candidate.begins();
        let (reply, chunks) = match answer {
            Proven::Whole(reply) => (reply, None),
            Proven::Stream { held, rest } => {
                let began = Instant::now();
                let whole = hold(held, rest).await;
                closing.waited(began.elapsed());
                match whole {
                    Ok(Held { chunks, reply }) => (reply, Some(chunks)),
                    Err(fault) => return Judged::Failed(fault),
                }
            }
            Proven::Text(_) => return Judged::Deliver(answer),
        };
        let model = candidate.target().model.clone();
        let attempt = u32::try_from(closing.exchange.trail.attempts() + 1).unwrap_or(u32::MAX);
        let draft = |reply| Arc::new(Draft::new(reply, model.clone(), attempt, render_reply));
        let mut review = Review {
            ask: Ask {
                facts: Arc::clone(&closing.exchange.facts),
                labels: Arc::from([]),
                view: Arc::clone(world.view()),
                completer: None,
            },
            draft: draft(reply),
        };
        let (mut replaced, mut score) = (false, None);
        for slot in &slots {
            let began = Instant::now();
            review.ask.completer = slot.completer(world, &closing.exchange);
            let found = slot.ask(review.clone()).await;
            tell(slot, &model, began, &found, &mut closing.exchange);
            if let Ok(found) = &found {
                score = lowest(score, found.score);
                review.ask.labels = [&review.ask.labels[..], &found.labels].concat().into();
            }
            match self.opinion(slot, found, &review.draft) {
                Opinion::Next => {}
                Opinion::Replace(text) => {
                    review.draft = draft(with_text(&review.draft.reply, text));
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
            Some(_) => Proven::Stream { held: chunks_of(reply), rest: stream::empty().boxed() },
            None => Proven::Whole(reply),
        })
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
                let kind = match slot.on_error {
                    ValidatorOnError::Accept => return Opinion::Next,
                    ValidatorOnError::Reject => FaultKind::AnswerRejected,
                    ValidatorOnError::Fail => FaultKind::PluginFailed,
                };
                return Opinion::End(Judged::Failed(Fault::new(
                    kind,
                    format!("validator `{name}` failed: {fault}"),
                )));
            }
        };
        let issues = |or: &str| {
            let issues = found.issues.iter().take(MAX_ISSUES).map(|issue| excerpt(issue, MAX_ISSUE));
            let issues: Vec<String> = issues.filter(|issue| !issue.is_empty()).collect();
            let all = if issues.is_empty() { excerpt(or, MAX_ISSUE) } else { issues.join("; ") };
            if all.is_empty() { all } else { format!(": {all}") }
        };
        match &found.verdict {
            Verdict::Accept => Opinion::Next,
            Verdict::Replace(text) => Opinion::Replace(text.clone()),
            Verdict::Reject => {
                let message = format!("validator `{name}` rejected the answer{}", issues(""));
                Opinion::End(Judged::Failed(rejected(message)))
            }
            Verdict::Repair(instruction) => {
                let why = issues(instruction);
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
    fn slots_for(&mut self, model: &Model, exchange: &mut Exchange) -> Vec<ValidatorSlot> {
        let mut slots = self.slots.clone();
        let request = &exchange.facts.request;
        if !request.has_response_schema || model.spec().capabilities.contains(&Capability::ResponseSchema) {
            return slots;
        }
        if let Format::Unread = self.format {
            self.format = match schema_of(&request.body) {
                None => Format::None,
                Some(Ok(schema)) => Format::Schema(ValidatorSlot::response_format(schema)),
                Some(Err(why)) => {
                    let name = RESPONSE_FORMAT.to_owned();
                    let issues = vec![format!("the schema is not enforced: {why}")];
                    let (model, verdict) = (model.spec().name.clone(), "skipped");
                    exchange.trail.push(Step::Validated {
                        name,
                        model,
                        verdict,
                        score: None,
                        issues,
                        micros: 0,
                    });
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

/// The schema in a request's `response_format`.
fn schema_of(body: &JsonObject) -> Option<Result<CompiledSchema, String>> {
    let format = JsonObject::parse(body.get("response_format")?).ok()?;
    if format.get("type")?.as_ref() != br#""json_schema""# {
        return None;
    }
    let schema = JsonObject::parse(format.get("json_schema")?).ok()?.get("schema")?;
    Some(CompiledSchema::compile_foreign(&schema))
}

/// Puts what a validator found into the trail, and its failure into the log.
fn tell(
    slot: &ValidatorSlot,
    model: &str,
    began: Instant,
    found: &Result<Validation, PluginFault>,
    exchange: &mut Exchange,
) {
    let (verdict, score, issues) = match found {
        Ok(found) => {
            let issues = found.issues.iter().take(MAX_ISSUES).map(|issue| excerpt(issue, MAX_ISSUE));
            (found.verdict.name(), found.score, issues.collect())
        }
        Err(fault) => {
            tracing::warn!(
                target: "jackfield::plugin", plugin = slot.name(), request_id = %exchange.facts.id,
                fault = fault.kind.reason(), on_error = slot.on_error.name(), "{}", fault.message
            );
            ("fault", None, vec![excerpt(&fault.to_string(), MAX_ISSUE)])
        }
    };
    let (name, model, micros) = (slot.name().to_owned(), model.to_owned(), micros(began.elapsed()));
    exchange.trail.push(Step::Validated { name, model, verdict, score, issues, micros });
}

/// The worse of two scores.
fn lowest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The same answer with another text. What it cost stays.
fn with_text(reply: &Reply, text: String) -> Reply {
    let choice = Choice { text: Some(text), tool_calls: Vec::new(), finish_reason: Some(FinishReason::Stop) };
    Reply { choices: vec![choice], wire: None, ..reply.clone() }
}

/// A replaced answer as a stream.
fn chunks_of(reply: Reply) -> Vec<Chunk> {
    let text = reply.choices.into_iter().next().and_then(|choice| choice.text);
    let delta = |delta| Chunk { deltas: vec![delta], ..Chunk::default() };
    let mut chunks = vec![
        delta(Delta { text, ..Delta::default() }),
        delta(Delta { finish_reason: Some(FinishReason::Stop), finished: true, ..Delta::default() }),
    ];
    chunks.extend(reply.usage.map(|usage| Chunk { usage: Some(usage), ..Chunk::default() }));
    chunks.push(Chunk { done: true, ..Chunk::default() });
    chunks
}

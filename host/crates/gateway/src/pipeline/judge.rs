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
//! What the row of a task wants of its answers (`result`) comes before all of them. An answer that nothing applies to is not
//! touched, and its stream is not held.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;

use jackfield_core::base::{CompiledSchema, excerpt};
use jackfield_core::catalogue::Capability;
use jackfield_core::config::ValidatorOnError;
use jackfield_core::contract::{
    AnswerFormat, Ask, Choice, Chunk, Delta, Draft, Exchange, Fault, FaultKind, FinishReason, PluginFault,
    Reply, Review, Step, ToolCallDelta, Validation, Verdict,
};
use jackfield_dialect::client;
use jackfield_dialect::openai::render_reply;

use super::attempt::Proven;
use super::candidate::Candidate;
use super::hold::{Held, hold};
use super::record::micros;
use super::result::{Processed, RESULT, process};
use super::settle::Closing;
use crate::policy::{RESPONSE_FORMAT, ValidatorSlot};
use crate::world::World;

/// What is told of one answer's issues: their number, and each one's length in characters.
const MAX_ISSUES: usize = 16;
const MAX_ISSUE: usize = 240;

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
        let slots = self.slots_for(world, candidate, &mut closing.exchange);
        let result = candidate.target().overrides.answer_format.clone();
        if slots.is_empty() && result.is_none() {
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
        let (mut reply, mut replaced) = (reply, false);
        if let Some(format) = &result {
            match as_result(format, &reply, &model, &mut closing.exchange) {
                Ok(None) => {}
                Ok(Some(cut)) => (reply, replaced) = (cut, true),
                Err(fault) => return Judged::Failed(fault),
            }
        }
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
        let mut score = None;
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
            let issues: Vec<String> = issues.iter().map(|issue| excerpt(issue, MAX_ISSUE)).collect();
            let message = format!("the answer is not the JSON that its task wants: {}", issues.join("; "));
            ("reject", issues, Err(Fault::new(FaultKind::AnswerRejected, message)))
        }
    };
    let (name, model, micros) = (RESULT.to_owned(), model.to_owned(), micros(began.elapsed()));
    exchange.trail.push(Step::Validated { name, model, verdict, score: None, issues, micros });
    done
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

/// An answer that is not what the provider sent, as a stream.
fn chunks_of(reply: Reply) -> Vec<Chunk> {
    let delta = |delta| Chunk { deltas: vec![delta], ..Chunk::default() };
    let mut chunks = Vec::new();
    for (index, choice) in (0..).zip(reply.choices) {
        let calls = (0..).zip(choice.tool_calls).map(|(index, call)| ToolCallDelta {
            index,
            id: Some(call.id),
            name: Some(call.name),
            arguments: call.arguments,
        });
        let (text, tool_calls) = (choice.text, calls.collect());
        chunks.push(delta(Delta { index, text, tool_calls, ..Delta::default() }));
        let finish_reason = choice.finish_reason;
        chunks.push(delta(Delta { index, finish_reason, finished: true, ..Delta::default() }));
    }
    chunks.extend(reply.usage.map(|usage| Chunk { usage: Some(usage), ..Chunk::default() }));
    chunks.push(Chunk { done: true, ..Chunk::default() });
    chunks
}

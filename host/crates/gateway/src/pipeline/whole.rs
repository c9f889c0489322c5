//! A whole answer before one validator. One that knows streams alone gets it as a stream of one text a choice, and what it
//! lets go of that is its verdict.

use std::sync::Arc;

use jackfield_core::contract::{
    Chunk, Delta, FinishReason, PluginFault, Reply, Review, StreamValidator, ToolCallDelta, Validation,
    Verdict,
};

use super::hold::Whole;
use super::window::{Stop, Watching};
use crate::policy::{Check, ValidatorSlot};

/// What a validator finds, and the answer it puts in place of this one when that is more than a text.
pub(super) struct Found {
    pub validation: Validation,
    pub instead: Option<Reply>,
}

/// Asks one validator about a whole answer, unless it is being left alone.
pub(super) async fn ask(slot: &ValidatorSlot, review: &Review) -> Result<Found, PluginFault> {
    slot.allows()?;
    let review = Review { ask: slot.ask(&review.ask), draft: Arc::clone(&review.draft) };
    let found = match &slot.check {
        Check::Whole(check) | Check::Both(check, _) => {
            let validation = check.validate(review).await;
            validation.map(|validation| Found { validation, instead: None })
        }
        Check::Stream(check) => pass(check, &review).await,
    };
    slot.did(found.as_ref().err());
    found
}

/// Puts an answer through a check of streams. It is in memory already, so the check may hold all of it.
async fn pass(check: &Arc<dyn StreamValidator>, review: &Review) -> Result<Found, PluginFault> {
    let reply = &review.draft.reply;
    let mut watching = Watching::open(check, review.ask.clone(), usize::MAX).await?;
    let mut out = Vec::new();
    for chunk in chunks_of(reply) {
        match watching.take(chunk, &mut out).await {
            Ok(()) => {}
            Err(Stop::Rejected(issues)) => {
                return Ok(Found { validation: Validation::reject(issues), instead: None });
            }
            Err(Stop::Failed(fault)) => return Err(fault),
        }
    }
    if !watching.changed() {
        return Ok(Found { validation: Validation::accept(), instead: None });
    }
    let mut whole = Whole::default();
    out.iter().for_each(|chunk| whole.add(chunk));
    let instead = Reply { choices: whole.into_reply().choices, wire: None, ..reply.clone() };
    let text = instead.choices.first().and_then(|choice| choice.text.clone()).unwrap_or_default();
    let validation = Validation { verdict: Verdict::Replace(text), ..Validation::accept() };
    Ok(Found { validation, instead: Some(instead) })
}

/// An answer as a stream.
pub(super) fn chunks_of(reply: &Reply) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for (index, choice) in (0..).zip(&reply.choices) {
        let calls = (0..).zip(&choice.tool_calls).map(|(index, call)| ToolCallDelta {
            index,
            id: Some(call.id.clone()),
            name: Some(call.name.clone()),
            arguments: call.arguments.clone(),
        });
        let calls: Vec<ToolCallDelta> = calls.collect();
        let text = choice.text.clone().map(|text| Delta { index, text: Some(text), ..Delta::default() });
        let beside = (choice.refusal.is_some() || !choice.pictures.is_empty()).then(|| {
            let (refusal, pictures) = (choice.refusal.clone(), choice.pictures.clone());
            Delta { index, refusal, pictures, ..Delta::default() }
        });
        let calls = (!calls.is_empty()).then(|| Delta { index, tool_calls: calls, ..Delta::default() });
        let finish_reason = choice.finish_reason.or(Some(FinishReason::Stop));
        let finish = Delta { index, finish_reason, finished: true, ..Delta::default() };
        let deltas = text.into_iter().chain(beside).chain(calls).chain([finish]);
        chunks.extend(deltas.map(|delta| Chunk { deltas: vec![delta], ..Chunk::default() }));
    }
    chunks.extend(reply.usage.map(|usage| Chunk { usage: Some(usage), ..Chunk::default() }));
    chunks.push(Chunk { done: true, ..Chunk::default() });
    chunks
}

//! Validators that judge a stream once it was delivered. What they find is written down and changes nothing: the client has
//! the answer by then, but for the end marker, which waits so that the request's record is whole when it is over. When the
//! client leaves before, or the provider breaks off, there is no whole answer and no verdict.
//!
//! Bounded by `MAX_HELD` bytes of what it says; a larger answer is not judged, and the record says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;

use jackfield_core::contract::{Ask, Chunk, Draft, Fault, Review, Step, Verdict};
use jackfield_dialect::openai::render_reply;

use super::delivery::{Coming, ComingStream};
use super::hold::{MAX_HELD, Whole};
use super::{verdict, whole};
use crate::policy::ValidatorSlot;

/// Who judges an answer after it was delivered, and what it is judged as.
pub(super) struct After {
    pub slots: Vec<ValidatorSlot>,
    pub ask: Ask,
    pub model: String,
    pub attempt: u32,
}

struct Listening {
    after: After,
    coming: ComingStream,
    whole: Whole,
    ready: VecDeque<Coming>,
    judged: bool,
}

/// The same stream with their verdicts in it, before its end.
pub(super) fn listen(after: After, coming: ComingStream) -> ComingStream {
    let (whole, ready) = (Whole::default(), VecDeque::new());
    let listening = Listening { after, coming, whole, ready, judged: false };
    stream::unfold(listening, |mut listening| async move { Some((listening.next().await?, listening)) })
        .boxed()
}

impl Listening {
    async fn next(&mut self) -> Option<Result<Coming, Fault>> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(Ok(ready));
        }
        match self.coming.next().await {
            Some(Ok(Coming::Chunk(chunk))) => {
                if self.whole.size() <= MAX_HELD {
                    self.whole.add(&chunk);
                }
                if !chunk.done {
                    return Some(Ok(Coming::Chunk(chunk)));
                }
                self.judge(Some(chunk)).await;
            }
            None if !self.judged => self.judge(None).await,
            other => return other,
        }
        self.ready.pop_front().map(Ok)
    }

    async fn judge(&mut self, end: Option<Chunk>) {
        self.judged = true;
        let steps = match self.whole.size() <= MAX_HELD {
            true => self.verdicts().await,
            false => {
                let why = format!(
                    "the answer is larger than the {} MiB that are kept to be judged",
                    MAX_HELD >> 20
                );
                let After { slots, model, .. } = &self.after;
                slots.iter().map(|slot| verdict::skipped(slot.name(), model, why.clone())).collect()
            }
        };
        self.ready.extend(steps.into_iter().map(Coming::Found));
        self.ready.extend(end.map(Coming::Chunk));
    }

    /// Asks all of them: one's word does not keep the next from being asked.
    async fn verdicts(&mut self) -> Vec<Step> {
        let After { slots, ask, model, attempt } = &self.after;
        let id = ask.facts.id;
        let reply = std::mem::take(&mut self.whole).into_reply();
        let draft = Draft::new(reply, model.clone(), *attempt, render_reply);
        let mut review = Review { ask: ask.clone(), draft: Arc::new(draft) };
        let mut steps = Vec::with_capacity(slots.len());
        for slot in slots {
            let began = Instant::now();
            let found = whole::ask(slot, &review).await.map(|found| found.validation);
            if let Ok(found) = &found {
                review.ask.labels = [&review.ask.labels[..], &found.labels].concat().into();
                if found.verdict != Verdict::Accept {
                    tracing::warn!(
                        target: "jackfield::validator", validator = slot.name(), request_id = %id, model,
                        verdict = found.verdict.name(), issues = verdict::listed(&found.issues, "").trim_start_matches(": "),
                        "an answer that was delivered does not pass"
                    );
                }
            }
            steps.push(verdict::step(slot, model, began.elapsed(), &found, id));
        }
        steps
    }
}

//! A streamed answer of Gemini's. Every event is a whole `GenerateContentResponse` with what is new; the stream has no end
//! marker: it is over when the wire ends after every candidate has said why it stopped.

use std::collections::VecDeque;

use jackfield_core::contract::{Chunk, Delta, Fault, FinishReason, ToolCallDelta, Usage};

use super::reply::{Said, WireCandidate, WireReply, finish};
use crate::call_id::Ids;
use crate::speech::{StreamReader, broken};
use crate::sse::{Decoder, Frame};

/// Candidates of one answer at most: OpenAI's bound on `n`, far above Gemini's own.
const MAX_CANDIDATES: usize = 128;

/// Reads a stream.
pub(super) struct Reader {
    decoder: Decoder,
    ids: Ids,
    candidates: Vec<Candidate>,
    /// How many there should be. There may be fewer.
    wanted: usize,
    /// What was consumed so far, while it is not told.
    usage: Option<Usage>,
    /// What was thought so far, in quarters of a token.
    thought: u64,
    /// What the last event said and was not taken yet: at most two chunks.
    ready: VecDeque<Chunk>,
}

/// How far a candidate has come.
#[derive(Clone, Copy, Default)]
struct Candidate {
    calls: u32,
    spoke: bool,
    finished: bool,
}

impl Reader {
    /// A stream that has not begun.
    pub(super) fn new(ids: Ids, wanted: usize) -> Self {
        let (candidates, ready) = (Vec::new(), VecDeque::new());
        Self { decoder: Decoder::default(), ids, candidates, wanted, usage: None, thought: 0, ready }
    }

    fn read(&mut self, frame: &Frame) -> Result<(), Fault> {
        let Some(data) = frame.data.as_ref().filter(|data| !data.trim_ascii().is_empty()) else {
            return Ok(());
        };
        let wire = WireReply::parse(data)?;
        let (usage, model) = (wire.usage(), wire.model());
        let mut deltas = Vec::with_capacity(wire.candidates.len());
        if wire.is_blocked() {
            self.candidate(0)?.finished = true;
            let finish_reason = Some(FinishReason::ContentFilter);
            deltas.push(Delta { finished: true, refusal: wire.blocked(), finish_reason, ..Delta::default() });
        }
        for candidate in wire.candidates {
            deltas.push(self.delta(candidate)?);
        }
        // Thoughts that are not shown are counted in every event.
        let shown: u64 = deltas.iter().map(|delta| delta.thought).sum();
        let told = usage.map_or(0, |usage: Usage| usage.reasoning_tokens.saturating_mul(4));
        self.thought = self.thought.saturating_add(shown);
        if let Some(delta) = deltas.first_mut() {
            delta.thought = delta.thought.saturating_add(told.saturating_sub(self.thought));
            self.thought = self.thought.max(told);
        }
        if !deltas.is_empty() {
            self.ready.push_back(Chunk { deltas, model, ..Chunk::default() });
        }
        // Every event counts what was consumed so far; the last one counts.
        self.usage = usage.or(self.usage);
        if self.is_complete()
            && self.candidates.len() >= self.wanted
            && let Some(usage) = self.usage.take()
        {
            self.ready.push_back(Chunk { usage: Some(usage), ..Chunk::default() });
        }
        Ok(())
    }

    fn delta(&mut self, candidate: WireCandidate) -> Result<Delta, Fault> {
        let index = candidate.index;
        let mut said = candidate.said(&mut self.ids);
        let so_far = self.candidate(index)?;
        so_far.spoke |= !said.is_silent();
        let calls = std::mem::take(&mut said.calls);
        let mut tool_calls = Vec::with_capacity(calls.len());
        for call in calls {
            let (id, name) = (Some(call.id), Some(call.name));
            tool_calls.push(ToolCallDelta { index: so_far.calls, id, name, arguments: call.arguments });
            so_far.calls = so_far.calls.saturating_add(1);
        }
        let finish_reason = match &said.ended {
            Some(word) => finish(word, so_far.calls > 0, !so_far.spoke)?,
            None => None,
        };
        let refusal = said.refusal(finish_reason);
        let Said { text, pictures, other, thought, ended, .. } = said;
        so_far.finished |= ended.is_some();
        let finished = ended.is_some();
        Ok(Delta { index, text, refusal, pictures, tool_calls, other, thought, finish_reason, finished })
    }

    fn candidate(&mut self, index: u32) -> Result<&mut Candidate, Fault> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if at >= MAX_CANDIDATES {
            return Err(broken("it has too many candidates"));
        }
        if self.candidates.len() <= at {
            self.candidates.resize(at + 1, Candidate::default());
        }
        Ok(&mut self.candidates[at])
    }

    fn is_complete(&self) -> bool {
        !self.candidates.is_empty() && self.candidates.iter().all(|candidate| candidate.finished)
    }
}

impl StreamReader for Reader {
    fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>, Fault> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(Some(chunk));
            }
            match self.decoder.next_frame().map_err(|e| broken(&e.to_string()))? {
                Some(frame) => self.read(&frame)?,
                None => return Ok(None),
            }
        }
    }

    fn end(&mut self) -> Result<Chunk, Fault> {
        match self.is_complete() {
            true => Ok(Chunk { done: true, usage: self.usage.take(), ..Chunk::default() }),
            false => Err(broken("it ended before the answer was complete")),
        }
    }
}

#[cfg(test)]
mod tests;

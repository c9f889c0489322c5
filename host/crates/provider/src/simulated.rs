//! The built-in simulation: answers without any provider, the same for the same seed and request.
//!
//! It shows the gateway at work without a key. It never pretends: its answers, its model ids and its
//! fingerprints say `simulated`. What the configuration has it say instead of its echo is the configuration's word.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};

use jackfield_core::base::{excerpt, fill_template};
use jackfield_core::config::SimulatedProvider;
use jackfield_core::contract::{
    Answer, BoxFuture, Call, Choice, Chunk, ChunkStream, Delta, Dialect, Fault, FaultKind, FinishReason,
    Provider, Reply, Role, Usage,
};

mod vectors;

/// What is repeated of the prompt, in characters.
const MAX_ECHO: usize = 120;

/// One simulation.
pub(crate) struct Simulated {
    name: Arc<str>,
    settings: SimulatedProvider,
}

impl Simulated {
    pub(crate) fn new(name: &str, settings: SimulatedProvider) -> Self {
        Self { name: name.into(), settings }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let began = Instant::now();
        self.pause(self.settings.latency, call.deadline).await?;
        let request = &call.facts.request;
        let dice = digest(self.settings.seed, &call.model_id, request.body.bytes(), &call.appended);
        if fraction(dice) < self.settings.failure_rate {
            let message = format!("`{}` failed, as its failure_rate asks", self.name);
            return Err(Fault::new(FaultKind::UpstreamFailed, message));
        }
        if request.dialect == Dialect::OpenAiEmbeddings {
            let reply = vectors::embed(&self.name, self.settings.seed, &call)?;
            return Ok(Answer::Whole { reply, waited: began.elapsed(), dropped: Vec::new() });
        }
        let text = self.text(&call);
        let cap = call.overrides.max_output_tokens.map(u64::from).or(request.max_output_tokens);
        let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let kept = cap.map_or(words.len(), |cap| words.len().min(usize::try_from(cap).unwrap_or(usize::MAX)));
        let finish = if kept < words.len() { FinishReason::Length } else { FinishReason::Stop };
        let words = words[..kept].to_vec();
        let usage = Usage {
            input_tokens: request.estimated_input_tokens(),
            output_tokens: words.len() as u64,
            ..Usage::default()
        };
        if request.stream {
            let chunks = self.chunks(words, finish, usage, call.deadline);
            return Ok(Answer::Stream { chunks, waited: began.elapsed(), dropped: Vec::new() });
        }
        let reply = Reply {
            id: format!("chatcmpl-simulated-{dice:016x}"),
            model: call.model_id.to_string(),
            created: now(),
            choices: vec![Choice {
                text: Some(words.concat()),
                tool_calls: Vec::new(),
                finish_reason: Some(finish),
            }],
            usage: Some(usage),
            wire: None,
        };
        Ok(Answer::Whole { reply, waited: began.elapsed(), dropped: Vec::new() })
    }

    fn text(&self, call: &Call) -> String {
        // Asked again, it answers what it was told last.
        let told = call.appended.iter().rev().find(|(role, _)| *role == Role::User);
        let prompt = told.map_or_else(|| prompt(call), |(_, said)| said.clone());
        if let Some(reply) = self.settings.reply(&call.model_id, &prompt) {
            return reply.to_owned();
        }
        let words = prompt.split_whitespace().count();
        let echo = excerpt(&prompt, MAX_ECHO);
        let more = if prompt.chars().count() > MAX_ECHO { "…" } else { "" };
        format!("[simulated {}] You asked, in {words} words: {echo}{more}", call.model_id)
    }

    fn chunks(
        &self,
        words: Vec<String>,
        finish: FinishReason,
        usage: Usage,
        deadline: Instant,
    ) -> ChunkStream {
        let delta = |delta| Chunk { deltas: vec![delta], ..Chunk::default() };
        let mut script: Vec<Chunk> =
            words.into_iter().map(|word| delta(Delta { text: Some(word), ..Delta::default() })).collect();
        script.push(delta(Delta { finish_reason: Some(finish), finished: true, ..Delta::default() }));
        script.push(Chunk { usage: Some(usage), ..Chunk::default() });
        script.push(Chunk { done: true, ..Chunk::default() });
        let this = Self { name: Arc::clone(&self.name), settings: self.settings.clone() };
        stream::unfold((script.into_iter(), true, this), move |(mut script, first, this)| async move {
            let chunk = script.next()?;
            if !first
                && !chunk.deltas.is_empty()
                && let Err(fault) = this.pause(this.settings.chunk_latency, deadline).await
            {
                return Some((Err(fault), (Vec::new().into_iter(), false, this)));
            }
            Some((Ok(chunk), (script, false, this)))
        })
        .boxed()
    }

    async fn pause(&self, wait: Duration, deadline: Instant) -> Result<(), Fault> {
        if wait.is_zero() {
            return Ok(());
        }
        let pause = tokio::time::sleep(wait);
        tokio::time::timeout_at(deadline.into(), pause).await.map_err(|_| {
            let message = format!("`{}` did not answer before the request's total deadline", self.name);
            Fault::new(FaultKind::UpstreamTimeout, message)
        })
    }
}

impl Provider for Simulated {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }
}

/// What is asked: the client's text, in the template that routing has for it.
fn prompt(call: &Call) -> String {
    let text = call.facts.request.last_user_text();
    match &call.overrides.prompt_template {
        Some(template) => fill_template(template, &text),
        None => text,
    }
}

/// FNV-1a (64 bit, offset and prime of the reference) over the seed, the model and the request.
fn digest(seed: u64, model: &str, body: &[u8], appended: &[(Role, String)]) -> u64 {
    let more = appended.iter().flat_map(|(_, said)| said.bytes());
    let bytes = seed.to_le_bytes().into_iter().chain(model.bytes()).chain(body.iter().copied()).chain(more);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A digest as a number from 0 up to, not including, 1. The low bits of FNV are mixed best, so they lead.
fn fraction(digest: u64) -> f64 {
    f64::from(u32::try_from(digest.reverse_bits() >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

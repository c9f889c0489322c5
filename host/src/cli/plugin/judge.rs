//! `jackfield plugin run FILE --response TEXT`: one answer through one validator, in the gateway's own sandbox and limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{
    Ask, Choice, Draft, FinishReason, PluginFault, Reply, Review, Usage, Validation, Verdict,
};
use jackfield_dialect::openai::render_reply;
use jackfield_plugin_host::{CallCost, ComponentValidator};

use super::file;
use crate::cli::{Outcome, out};

/// What a validator said, and what it took.
pub(super) struct Judged {
    found: Validation,
    took: Duration,
    cost: CallCost,
}

/// Asks the validator about this text, as the answer of a model that stopped by itself.
pub(super) async fn judge(
    validator: &ComponentValidator,
    ask: Ask,
    text: &str,
) -> Result<Judged, PluginFault> {
    let choice =
        Choice { text: Some(text.to_owned()), finish_reason: Some(FinishReason::Stop), ..Choice::default() };
    let review = review(ask, choice, Given::default());
    let began = Instant::now();
    let (found, cost) = validator.validate_measured(review).await?;
    Ok(Judged { found, took: began.elapsed(), cost })
}

/// What may be known of an answer besides what it says.
#[derive(Default)]
pub(super) struct Given {
    /// The model that gave it; else the first that the host knows.
    pub(super) model: Option<String>,
    /// Which attempt it is; else the first.
    pub(super) attempt: Option<u32>,
    pub(super) usage: Option<Usage>,
}

/// An answer to be judged, as if a model had given it.
pub(super) fn review(ask: Ask, choice: Choice, given: Given) -> Review {
    let first = || ask.view.model_names().into_iter().next().unwrap_or_else(|| "a-model".to_owned());
    let model = given.model.unwrap_or_else(first);
    let reply = Reply {
        id: "chatcmpl-try".to_owned(),
        model: model.clone(),
        created: 0,
        choices: vec![choice],
        usage: given.usage,
        wire: None,
    };
    let draft = Draft::new(reply, model, given.attempt.unwrap_or(1), render_reply);
    Review { ask, draft: Arc::new(draft) }
}

/// What it says to this answer.
fn text_of(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Accept | Verdict::Reject => None,
        Verdict::Repair(text) | Verdict::Replace(text) => Some(text),
    }
}

pub(super) fn show(path: &str, judged: &Judged, limits: &PluginLimits) -> Outcome {
    let Judged { found, took, cost } = judged;
    out::line(&format!("{path}, asked about the given answer"))?;
    let row = |name: &str, text: &dyn std::fmt::Display| out::line(&format!("  {name:<10} {text}"));
    match text_of(&found.verdict) {
        Some(text) => row("verdict", &format!("{}: {}", found.verdict.name(), file::printable(text)))?,
        None => row("verdict", &found.verdict.name())?,
    }
    if let Some(score) = found.score {
        row("score", &score)?;
    }
    for issue in &found.issues {
        row("issue", issue)?;
    }
    row("latency", &format!("{:.1} µs, cold", took.as_secs_f64() * 1e6))?;
    row("memory", &format!("{} at its peak, of {}", file::memory(cost.memory), file::memory(limits.memory)))?;
    row("host calls", &format!("{} in a call, of {}", cost.host_calls, limits.host_calls))?;
    super::run::llm(cost, limits, &row)
}

pub(super) fn to_json(path: &str, judged: &Judged) -> Value {
    let Judged { found, took, cost } = judged;
    json!({
        "file": path,
        "verdict": found.verdict.name(),
        "text": text_of(&found.verdict),
        "score": found.score,
        "issues": found.issues,
        "latency_us": took.as_secs_f64() * 1e6,
        "memory_bytes": cost.memory,
        "host_calls": cost.host_calls,
        "llm_calls": cost.llm_calls,
        "llm_tokens": cost.llm_tokens,
    })
}

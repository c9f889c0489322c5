//! `kind: simulated`: how the built-in simulation behaves, and what it says where its echo will not do.
//!
//! Bounded: so many replies, each so long. A reply is fixed text: it shows what becomes of an answer, and pretends no more.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::findings::Located;
use super::pointer::Pointer;

/// Replies of one provider.
const MAX_REPLIES: usize = 100;
/// The longest reply, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// What is answered instead of an echo.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ScriptedReply")]
pub struct ScriptedReply {
    /// The model's id at this provider. Left out: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the last user message has somewhere. Left out: anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// What is answered, word for word.
    pub text: String,
}

/// How the simulation behaves.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimulatedProvider {
    /// How long it takes to begin an answer.
    pub latency: Duration,
    /// How long it takes between two pieces of a streamed answer.
    pub chunk_latency: Duration,
    /// The same seed gives the same answers.
    pub seed: u64,
    /// The share of calls that fail, 0 to 1.
    pub failure_rate: f64,
    /// What is answered instead of an echo: the first that fits.
    pub replies: Arc<[ScriptedReply]>,
}

impl SimulatedProvider {
    /// What is answered to this prompt instead of an echo.
    pub fn reply(&self, model_id: &str, prompt: &str) -> Option<&str> {
        let fits = |reply: &&ScriptedReply| {
            reply.model.as_ref().is_none_or(|model| model == model_id)
                && reply.contains.as_ref().is_none_or(|part| prompt.contains(part.as_str()))
        };
        self.replies.iter().find(fits).map(|reply| reply.text.as_str())
    }
}

/// Checks `replies`.
pub(super) fn check(raw: &[ScriptedReply], at: &Pointer, found: &mut Located<'_>) -> Arc<[ScriptedReply]> {
    if raw.len() > MAX_REPLIES {
        let message = format!("{} replies are more than one simulation has", raw.len());
        found.fault(at, message, format!("keep {MAX_REPLIES} or fewer"));
    }
    for (index, reply) in raw.iter().enumerate() {
        let at = at.index(index);
        if reply.text.len() > MAX_TEXT {
            let message = format!("the reply has {} bytes", reply.text.len());
            found.fault(&at.key("text"), message, format!("use at most {} KiB", MAX_TEXT >> 10));
        }
        let hides = raw.iter().take(index).position(|first| {
            (first.model.is_none() || first.model == reply.model)
                && (first.contains.is_none() || first.contains == reply.contains)
        });
        if let Some(first) = hides {
            let first = at.parent().unwrap_or_default().index(first);
            let message = "this reply is never given: one before it fits wherever it does".to_owned();
            found.clash(&at, &first, "this one", message, "put the narrower one first");
        }
    }
    raw.into()
}

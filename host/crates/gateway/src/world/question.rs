//! A question that is not the client's: one model is asked once, for a rating or for a plugin. Nothing routes it,
//! repeats it or judges its answer; the model's state and metrics hear of it as of any call, and it is charged to the request.
//!
//! Bounded by its end, which is not after the request's deadline. Holds nothing of the client's but what whoever asks puts in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use jackfield_core::contract::{Answer, Call, Caller, Facts, Fault, FaultKind, Overrides, Reply};
use jackfield_dialect::openai::parse_request;
use jackfield_store::{Exceeded, Unreserved};

use super::live::CallEnd;
use super::models::Model;
use crate::charge::{self, Payer};

/// How much longer than it is waited for a provider would be.
const LATER: Duration = Duration::from_secs(1);

/// What one model is asked.
pub(crate) struct Question {
    /// The request on whose behalf, and on whose account.
    pub payer: Payer,
    /// A chat request in OpenAI's dialect, without a model.
    pub body: Value,
    /// What is said of the answer besides.
    pub overrides: Overrides,
    /// When whoever asks stops waiting; the request's own deadline at the latest.
    pub until: Instant,
}

/// Why there is no answer.
pub(crate) enum Unanswered {
    /// A budget has no room for it: nobody was asked.
    Exceeded(Box<Exceeded>),
    /// It took too long for whoever asked.
    Late,
    /// What came is not what was asked for.
    Unclear,
    /// The provider failed, or the question is no request.
    Failed(Fault),
}

impl Model {
    /// Whether it is left alone because it kept failing. Claims nothing.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.live().breaker().is_open(Instant::now())
    }

    /// Asks this model, once.
    pub(crate) async fn ask(&self, question: Question) -> Result<Reply, Unanswered> {
        let until = question.until;
        let payer = question.payer.clone();
        let mut call = self.call_of(question).map_err(Unanswered::Failed)?;
        let charge = self.charge(&payer, &mut call).await.map_err(|why| match why {
            Unreserved::Exceeded(exceeded) => Unanswered::Exceeded(exceeded),
            Unreserved::State(error) => Unanswered::Failed(charge::unavailable(error)),
        })?;
        let mut live = self.begin(false).of_run(payer.facts.run.as_ref());
        // Large, and within the futures of whoever asks.
        let asked = Box::pin(charge::call(&**self.provider(), call, charge));
        match tokio::time::timeout_at(until.into(), asked).await {
            Ok(Ok(Answer::Whole { reply, .. })) => {
                live.first_token();
                live.end(CallEnd::Answered);
                Ok(reply)
            }
            Ok(Ok(Answer::Stream { .. })) => Err(Unanswered::Unclear),
            Ok(Err(fault)) => {
                live.end(end_of(fault.kind));
                Err(Unanswered::Failed(fault))
            }
            // Late for this is not late for an answer: the model is as slow as this, and not unwell.
            Err(_) => {
                live.outrun();
                Err(Unanswered::Late)
            }
        }
    }

    fn call_of(&self, question: Question) -> Result<Call, Fault> {
        let request = parse_request(question.body.to_string().into())?;
        let facts = Facts {
            id: question.payer.facts.id,
            request,
            task: None,
            caller: Caller::default(),
            headers: http::HeaderMap::new(),
            run: None,
            step: None,
        };
        let id = &self.spec().id;
        Ok(Call {
            appended: Vec::new(),
            facts: Arc::new(facts),
            model_id: id.as_str().into(),
            overrides: question.overrides,
            max_output: self.spec().max_output,
            key: self.provider().pick_key(id, &[]).map(|pick| pick.index),
            timeouts: self.timeouts(),
            // Who is late is given up from outside, before: a provider would call its own lateness a failure.
            deadline: question.until + LATER,
        })
    }
}

/// The model's state hears of failures as it does when the model answers.
fn end_of(kind: FaultKind) -> CallEnd {
    match kind {
        kind if kind.is_transient() => CallEnd::Failed(kind),
        kind @ (FaultKind::ContextLength | FaultKind::Unsupported) => CallEnd::Unfit(kind),
        kind if kind.try_next() => CallEnd::Refused(kind),
        kind => CallEnd::Unfit(kind),
    }
}

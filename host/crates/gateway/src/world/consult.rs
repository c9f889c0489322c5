//! The models as a plugin may ask them (`contract::Completer`), for one request and one plugin.
//!
//! A plugin names a model and gets that one or nothing: no rule, no validator and no fallback sees its question, so
//! that a plugin cannot ask itself. It may ask what the request's own client may use. Every question becomes a step of
//! the request's trail and is counted, also when the plugin fails or the client leaves in the middle of it.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use jackfield_core::base::excerpt;
use jackfield_core::contract::{
    Aside, Bill, BoxFuture, Completer, Completion, CompletionError, CompletionRequest, Exchange, Facts,
    FaultKind, Overrides, Reply, Step, Usage,
};
use jackfield_core::telemetry::metrics::PluginSeries;

use super::World;
use super::models::{Model, Models};
use super::question::{Question, Unanswered};
use crate::charge::Payer;

/// What is shown of a name that a guest made up, and of a provider's words, in characters.
const MAX_NAME: usize = 128;
const MAX_WORDS: usize = 1_024;

/// What one plugin asks models on behalf of one request.
struct Consult {
    models: Arc<Models>,
    facts: Arc<Facts>,
    deadline: Instant,
    aside: Aside,
    bill: Bill,
    plugin: String,
    /// What is counted of the plugin; nothing where nobody counts.
    series: Option<Arc<PluginSeries>>,
}

/// One question on its way. Told when it is dropped, whatever came of it by then.
struct Charge<'a> {
    of: &'a Consult,
    model: String,
    provider: Option<String>,
    outcome: &'static str,
    usage: Option<Usage>,
    /// Its number on the request's bill.
    number: Option<u32>,
    began: Instant,
}

impl World {
    /// Who asks this world's models for a plugin that may.
    pub(crate) fn completer(
        &self,
        exchange: &Exchange,
        plugin: &str,
        series: Option<&Arc<PluginSeries>>,
    ) -> Arc<dyn Completer> {
        Arc::new(Consult {
            models: Arc::clone(&self.models),
            facts: Arc::clone(&exchange.facts),
            deadline: exchange.deadline,
            aside: exchange.trail.aside().clone(),
            bill: exchange.trail.bill().clone(),
            plugin: plugin.to_owned(),
            series: series.cloned(),
        })
    }
}

impl Completer for Consult {
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'_, Result<Completion, CompletionError>> {
        Box::pin(self.ask(request))
    }
}

impl Consult {
    async fn ask(&self, request: CompletionRequest) -> Result<Completion, CompletionError> {
        let mut charge = Charge {
            of: self,
            model: excerpt(&request.model, MAX_NAME),
            provider: None,
            outcome: "abandoned",
            usage: None,
            number: None,
            began: Instant::now(),
        };
        let model = match self.model(&request.model) {
            Ok(model) => model,
            Err(why) => {
                charge.outcome = why;
                return Err(CompletionError::UnknownModel(charge.model.clone()));
            }
        };
        if model.is_left_alone() {
            charge.outcome = "breaker_open";
            let message =
                format!("`{}` failed too often of late and is left alone for a while", charge.model);
            return Err(CompletionError::Failed(message));
        }
        charge.provider = Some(model.provider().name().to_owned());
        let question = self.question(request);
        charge.number = Some(question.payer.number);
        let answer = model.ask(question).await;
        let failed = match answer {
            Ok(reply) => {
                charge.usage = reply.usage;
                match text_of(&reply) {
                    Some(text) => {
                        charge.outcome = "answered";
                        return Ok(Completion { text, usage: reply.usage });
                    }
                    None => Unanswered::Unclear,
                }
            }
            Err(failed) => failed,
        };
        let (outcome, error) = match failed {
            Unanswered::Exceeded(exceeded) => {
                // Nobody was called.
                charge.provider = None;
                tracing::debug!(
                    target: "jackfield::llm", request_id = %self.facts.id, plugin = self.plugin,
                    model = charge.model, "a plugin's question has no budget: {exceeded}"
                );
                (exceeded.reason(), CompletionError::BudgetExceeded)
            }
            Unanswered::Late => ("timed_out", CompletionError::TimedOut),
            Unanswered::Unclear => {
                ("unclear", CompletionError::Failed(format!("`{}` answered without a text", charge.model)))
            }
            Unanswered::Failed(fault) => {
                tracing::debug!(
                    target: "jackfield::llm", request_id = %self.facts.id, plugin = self.plugin,
                    model = charge.model, reason = fault.kind.reason(), "a plugin's question failed: {fault}"
                );
                let error = match fault.kind {
                    FaultKind::UpstreamTimeout => CompletionError::TimedOut,
                    kind => {
                        let message = format!("{}: {}", kind.reason(), fault.message);
                        CompletionError::Failed(excerpt(&message, MAX_WORDS))
                    }
                };
                (fault.kind.reason(), error)
            }
        };
        charge.outcome = outcome;
        Err(error)
    }

    /// The model, if there is one and the request's client may use it.
    fn model(&self, name: &str) -> Result<Model, &'static str> {
        let allowed = self.facts.caller.models.as_deref();
        if allowed.is_some_and(|allowed| !allowed.iter().any(|one| one == name)) {
            return Err("model_not_allowed");
        }
        self.models.get(name).ok_or("unknown_model")
    }

    fn question(&self, request: CompletionRequest) -> Question {
        let until = self.deadline.min(Instant::now() + request.timeout);
        let messages: Vec<Value> = request
            .messages
            .into_iter()
            .map(|(role, text)| json!({ "role": role.name(), "content": text }))
            .collect();
        let mut body = Map::from_iter([("messages".to_owned(), Value::Array(messages))]);
        if let Some(schema) = request.response_schema {
            let format = json!({
                "type": "json_schema",
                "json_schema": { "name": "answer", "schema": schema },
            });
            body.insert("response_format".to_owned(), format);
        }
        let overrides = Overrides {
            temperature: request.temperature,
            max_output_tokens: Some(request.max_output_tokens),
            reasoning: request.reasoning,
            ..Overrides::default()
        };
        let payer = Payer::new(Arc::clone(&self.facts), self.bill.clone(), self.aside.clone());
        Question { payer, body: Value::Object(body), overrides, until }
    }
}

/// The text of the first choice; nothing when it has none.
fn text_of(reply: &Reply) -> Option<String> {
    reply.choices.first()?.text.clone()
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        let Consult { aside, plugin, series, .. } = self.of;
        if let Some(series) = series {
            series.asked_model(self.outcome, self.usage.as_ref());
        }
        aside.push(Step::Llm {
            plugin: plugin.clone(),
            model: std::mem::take(&mut self.model),
            provider: self.provider.take(),
            outcome: self.outcome,
            usage: self.usage,
            micros: u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
            charge: self.number,
        });
    }
}

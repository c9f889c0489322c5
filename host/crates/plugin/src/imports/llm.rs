//! `llm`: asking models, for plugins with the grant. What a guest says is checked here; who answers is behind
//! `contract::Completer`, which knows the models, the client's rights and the request's deadline.
//!
//! Bounds: `llm_calls` questions a call, or a stream, refused ones included; `llm_timeout` each; `llm_output_tokens` each. While a
//! model is waited for, the guest holds its instance and no permit to run, and its clock stands still. A shadow asks
//! nobody: what it costs is a trace.

use std::time::Duration;

use jackfield_core::contract::{self, CompletionError, CompletionRequest, Role};

use crate::bindings::jackfield::plugin::llm::{Completion, Host, LlmError, LlmMessage, Options};
use crate::convert;
use crate::state::CallState;

impl Host for CallState {
    async fn complete(
        &mut self,
        model: String,
        messages: Vec<LlmMessage>,
        options: Options,
    ) -> wasmtime::Result<Result<Completion, LlmError>> {
        let said: usize = messages.iter().map(|message| message.role.len() + message.text.len()).sum();
        let schema = options.response_schema.as_ref().map_or(0, String::len);
        self.meter.enter(model.len().saturating_add(said).saturating_add(schema))?;
        let completer = self.ask()?.completer.clone();
        if !self.meter.asks_model() {
            self.tell_too_many();
            return Ok(Err(LlmError::BudgetExceeded));
        }
        let limits = &self.plugin.limits;
        let request = match request(model, messages, options, limits.llm_timeout, limits.llm_output_tokens) {
            Ok(request) => request,
            Err(why) => return Ok(Err(LlmError::Failed(why))),
        };
        let completer = match (completer, &self.leave) {
            _ if self.plugin.shadow => Err("a shadow asks no models"),
            (Some(completer), Some(leave)) => Ok((completer, leave.clone())),
            _ => Err("no models are asked here: a decision is only explained, or the grant was withdrawn"),
        };
        let (completer, leave) = match completer {
            Ok(both) => both,
            Err(why) => return Ok(Err(LlmError::Failed(why.to_owned()))),
        };
        let answer = leave.away(completer.complete(request)).await?;
        self.meter.was_away();
        Ok(match answer {
            Ok(completion) => {
                self.meter.consumed(completion.usage);
                Ok(Completion { text: completion.text, usage: completion.usage.map(convert::usage) })
            }
            Err(error) => Err(failure(error)),
        })
    }

    async fn embed(
        &mut self,
        model: String,
        texts: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Vec<f32>>, LlmError>> {
        self.meter.enter(model.len().saturating_add(texts.iter().map(String::len).sum()))?;
        self.ask()?;
        Ok(Err(LlmError::Failed("this version of the gateway embeds no texts".to_owned())))
    }
}

impl CallState {
    /// Says once a call that the guest asks more than it may.
    fn tell_too_many(&self) {
        if !self.meter.asked_one_too_many() {
            return;
        }
        let (plugin, most) = (self.plugin.name.as_str(), self.plugin.limits.llm_calls);
        let request_id = self.request_id();
        tracing::warn!(
            target: "jackfield::plugin", plugin, request_id,
            "it asks models more than {most} times in a call or a stream (`limits.llm_calls`)"
        );
    }
}

/// What the guest asks, if it makes sense.
fn request(
    model: String,
    messages: Vec<LlmMessage>,
    options: Options,
    timeout: Duration,
    most_tokens: u32,
) -> Result<CompletionRequest, String> {
    if messages.is_empty() {
        return Err("there is no message: a model is asked with at least one".to_owned());
    }
    let message = |message: LlmMessage| {
        let role = match message.role.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                let shown = convert::tame(other, 64);
                return Err(format!("a message's role is `{shown}`; it must be system, user or assistant"));
            }
        };
        Ok((role, message.text))
    };
    let messages = messages.into_iter().map(message).collect::<Result<_, _>>()?;
    if let Some(t) = options.temperature
        && !(0.0..=2.0).contains(&t)
    {
        return Err(format!("the temperature is {t}; it must be 0 to 2"));
    }
    if options.max_output_tokens == Some(0) {
        return Err("0 output tokens are asked for; at least 1".to_owned());
    }
    let schema = options.response_schema.map(|text| match serde_json::from_str(&text) {
        Ok(schema @ serde_json::Value::Object(_)) => Ok(schema),
        Ok(_) => Err("the response schema is no JSON object".to_owned()),
        Err(error) => Err(format!("the response schema is not JSON: {error}")),
    });
    Ok(CompletionRequest {
        model,
        messages,
        temperature: options.temperature,
        max_output_tokens: options.max_output_tokens.unwrap_or(most_tokens).min(most_tokens),
        reasoning: options.reasoning.map(convert::reasoning),
        response_schema: schema.transpose()?,
        timeout,
    })
}

fn failure(error: contract::CompletionError) -> LlmError {
    match error {
        CompletionError::UnknownModel(name) => LlmError::UnknownModel(name),
        CompletionError::BudgetExceeded => LlmError::BudgetExceeded,
        CompletionError::TimedOut => LlmError::TimedOut,
        CompletionError::Failed(why) => LlmError::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use crate::bindings::jackfield::plugin::types::ReasoningLevel;

    use super::*;

    fn asks(role: &str, options: Options) -> Result<CompletionRequest, String> {
        let messages = vec![LlmMessage { role: role.into(), text: "hello".into() }];
        request("m".into(), messages, options, Duration::from_secs(3), 100)
    }

    fn plain() -> Options {
        Options { temperature: None, max_output_tokens: None, reasoning: None, response_schema: None }
    }

    #[test]
    fn a_question_is_taken_over_and_bounded() {
        let all = Options {
            temperature: Some(2.0),
            max_output_tokens: Some(7),
            reasoning: Some(ReasoningLevel::Low),
            response_schema: Some(r#"{"type":"object"}"#.into()),
        };
        let request = asks("assistant", all).unwrap();
        assert_eq!(request.messages, [(Role::Assistant, "hello".to_owned())]);
        assert_eq!((request.temperature, request.max_output_tokens), (Some(2.0), 7));
        assert_eq!(request.reasoning, Some(contract::ReasoningLevel::Low));
        assert_eq!(request.response_schema, Some(serde_json::json!({ "type": "object" })));
        assert_eq!(asks("user", plain()).unwrap().max_output_tokens, 100, "the limit is what nobody chose");
        let greedy = Options { max_output_tokens: Some(101), ..plain() };
        assert_eq!(asks("system", greedy).unwrap().max_output_tokens, 100);
    }

    #[test]
    fn a_question_without_meaning_is_told_so() {
        let schema = |text: &str| Options { response_schema: Some(text.into()), ..plain() };
        let warm = |temperature| Options { temperature: Some(temperature), ..plain() };
        for (role, options, why) in [
            ("tool", plain(), "a message's role is `tool`"),
            ("us\ner", plain(), "a message's role is `us er`"),
            ("user", warm(f64::NAN), "the temperature is NaN"),
            ("user", warm(2.1), "the temperature is 2.1"),
            ("user", Options { max_output_tokens: Some(0), ..plain() }, "0 output tokens"),
            ("user", schema("{"), "the response schema is not JSON"),
            ("user", schema("[]"), "the response schema is no JSON object"),
        ] {
            let refused = asks(role, options).unwrap_err();
            assert!(refused.starts_with(why), "{refused}");
        }
        let none = request("m".into(), Vec::new(), plain(), Duration::from_secs(3), 100).unwrap_err();
        assert!(none.starts_with("there is no message"), "{none}");
    }
}

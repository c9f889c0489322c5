//! What the gateway changes of a same-dialect request, and nothing else.

use bytes::Bytes;

use jackfield_core::base::{JsonObject, ObjectEdit, fill_template};
use jackfield_core::contract::{ChatRequest, Content, Message, Overrides, Part, Role};
use serde_json::value::RawValue;

use super::answer_format::ask_for;
use crate::call_id;

/// The key inside `metadata` that names a task to the gateway. Never forwarded.
pub const TASK_FIELD: &str = "task";

/// The changes one call makes.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// The model's id in the provider's words.
    pub model_id: &'a str,
    /// What routing changes.
    pub overrides: &'a Overrides,
    /// What is said after the client's messages.
    pub appended: &'a [(Role, String)],
}

/// The old and the new name of the bound on an answer's tokens.
const TOKEN_LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// The request's bytes with the named edits; every other byte is the client's own.
pub fn rewrite_request(request: &ChatRequest, rewrite: Rewrite<'_>) -> Bytes {
    let body = &request.body;
    let mut edits = Vec::new();
    let wanted = quoted(rewrite.model_id);
    if body.get("model").is_none_or(|sent| sent != wanted.as_bytes()) {
        edits.push(ObjectEdit::Set("model", wanted));
    }
    if request.task.is_some() {
        edits.extend(without_task(body));
    }
    if request.stream && !request.include_usage {
        edits.push(with_usage(body));
    }
    let Overrides { temperature, max_output_tokens, reasoning, prompt_template, answer_format } =
        rewrite.overrides;
    if let Some(temperature) = temperature {
        edits.push(ObjectEdit::Set("temperature", temperature.to_string()));
    }
    if let Some(max) = max_output_tokens {
        // The client's own spelling where it used one.
        // Where it used both, servers differ in which one they obey.
        let used = |name: &&str| body.get(name).is_some();
        let mut names: Vec<&'static str> = TOKEN_LIMITS.into_iter().filter(used).collect();
        if names.is_empty() {
            names.push(token_limit_field(rewrite.model_id));
        }
        edits.extend(names.into_iter().map(|name| ObjectEdit::Set(name, max.to_string())));
    }
    if let Some(level) = reasoning {
        edits.push(ObjectEdit::Set("reasoning_effort", quoted(level.name())));
    }
    if let Some(format) = answer_format {
        edits.extend(ask_for(format, request, prompt_template.as_deref()));
    }
    let templated = prompt_template.as_ref().and_then(|template| with_template(request, template));
    if let Some(messages) = plain_ids(body, with_appended(request, templated, rewrite.appended)) {
        edits.push(ObjectEdit::Set("messages", messages));
    }
    body.edit(&edits)
}

/// Takes out what ids of tool calls carry for the provider that made the calls: this one may refuse ids of that length.
pub(crate) fn plain_ids(body: &JsonObject, messages: Option<String>) -> Option<String> {
    let plain = match &messages {
        Some(list) => call_id::stripped(list),
        None => std::str::from_utf8(&body.get("messages")?).ok().and_then(call_id::stripped),
    };
    plain.or(messages)
}

/// Puts messages behind the others, which stay as they are written. Nothing when nothing changes.
fn with_appended(
    request: &ChatRequest,
    templated: Option<String>,
    appended: &[(Role, String)],
) -> Option<String> {
    if appended.is_empty() {
        return templated;
    }
    let mut list = match templated {
        Some(list) => list,
        None => text(request.body.get("messages")?),
    };
    // A list of messages is never empty: behind its last one, before any white space and the bracket.
    let end = list.trim_end_matches(']').trim_end().len();
    let more: String = appended
        .iter()
        .map(|(role, said)| format!(r#",{{"role":{},"content":{}}}"#, quoted(role.name()), quoted(said)))
        .collect();
    list.insert_str(end, &more);
    Some(list)
}

/// The name of the bound on an answer's tokens. OpenAI's newer models refuse the old name; most compatible servers
/// know no other, and some let a name they do not know pass without a word.
pub(super) fn token_limit_field(model_id: &str) -> &'static str {
    const NEW: &[&str] = &["gpt-", "chatgpt-", "o1", "o3", "o4"];
    if NEW.iter().any(|family| model_id.starts_with(family)) { "max_completion_tokens" } else { "max_tokens" }
}

/// Puts the last user message's text into a template. Parts that are not text follow it.
fn with_template(request: &ChatRequest, template: &str) -> Option<String> {
    let last = request.last_user()?;
    let rendered = quoted(&fill_template(template, &last.text()));
    let content = match &last.content {
        Content::Empty | Content::Text(_) => rendered,
        Content::Parts(parts) => with_text_part(last, parts, &rendered)?,
    };
    let raw = request.body.get("messages")?;
    let list: Vec<&RawValue> = serde_json::from_slice(&raw).ok()?;
    let mut out = String::with_capacity(raw.len() + content.len());
    let place = request.messages.iter().rposition(|m| std::ptr::eq(m, last))?;
    for (at, message) in list.iter().enumerate() {
        out.push(if at == 0 { '[' } else { ',' });
        if at == place {
            let object = JsonObject::parse(last.raw.clone()).ok()?;
            out.push_str(&text(object.edit(&[ObjectEdit::Set("content", content.clone())])));
        } else {
            out.push_str(message.get());
        }
    }
    out.push(']');
    Some(out)
}

/// One rendered text part first, then the parts that are not text.
fn with_text_part(message: &Message, parts: &[Part], rendered: &str) -> Option<String> {
    let raw = JsonObject::parse(message.raw.clone()).ok()?.get("content")?;
    let list: Vec<&RawValue> = serde_json::from_slice(&raw).ok()?;
    let mut out = vec![format!(r#"{{"type":"text","text":{rendered}}}"#)];
    let others = list.iter().zip(parts).filter(|(_, part)| !matches!(part, Part::Text(_)));
    out.extend(others.map(|(json, _)| json.get().to_owned()));
    Some(format!("[{}]", out.join(",")))
}

/// Takes our label out; `metadata` goes with it when nothing else is in it.
pub(crate) fn without_task(body: &JsonObject) -> Option<ObjectEdit> {
    let metadata = JsonObject::parse(body.get("metadata")?).ok()?;
    metadata.get(TASK_FIELD)?;
    if metadata.len() == 1 {
        return Some(ObjectEdit::Remove("metadata"));
    }
    Some(ObjectEdit::Set("metadata", text(metadata.edit(&[ObjectEdit::Remove(TASK_FIELD)]))))
}

/// Asks the provider for usage at the end of the stream: without it there is nothing to account.
fn with_usage(body: &JsonObject) -> ObjectEdit {
    let options = body.get("stream_options").and_then(|raw| JsonObject::parse(raw).ok());
    let json = match options {
        Some(options) => text(options.edit(&[ObjectEdit::Set("include_usage", "true".into())])),
        None => r#"{"include_usage":true}"#.to_owned(),
    };
    ObjectEdit::Set("stream_options", json)
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn text(json: Bytes) -> String {
    // Spliced from checked UTF-8 at ASCII boundaries, so never lossy.
    String::from_utf8_lossy(&json).into_owned()
}

#[cfg(test)]
mod tests;

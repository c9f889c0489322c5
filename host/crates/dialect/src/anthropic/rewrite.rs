//! What the gateway changes of a request in this very dialect, and nothing else.

use bytes::Bytes;
use serde_json::value::RawValue;

use jackfield_core::base::{JsonObject, ObjectEdit, fill_template};
use jackfield_core::contract::{AnswerFormat, ChatRequest, Content, Dialect, Message, Overrides, Role};

use super::compose::DEFAULT_MAX_TOKENS;
use super::model::{Sampling, Traits};
use super::think::{MIN_BUDGET, Told};
use crate::conversation::{Format, Reasoning};
use crate::openai::fields::{plain_ids, quoted, without_task};
use crate::speech::Asked;

/// The request's bytes with the named edits, every other byte the client's own; and what of routing's wishes the model
/// has no word for.
pub(super) fn rewrite(asked: &Asked<'_>) -> (Bytes, Vec<String>) {
    let Asked { request, model_id, overrides, appended, .. } = *asked;
    let body = &request.body;
    let mut edits = Vec::new();
    let mut dropped = Vec::new();
    let wanted = quoted(model_id);
    if body.get("model").is_none_or(|sent| sent != wanted.as_bytes()) {
        edits.push(ObjectEdit::Set("model", wanted));
    }
    if request.task.is_some() {
        edits.extend(without_task(body));
    }
    let answers = request.dialect == Dialect::AnthropicMessages;
    if answers {
        edits.extend(settings(request, overrides, Traits::of(model_id), &mut dropped));
    }
    let templated = overrides.prompt_template.as_deref().and_then(|template| templated(request, template));
    let appended = if answers { appended } else { &[] };
    if let Some(messages) = plain_ids(body, with_appended(request, templated, appended)) {
        edits.push(ObjectEdit::Set("messages", messages));
    }
    (body.edit(&edits), dropped)
}

/// What routing sets, where the model takes it beside what the client set.
fn settings(
    request: &ChatRequest,
    overrides: &Overrides,
    traits: Traits,
    dropped: &mut Vec<String>,
) -> Vec<ObjectEdit> {
    let body = &request.body;
    let mut edits = Vec::new();
    if let Some(max) = overrides.max_output_tokens {
        edits.push(ObjectEdit::Set("max_tokens", max.to_string()));
    }
    let max_tokens = overrides.max_output_tokens.map(u64::from).or(request.max_output_tokens);
    let max_tokens = max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let mut thinks = thinks(body);
    let mut config = Vec::new();
    if let Some(level) = overrides.reasoning {
        let told = Told::of(traits.thinking, Reasoning::Level(level), max_tokens);
        match told.filter(|told| !told.thinks() || may_think(request, *told, traits)) {
            Some(told) => {
                thinks = told.thinks();
                let field = told.thinking().and_then(|field| serde_json::to_string(&field).ok());
                edits.extend(field.map(|field| ObjectEdit::Set("thinking", field)));
                config.extend(told.effort().map(|effort| ObjectEdit::Set("effort", quoted(effort))));
            }
            None => dropped.push("reasoning".to_owned()),
        }
    } else if let Some(budget) = budget(body).filter(|budget| *budget >= max_tokens) {
        // A lower bound of routing's must leave room to think, or the API refuses it.
        let room = max_tokens > MIN_BUDGET;
        let told = match room {
            true => Told::Budget((max_tokens / 2).max(MIN_BUDGET).min(budget)),
            false => Told::Off("disabled"),
        };
        if room || overrides.max_output_tokens.is_some() {
            let field = told.thinking().and_then(|field| serde_json::to_string(&field).ok());
            edits.extend(field.map(|field| ObjectEdit::Set("thinking", field)));
        }
        if !room && overrides.max_output_tokens.is_some() {
            thinks = false;
            dropped.push("thinking".to_owned());
        }
    }
    if let Some(temperature) = overrides.temperature {
        let with_top_p = traits.sampling == Sampling::One && is_set(body, "top_p");
        if thinks || traits.sampling == Sampling::None || with_top_p {
            dropped.push("temperature".to_owned());
        } else {
            // The scale ends there.
            edits.push(ObjectEdit::Set("temperature", temperature.min(1.0).to_string()));
        }
    }
    if let Some(AnswerFormat::Schema(schema)) = &overrides.answer_format
        && !request.has_response_schema
        && let Some(Format::JsonSchema { schema, .. }) = Format::of_route(schema)
    {
        match traits.formats {
            true => config.push(ObjectEdit::Set(
                "format",
                format!(r#"{{"type":"json_schema","schema":{}}}"#, schema.get()),
            )),
            false => dropped.push("format".to_owned()),
        }
    }
    edits.extend(with_config(body, &config));
    edits
}

fn is_set(body: &JsonObject, field: &str) -> bool {
    body.get(field).is_some_and(|raw| raw.as_ref() != b"null")
}

/// The type in an object of the body.
fn type_in(body: &JsonObject, field: &str) -> Option<String> {
    let object = JsonObject::parse(body.get(field)?).ok()?;
    serde_json::from_slice(&object.get("type")?).ok()
}

fn thinks(body: &JsonObject) -> bool {
    matches!(type_in(body, "thinking").as_deref(), Some("enabled" | "adaptive"))
}

/// The budget of thinking that the client set.
fn budget(body: &JsonObject) -> Option<u64> {
    let thinking = JsonObject::parse(body.get("thinking")?).ok()?;
    serde_json::from_slice(&thinking.get("budget_tokens")?).ok()
}

/// Whether the model may be told to think beside what else the client asked for. With a budget, the API wants to see the
/// thoughts behind calls whose results are on their way: only a client that had it think has them.
fn may_think(request: &ChatRequest, told: Told, traits: Traits) -> bool {
    let body = &request.body;
    let sampled = traits.sampling != Sampling::None
        && ["temperature", "top_p", "top_k"].iter().any(|field| is_set(body, field));
    let forced = matches!(type_in(body, "tool_choice").as_deref(), Some("any" | "tool"));
    let last = request.messages.last().map(|message| message.role);
    let in_calls = matches!(told, Told::Budget(_)) && !thinks(body) && last == Some(Role::Tool);
    !sampled && !forced && !in_calls
}

/// Edits in `output_config`.
fn with_config(body: &JsonObject, edits: &[ObjectEdit]) -> Option<ObjectEdit> {
    if edits.is_empty() {
        return None;
    }
    let sent = body.get("output_config").and_then(|raw| JsonObject::parse(raw).ok());
    let config = match sent {
        Some(config) => config,
        None => JsonObject::parse(Bytes::from_static(b"{}")).ok()?,
    };
    Some(ObjectEdit::Set("output_config", text(&config.edit(edits))))
}

/// The messages with the last user's text in a template. Blocks that are not text follow it.
fn templated(request: &ChatRequest, template: &str) -> Option<String> {
    let last = request.last_user()?;
    let rendered = quoted(&fill_template(template, &last.text()));
    let content = match &last.content {
        Content::Empty | Content::Text(_) => rendered,
        Content::Parts(_) => with_text_block(last, &rendered)?,
    };
    let raw = request.body.get("messages")?;
    let list: Vec<&RawValue> = serde_json::from_slice(&raw).ok()?;
    let mut out = String::with_capacity(raw.len() + content.len());
    for (at, message) in list.iter().enumerate() {
        out.push(if at == 0 { '[' } else { ',' });
        if std::ptr::eq(message.get().as_ptr(), last.raw.as_ptr()) {
            let object = JsonObject::parse(last.raw.clone()).ok()?;
            out.push_str(&text(&object.edit(&[ObjectEdit::Set("content", content.clone())])));
        } else {
            out.push_str(message.get());
        }
    }
    out.push(']');
    Some(out)
}

/// Results of tools first, as the API wants them, then one rendered text block, then the blocks that are not text.
fn with_text_block(message: &Message, rendered: &str) -> Option<String> {
    let raw = JsonObject::parse(message.raw.clone()).ok()?.get("content")?;
    let list: Vec<&RawValue> = serde_json::from_slice(&raw).ok()?;
    let (mut results, mut others) = (Vec::new(), Vec::new());
    for block in list {
        let kind = JsonObject::parse(raw.slice_ref(block.get().as_bytes())).ok()?.get("type")?;
        match serde_json::from_slice::<String>(&kind).ok()?.as_str() {
            "tool_result" => results.push(block.get().to_owned()),
            "text" => {}
            _ => others.push(block.get().to_owned()),
        }
    }
    results.push(format!(r#"{{"type":"text","text":{rendered}}}"#));
    results.append(&mut others);
    Some(format!("[{}]", results.join(",")))
}

/// Puts messages behind the others, which stay as they are written. Nothing when nothing changes. An answer without a word
/// is not repeated: the API refuses empty texts.
fn with_appended(
    request: &ChatRequest,
    templated: Option<String>,
    appended: &[(Role, String)],
) -> Option<String> {
    let said = appended.iter().filter(|(_, said)| !said.trim().is_empty());
    let more: String = said
        .map(|(role, said)| {
            let role = if *role == Role::Assistant { "assistant" } else { "user" };
            format!(r#",{{"role":"{role}","content":{}}}"#, quoted(said.trim_end()))
        })
        .collect();
    if more.is_empty() {
        return templated;
    }
    let mut list = match templated {
        Some(list) => list,
        None => text(&request.body.get("messages")?),
    };
    // A list of messages is never empty: behind its last one, before any white space and the bracket.
    let end = list.trim_end_matches(']').trim_end().len();
    list.insert_str(end, &more);
    Some(list)
}

fn text(json: &[u8]) -> String {
    // Spliced from checked UTF-8 at ASCII boundaries, so never lossy.
    String::from_utf8_lossy(json).into_owned()
}

#[cfg(test)]
mod tests;

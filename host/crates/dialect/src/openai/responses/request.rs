//! A client's request: checked once, read where it lies. What would need a response kept here is refused at once,
//! since no model could do it.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use jackfield_core::base::{JsonObject, JsonText};
use jackfield_core::contract::{ChatRequest, Content, Dialect, Fault, FaultKind, Message, Part, Role};

use crate::openai::request::{
    MAX_MESSAGES, excerpt, malformed, model_of, object, optional, positive, task_of, wrong_type,
};

/// Fields that refer to something that OpenAI keeps, and what to do without it.
const KEPT: &[(&str, &str)] = &[
    ("conversation", "send the whole conversation in 'input'"),
    ("previous_response_id", "send the whole conversation in 'input'"),
    ("prompt", "send its text in 'instructions' and 'input'"),
];

/// Parses the body of `POST /v1/responses`. A fault names the field and what it should be.
pub(super) fn parse(bytes: Bytes) -> Result<ChatRequest, Fault> {
    let body = JsonObject::parse(bytes).map_err(malformed)?;
    let model = model_of(&body)?;
    check_kept(&body)?;
    let messages = read_messages(&body)?;
    let stream = optional::<bool>(&body, "stream", "a boolean")?.unwrap_or(false);
    let task = task_of(&body)?;
    for name in ["temperature", "top_p"] {
        optional::<f64>(&body, name, "a number")?;
    }
    let max_output_tokens = positive(&body, "max_output_tokens")?;
    let tools = optional::<Vec<Box<RawValue>>>(&body, "tools", "an array")?.unwrap_or_default();
    let format = match object(&body, "text")? {
        Some(text) => object(&text, "format")?,
        None => None,
    };
    let has_response_schema = format.is_some_and(|format| format.get("schema").is_some());
    Ok(ChatRequest {
        dialect: Dialect::OpenAiResponses,
        body,
        model,
        messages,
        stream,
        // This API always tells it.
        include_usage: true,
        task,
        has_tools: !tools.is_empty(),
        has_response_schema,
        max_output_tokens,
    })
}

fn check_kept(body: &JsonObject) -> Result<(), Fault> {
    let unsupported = |name: &str, why: String| Fault::new(FaultKind::Unsupported, why).with_param(name);
    let there = |name: &str| body.get(name).is_some_and(|raw| raw.as_ref() != b"null");
    if let Some((name, instead)) = KEPT.iter().find(|(name, _)| there(name)) {
        let why = format!(
            "'{name}' refers to something kept by a server, and this gateway keeps nothing: {instead}"
        );
        return Err(unsupported(name, why));
    }
    if optional::<bool>(body, "background", "a boolean")? == Some(true) {
        let why = "'background' needs a server that keeps the response, and this gateway keeps none: leave it out, and \
                   stream where the answer takes long";
        return Err(unsupported("background", why.to_owned()));
    }
    match optional::<String>(body, "truncation", "a string")?.as_deref() {
        None | Some("disabled") => Ok(()),
        Some(_) => {
            let why = "'truncation' can only be 'disabled': this gateway does not shorten conversations";
            Err(unsupported("truncation", why.to_owned()))
        }
    }
}

/// An item of the input, as far as routing and metering need it.
#[derive(Deserialize)]
struct RawItem<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawPart<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

fn read_messages(body: &JsonObject) -> Result<Vec<Message>, Fault> {
    let mut messages = Vec::new();
    match body.get("instructions").filter(|raw| raw.as_ref() != b"null") {
        Some(raw) if raw.first() == Some(&b'"') => {
            let content = Content::Text(JsonText::from_literal(raw.clone()));
            messages.push(Message { role: Role::System, content, raw });
        }
        Some(raw) => return Err(wrong_type("instructions", "a string", &raw)),
        None => {}
    }
    let input =
        body.get("input").ok_or_else(|| Fault::invalid("input", "missing required parameter: 'input'"))?;
    match input.first() {
        Some(b'"') => {
            let content = Content::Text(JsonText::from_literal(input.clone()));
            messages.push(Message { role: Role::User, content, raw: input });
        }
        Some(b'[') => read_items(&input, &mut messages)?,
        _ => return Err(wrong_type("input", "a string or an array of items", &input)),
    }
    Ok(messages)
}

fn read_items(input: &Bytes, messages: &mut Vec<Message>) -> Result<(), Fault> {
    let list: Vec<&RawValue> =
        serde_json::from_slice(input).map_err(|_| wrong_type("input", "an array of items", input))?;
    if list.is_empty() {
        return Err(Fault::invalid("input", "'input' is empty: send at least one item"));
    }
    if list.len() > MAX_MESSAGES {
        let message = format!("'input' has {} items; at most {MAX_MESSAGES} are taken", list.len());
        return Err(Fault::invalid("input", message));
    }
    for (at, item) in list.iter().enumerate() {
        let raw = input.slice_ref(item.get().as_bytes());
        messages.push(read_item(&format!("input[{at}]"), raw)?);
    }
    Ok(())
}

fn read_item(place: &str, raw: Bytes) -> Result<Message, Fault> {
    if raw.first() != Some(&b'{') {
        return Err(wrong_type(place, "an object", &raw));
    }
    let item: RawItem<'_> = serde_json::from_slice(&raw)
        .map_err(|e| Fault::invalid(place, format!("invalid value for '{place}': {e}")))?;
    let (role, content) = match item.r#type.as_deref() {
        None | Some("message") => match item.role.as_deref() {
            Some(role) => {
                let role = read_role(place, role)?;
                let place = format!("{place}.content");
                let content = item.content.ok_or_else(|| missing(&place))?;
                (role, read_content(&place, &raw, content)?)
            }
            None if item.id.is_some() && item.content.is_none() => return Err(kept_item(place)),
            None => return Err(missing(&format!("{place}.role"))),
        },
        Some("item_reference") => return Err(kept_item(place)),
        Some("function_call") => (Role::Assistant, Content::Empty),
        Some("function_call_output") => {
            let place = format!("{place}.output");
            let output = item.output.ok_or_else(|| missing(&place))?;
            (Role::Tool, read_content(&place, &raw, output)?)
        }
        Some(other) => (Role::Assistant, Content::Parts(vec![Part::Other(other.to_owned())])),
    };
    Ok(Message { role, content, raw })
}

/// The role of the message at this place.
pub(super) fn read_role(place: &str, role: &str) -> Result<Role, Fault> {
    match role {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" | "developer" => Ok(Role::System),
        other => {
            let place = format!("{place}.role");
            let message = format!(
                "invalid value for '{place}': '{}'; supported values are 'user', 'assistant', 'system' and 'developer'",
                excerpt(other)
            );
            Err(Fault::invalid(place, message))
        }
    }
}

fn read_content(place: &str, raw: &Bytes, content: &RawValue) -> Result<Content, Fault> {
    let text = content.get();
    match text.as_bytes().first() {
        Some(b'"') => Ok(Content::Text(JsonText::from_literal(raw.slice_ref(text.as_bytes())))),
        Some(b'[') => {
            let list: Vec<&RawValue> = serde_json::from_str(text)
                .map_err(|_| wrong_type(place, "an array of parts", text.as_bytes()))?;
            let parts = list.iter().enumerate().map(|(at, part)| {
                let place = format!("{place}[{at}]");
                read_part(&place, raw, part.get())
            });
            Ok(Content::Parts(parts.collect::<Result<_, _>>()?))
        }
        _ => Err(wrong_type(place, "a string or an array of parts", text.as_bytes())),
    }
}

fn read_part(place: &str, raw: &Bytes, part: &str) -> Result<Part, Fault> {
    let fields: RawPart<'_> = serde_json::from_str(part)
        .map_err(|_| wrong_type(place, "an object with a 'type'", part.as_bytes()))?;
    match &*fields.r#type {
        "input_text" | "output_text" => {
            let place = format!("{place}.text");
            let text = fields.text.ok_or_else(|| missing(&place))?.get();
            if !text.starts_with('"') {
                return Err(wrong_type(&place, "a string", text.as_bytes()));
            }
            Ok(Part::Text(JsonText::from_literal(raw.slice_ref(text.as_bytes()))))
        }
        "input_image" => Ok(Part::Image),
        other => Ok(Part::Other(other.to_owned())),
    }
}

/// A field that must be there and is not.
pub(super) fn missing(place: &str) -> Fault {
    Fault::invalid(place, format!("missing required parameter: '{place}'"))
}

fn kept_item(place: &str) -> Fault {
    let message = format!(
        "'{place}' refers to an item kept by a server, and this gateway keeps none: send the item itself"
    );
    Fault::new(FaultKind::Unsupported, message).with_param(place)
}

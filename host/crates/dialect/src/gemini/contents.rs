//! What was said, in Gemini's words: instructions apart, then `user` and `model` in turn.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

use jackfield_core::contract::{Fault, FaultKind, Role};

use crate::call_id;
use crate::conversation::{Block, Image, Turn, texts};

/// Stands for the signature of a call that Gemini did not make itself, or whose signature was lost: its documentation's own
/// word for a conversation that comes from elsewhere.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// What the API fetches pictures from by itself, beside its own files.
const FETCHED: &[&str] = &["https://", "gs://"];
/// The API's own files, whose type it knows.
const FILES: &str = "https://generativelanguage.googleapis.com/";
/// The pictures it reads, by the end of their address.
const PICTURES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
];

/// One speaker's words.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<InlineData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InlineData<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    file_uri: &'a str,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    id: &'a str,
    name: &'a str,
    args: &'a RawValue,
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    id: &'a str,
    name: &'a str,
    response: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Output(String),
    Error(String),
}

/// A call of an earlier turn.
#[derive(Clone, Copy)]
struct Called<'a> {
    name: &'a str,
    /// Its place among all calls.
    place: usize,
}

/// What was said so far.
struct Said<'a> {
    instructions: Vec<Part<'a>>,
    contents: Vec<Content<'a>>,
    calls: HashMap<&'a str, Called<'a>>,
    /// The model wants its calls signed.
    wants_signatures: bool,
}

/// Writes the turns: the instructions, if there are any, and what was said.
///
/// # Errors
/// A result of a call that nobody made; something the API has no word for.
pub(super) fn contents(
    turns: &[Turn],
    wants_signatures: bool,
) -> Result<(Option<Content<'_>>, Vec<Content<'_>>), Fault> {
    let mut said =
        Said { instructions: Vec::new(), contents: Vec::new(), calls: HashMap::new(), wants_signatures };
    for turn in turns {
        said.add(turn)?;
    }
    let Said { instructions, mut contents, .. } = said;
    if contents.is_empty() {
        // The API wants to be told something by somebody.
        let parts = match instructions.is_empty() {
            true => vec![Part { text: Some(""), ..Part::default() }],
            false => instructions,
        };
        contents.push(Content { role: Some("user"), parts });
        return Ok((None, contents));
    }
    let instructions = (!instructions.is_empty()).then_some(Content { role: None, parts: instructions });
    Ok((instructions, contents))
}

impl<'a> Said<'a> {
    fn add(&mut self, turn: &'a Turn) -> Result<(), Fault> {
        match turn.role {
            Role::System => {
                let parts = turn.blocks.iter().map(part).collect::<Result<Vec<_>, _>>()?;
                if parts.iter().any(|part| part.inline_data.is_some() || part.file_data.is_some()) {
                    return Err(unsayable("messages", "instructions with a picture"));
                }
                self.instructions.extend(parts.into_iter().filter(is_something));
            }
            Role::User => {
                let parts = turn.blocks.iter().map(part).collect::<Result<Vec<_>, _>>()?;
                self.push("user", parts);
            }
            Role::Assistant => {
                let mut parts = Vec::with_capacity(turn.blocks.len());
                let mut signed = !self.wants_signatures;
                for block in &turn.blocks {
                    match block {
                        Block::ToolCall { id, name, arguments } => {
                            let mut part = self.call(id, name, arguments)?;
                            // Of calls made at once, the first is signed.
                            if !std::mem::replace(&mut signed, true) && part.thought_signature.is_none() {
                                part.thought_signature = Some(UNSIGNED.to_owned());
                            }
                            parts.push(part);
                        }
                        other => parts.push(part(other)?),
                    }
                }
                self.push("model", parts);
            }
            Role::Tool => {
                let parts = self.results(&turn.blocks)?;
                self.push("user", parts);
            }
        }
        Ok(())
    }

    /// Speakers alternate: who goes on speaking adds to what it said.
    fn push(&mut self, role: &'static str, parts: Vec<Part<'a>>) {
        let parts: Vec<_> = parts.into_iter().filter(is_something).collect();
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut() {
            Some(last) if last.role == Some(role) => last.parts.extend(parts),
            _ => self.contents.push(Content { role: Some(role), parts }),
        }
    }

    fn call(&mut self, id: &'a str, name: &'a str, arguments: &'a str) -> Result<Part<'a>, Fault> {
        let (id, thought_signature) = call_id::split(id);
        let arguments = if arguments.trim_ascii().is_empty() { "{}" } else { arguments };
        let args = serde_json::from_str::<&RawValue>(arguments)
            .ok()
            .filter(|args| args.get().starts_with('{'))
            .ok_or_else(|| unsayable("messages", "a call whose arguments are not a JSON object"))?;
        let place = self.calls.len();
        self.calls.insert(id, Called { name, place });
        let function_call = Some(FunctionCall { id, name, args });
        Ok(Part { function_call, thought_signature, ..Part::default() })
    }

    /// The results in the order of their calls, because older models know no ids; the pictures among them follow.
    fn results(&self, blocks: &'a [Block]) -> Result<Vec<Part<'a>>, Fault> {
        let mut results = Vec::with_capacity(blocks.len());
        let mut pictures = Vec::new();
        for block in blocks {
            let Block::ToolResult { id, blocks, failed } = block else { continue };
            let id = call_id::split(id).0;
            let Some(Called { name, place }) = self.calls.get(id).copied() else {
                let message = format!(
                    "invalid value for 'messages': the result of the tool call '{}' comes after no such call",
                    excerpt(id)
                );
                return Err(Fault::invalid("messages", message));
            };
            let told = texts(blocks);
            let response = if *failed { Outcome::Error(told) } else { Outcome::Output(told) };
            let function_response = Some(FunctionResponse { id, name, response });
            results.push((place, Part { function_response, ..Part::default() }));
            for picture in blocks.iter().filter(|block| matches!(block, Block::Image(_))) {
                pictures.push(part(picture)?);
            }
        }
        results.sort_by_key(|(place, _)| *place);
        Ok(results.into_iter().map(|(_, part)| part).chain(pictures).collect())
    }
}

/// The API refuses an empty text.
fn is_something(part: &Part<'_>) -> bool {
    part.text != Some("")
}

/// A text or a picture.
fn part(block: &Block) -> Result<Part<'_>, Fault> {
    match block {
        Block::Text(text) => Ok(Part { text: Some(text), ..Part::default() }),
        Block::Image(Image::Inline { media_type, data }) => {
            Ok(Part { inline_data: Some(InlineData { mime_type: media_type, data }), ..Part::default() })
        }
        Block::Image(Image::Url(url)) => Ok(Part { file_data: Some(file_data(url)?), ..Part::default() }),
        Block::ToolCall { .. } | Block::ToolResult { .. } => {
            Err(unsayable("messages", "a tool call or result of this speaker"))
        }
    }
}

/// A picture by its address. The API must be told its type, unless it is one of its own files.
fn file_data(url: &str) -> Result<FileData<'_>, Fault> {
    if url.starts_with(FILES) {
        return Ok(FileData { mime_type: None, file_uri: url });
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let end = path.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map_or("", |(_, end)| end);
    let known = PICTURES.iter().find(|(name, _)| end.eq_ignore_ascii_case(name));
    match known.filter(|_| FETCHED.iter().any(|scheme| url.starts_with(scheme))) {
        Some((_, mime_type)) => Ok(FileData { mime_type: Some(mime_type), file_uri: url }),
        None => Err(unsayable(
            "image_url",
            "a picture at such an address (https or gs, ending in .png, .jpg, .jpeg, .webp, .heic or .heif)",
        )),
    }
}

/// The API has no word for this.
fn unsayable(field: &str, what: &str) -> Fault {
    let message = format!("'{field}': the API of this model's provider does not take {what}");
    Fault::new(FaultKind::Unsupported, message).with_param(field)
}

fn excerpt(id: &str) -> String {
    jackfield_core::base::excerpt(id, 64)
}

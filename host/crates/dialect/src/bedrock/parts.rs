//! What is said in a Converse request: instructions, turns with their blocks, declared tools.

use serde::Serialize;
use serde_json::value::RawValue;

use jackfield_core::contract::{Fault, FaultKind, Role};

use crate::conversation::{Block, Conversation, Image, unfit};

/// A text of its own.
#[derive(Serialize)]
pub(super) struct OutText<'a> {
    text: &'a str,
}

/// One speaker's turn.
#[derive(Serialize)]
pub(super) struct OutMessage<'a> {
    role: &'static str,
    content: Vec<OutBlock<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum OutBlock<'a> {
    Text(&'a str),
    Image(OutImage<'a>),
    ToolUse(OutToolUse<'a>),
    ToolResult(OutToolResult<'a>),
}

#[derive(Serialize)]
struct OutImage<'a> {
    format: &'static str,
    source: OutSource<'a>,
}

#[derive(Serialize)]
struct OutSource<'a> {
    /// In base64.
    bytes: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutToolUse<'a> {
    tool_use_id: &'a str,
    name: &'a str,
    input: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutToolResult<'a> {
    tool_use_id: &'a str,
    content: Vec<OutBlock<'a>>,
    /// Not every model takes it, so it is only said of what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// Standing instructions, wherever they stood: Bedrock has one place for them.
pub(super) fn system(conversation: &Conversation) -> Result<Vec<OutText<'_>>, Fault> {
    let turns = conversation.turns.iter().filter(|turn| turn.role == Role::System);
    let mut out = Vec::new();
    for block in turns.flat_map(|turn| &turn.blocks) {
        match block {
            Block::Text(text) if text.trim().is_empty() => {}
            Block::Text(text) => out.push(OutText { text }),
            _ => return Err(unfit("messages")),
        }
    }
    Ok(out)
}

/// The turns, those of one side that follow each other as one.
///
/// # Errors
/// Something said has no word, or the user does not begin.
pub(super) fn messages(conversation: &Conversation) -> Result<Vec<OutMessage<'_>>, Fault> {
    let mut out: Vec<OutMessage<'_>> = Vec::new();
    for turn in conversation.turns.iter().filter(|turn| turn.role != Role::System) {
        let role = if turn.role == Role::Assistant { "assistant" } else { "user" };
        let content = write_blocks(&turn.blocks)?;
        match out.last_mut() {
            _ if content.is_empty() => {}
            Some(last) if last.role == role => last.content.extend(content),
            _ => out.push(OutMessage { role, content }),
        }
    }
    if out.first().is_none_or(|first| first.role != "user") {
        let message =
            "this model's provider wants the user to begin; send a user message before the assistant's";
        return Err(Fault::new(FaultKind::Unsupported, message).with_param("messages"));
    }
    Ok(out)
}

/// What is said, blank texts left out: Bedrock refuses a text without a letter, and nothing is said by it.
fn write_blocks(blocks: &[Block]) -> Result<Vec<OutBlock<'_>>, Fault> {
    blocks.iter().filter(|block| !is_blank(block)).map(write_block).collect()
}

fn is_blank(block: &Block) -> bool {
    matches!(block, Block::Text(text) if text.trim().is_empty())
}

fn write_block(block: &Block) -> Result<OutBlock<'_>, Fault> {
    Ok(match block {
        Block::Text(text) => OutBlock::Text(text),
        Block::Image(image) => OutBlock::Image(write_image(image)?),
        Block::ToolCall { id, name, arguments } => {
            OutBlock::ToolUse(OutToolUse { tool_use_id: id, name, input: write_input(arguments)? })
        }
        Block::ToolResult { id, blocks, failed } => OutBlock::ToolResult(OutToolResult {
            tool_use_id: id,
            content: write_blocks(blocks)?,
            status: failed.then_some("error"),
        }),
    })
}

fn write_image(image: &Image) -> Result<OutImage<'_>, Fault> {
    let (media_type, data) = match image {
        // Bedrock fetches nothing, and this gateway does not either.
        Image::Url(_) => return Err(unfit("image_url")),
        Image::Inline { media_type, data } => (media_type.as_str(), data),
    };
    let format = match media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => {
            let message = "this model's provider takes pictures as PNG, JPEG, GIF or WebP; send one of these";
            return Err(Fault::new(FaultKind::Unsupported, message).with_param("image_url"));
        }
    };
    Ok(OutImage { format, source: OutSource { bytes: data } })
}

/// The arguments of a call, which Bedrock wants as an object.
fn write_input(arguments: &str) -> Result<&RawValue, Fault> {
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(input) if input.get().starts_with('{') => Ok(input),
        _ => {
            let message = "this model's provider wants a tool call's arguments to be a JSON object";
            Err(Fault::new(FaultKind::Unsupported, message).with_param("arguments"))
        }
    }
}

/// A declared tool.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutTool<'a> {
    tool_spec: OutSpec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutSpec<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: OutSchema<'a>,
    /// Not every model takes it, and false is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct OutSchema<'a> {
    json: SchemaText<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SchemaText<'a> {
    Given(&'a RawValue),
    /// No arguments: an object without fields.
    Empty {
        r#type: &'static str,
        properties: Nothing,
    },
}

#[derive(Serialize)]
struct Nothing {}

/// The declared tools.
pub(super) fn tools(conversation: &Conversation) -> Vec<OutTool<'_>> {
    let all = conversation.tools.iter().map(|tool| {
        let json = match tool.schema.as_deref() {
            Some(schema) => SchemaText::Given(schema),
            None => SchemaText::Empty { r#type: "object", properties: Nothing {} },
        };
        OutTool {
            tool_spec: OutSpec {
                name: &tool.name,
                description: tool.description.as_deref().filter(|text| !text.is_empty()),
                input_schema: OutSchema { json },
                strict: tool.strict.filter(|strict| *strict),
            },
        }
    });
    all.collect()
}

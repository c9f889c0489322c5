//! Turns as the API's messages: users and assistants take turns, results of tools come first, and nothing is empty.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use jackfield_core::contract::Role;

use crate::conversation::{Block, Conversation, Image};

/// One message.
#[derive(Serialize)]
pub(super) struct OutMessage<'a> {
    role: &'static str,
    content: OutContent<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum OutContent<'a> {
    Text(Cow<'a, str>),
    Blocks(Vec<OutBlock<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutBlock<'a> {
    Text {
        text: Cow<'a, str>,
    },
    Image {
        source: OutSource<'a>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<OutContent<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutSource<'a> {
    Url { url: &'a str },
    Base64 { media_type: &'a str, data: &'a str },
}

/// The standing instructions, wherever they stood. `more` is said after them.
pub(super) fn system<'a>(conversation: &'a Conversation, more: Option<&'a str>) -> Option<OutContent<'a>> {
    let turns = conversation.turns.iter().filter(|turn| turn.role == Role::System);
    let mut all: Vec<OutBlock<'_>> = turns.flat_map(|turn| turn.blocks.iter().filter_map(block)).collect();
    all.retain(|block| matches!(block, OutBlock::Text { .. }));
    all.extend(more.map(|text| OutBlock::Text { text: text.into() }));
    content(all)
}

/// What was said. Empty when nobody said anything.
pub(super) fn messages(conversation: &Conversation) -> Vec<OutMessage<'_>> {
    let mut merged: Vec<(&'static str, Vec<OutBlock<'_>>)> = Vec::new();
    for turn in conversation.turns.iter().filter(|turn| turn.role != Role::System) {
        let role = if turn.role == Role::Assistant { "assistant" } else { "user" };
        let blocks: Vec<OutBlock<'_>> = turn.blocks.iter().filter_map(block).collect();
        match merged.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, all)) if *last == role => all.extend(blocks),
            _ => merged.push((role, blocks)),
        }
    }
    let last = merged.len().saturating_sub(1);
    let all = merged.into_iter().enumerate().filter_map(|(at, (role, mut blocks))| {
        // A stable sort: results keep their order, and so does the rest.
        blocks.sort_by_key(|block| !matches!(block, OutBlock::ToolResult { .. }));
        if at == last
            && role == "assistant"
            && let Some(OutBlock::Text { text }) = blocks.last_mut()
        {
            // The API refuses to go on from a space.
            *text = Cow::Owned(text.trim_end().to_owned());
        }
        Some(OutMessage { role, content: content(blocks)? })
    });
    all.collect()
}

/// A single text as such, everything else as a list.
fn content(mut blocks: Vec<OutBlock<'_>>) -> Option<OutContent<'_>> {
    match (blocks.pop(), blocks.is_empty()) {
        (None, _) => None,
        (Some(OutBlock::Text { text }), true) => Some(OutContent::Text(text)),
        (Some(last), _) => {
            blocks.push(last);
            Some(OutContent::Blocks(blocks))
        }
    }
}

/// A block; nothing for a text without a word, which the API refuses.
fn block(block: &Block) -> Option<OutBlock<'_>> {
    Some(match block {
        Block::Text(text) if text.trim().is_empty() => return None,
        Block::Text(text) => OutBlock::Text { text: text.into() },
        Block::Image(image) => OutBlock::Image { source: source(image) },
        Block::ToolCall { id, name, arguments } => {
            OutBlock::ToolUse { id: call_id(id), name, input: object_of(arguments) }
        }
        Block::ToolResult { id, blocks, failed } => {
            let said = blocks.iter().filter_map(self::block).collect();
            OutBlock::ToolResult { tool_use_id: call_id(id), content: content(said), is_error: *failed }
        }
    })
}

fn source(image: &Image) -> OutSource<'_> {
    match image {
        Image::Url(url) => OutSource::Url { url },
        Image::Inline { media_type, data } => OutSource::Base64 { media_type, data },
    }
}

/// The API takes letters, digits, `_` and `-` in the id of a call.
fn call_id(id: &str) -> Cow<'_, str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match id {
        "" => "call".into(),
        id if id.chars().all(legal) => id.into(),
        id => id.chars().map(|c| if legal(c) { c } else { '_' }).collect::<String>().into(),
    }
}

/// A call's arguments as the object that the API wants. What is no object stands in one, under `arguments`; nothing is an
/// empty one.
pub(super) fn object_of(arguments: &str) -> Box<RawValue> {
    let text = arguments.trim();
    if text.starts_with('{')
        && let Ok(object) = serde_json::from_str::<Box<RawValue>>(text)
    {
        return object;
    }
    let object: Value = match text {
        "" => json!({}),
        text => json!({ "arguments": text }),
    };
    // A tree of values always serialises.
    serde_json::value::to_raw_value(&object).unwrap_or_default()
}

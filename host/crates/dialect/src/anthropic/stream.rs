//! A streamed answer written for a client of this dialect, well-formed whatever chunks come: one `message_start`, blocks
//! that open and close one after the other, one `message_delta`, one `message_stop`.
//!
//! The API has one block open at a time, and other APIs let tool calls grow side by side. So blocks stand in a queue: the
//! first is sent as it grows, those behind it wait until it is whole. Bounded by `MAX_WAITING` and
//! `MAX_CALLS`; what goes beyond ends the stream with an error.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use serde::Serialize;

use jackfield_core::contract::{Chunk, Delta, Fault, FaultKind, FinishReason, ToolCallDelta, Usage};

use super::error::render_error;
use super::reply::{OutReply, OutUsage, call_id, unshown, write_stop};
use crate::client::{StreamHead, StreamWriter};

/// What may wait, in bytes.
const MAX_WAITING: usize = 8 << 20;
/// Tool calls in one answer.
const MAX_CALLS: usize = 1_024;
/// What a waiting block takes besides its text, roughly.
const BLOCK: usize = 256;

/// A stream on its way to a client.
pub(super) struct Writer {
    head: StreamHead,
    state: State,
    /// The provider's own frames, where they are passed on: they say everything but the end, should they break off.
    native: Option<Native>,
    /// The number of the next block that is opened.
    next: usize,
    /// Whether the first block of the queue is opened.
    open: bool,
    queue: VecDeque<Block>,
    waiting: usize,
    /// Tool calls that were begun, by their number.
    calls: BTreeSet<u32>,
    finish: Option<FinishReason>,
    /// The model refuses.
    refused: bool,
    usage: Usage,
}

/// What the provider's own frames told so far.
#[derive(Clone, Copy, Debug, Default)]
struct Native {
    /// Blocks that were opened, and whether the last one still is.
    blocks: usize,
    open: bool,
    /// Why the answer ends.
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unbegun,
    Begun,
    Over,
}

/// A block that is not closed.
struct Block {
    kind: Kind,
    /// What was not sent yet.
    pending: String,
}

enum Kind {
    Text,
    Call { index: u32, id: Option<String>, name: String, json: Depth },
}

impl Writer {
    /// A stream that has not begun.
    pub(super) fn new(head: StreamHead) -> Self {
        Self {
            head,
            state: State::Unbegun,
            native: None,
            next: 0,
            open: false,
            queue: VecDeque::new(),
            waiting: 0,
            calls: BTreeSet::new(),
            finish: None,
            refused: false,
            usage: Usage::default(),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.state != State::Unbegun {
            return;
        }
        self.state = State::Begun;
        let id = format!("msg_{}", self.head.id);
        let message = OutReply {
            id: &id,
            r#type: "message",
            role: "assistant",
            model: &self.head.model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: OutUsage::from(self.usage),
        };
        event(out, &Event::MessageStart { message });
    }

    /// Takes what a delta adds into the queue.
    fn take(&mut self, delta: &Delta) {
        if let Some(text) = delta.text.as_deref().filter(|text| !text.is_empty()) {
            self.add_text(text);
        }
        if let Some(refusal) = delta.refusal.as_deref().filter(|refusal| !refusal.is_empty()) {
            self.refused = true;
            self.add_text(refusal);
        }
        for picture in &delta.pictures {
            self.add_text(&unshown(picture));
        }
        for call in &delta.tool_calls {
            self.add_call(call);
        }
        self.finish = delta.finish_reason.or(self.finish);
    }

    fn add_text(&mut self, text: &str) {
        self.waiting += text.len();
        match self.queue.back_mut() {
            Some(Block { kind: Kind::Text, pending }) => pending.push_str(text),
            _ => {
                self.waiting += BLOCK;
                self.queue.push_back(Block { kind: Kind::Text, pending: text.to_owned() });
            }
        }
    }

    fn add_call(&mut self, part: &ToolCallDelta) {
        let known = self
            .queue
            .iter_mut()
            .find(|block| matches!(&block.kind, Kind::Call { index, .. } if *index == part.index));
        let block = match known {
            Some(block) => block,
            // Its arguments were whole already.
            None if self.calls.contains(&part.index) => return,
            None => {
                self.calls.insert(part.index);
                self.waiting += BLOCK;
                let kind =
                    Kind::Call { index: part.index, id: None, name: String::new(), json: Depth::default() };
                self.queue.push_back(Block { kind, pending: String::new() });
                match self.queue.back_mut() {
                    Some(block) => block,
                    None => return,
                }
            }
        };
        if let Kind::Call { id, name, json, .. } = &mut block.kind {
            if let Some(part) = part.id.as_ref().filter(|part| !part.is_empty()) {
                *id = Some(part.clone());
            }
            name.push_str(part.name.as_deref().unwrap_or_default());
            json.read(&part.arguments);
        }
        block.pending.push_str(&part.arguments);
        self.waiting += part.arguments.len();
    }

    /// Sends what can be: of the first block what it has, and the next when the first is whole.
    fn send(&mut self, last: bool, out: &mut Vec<u8>) {
        while let Some(block) = self.queue.front_mut() {
            if !self.open {
                event(out, &Event::ContentBlockStart { index: self.next, content_block: block.start() });
                self.open = true;
            }
            if !block.pending.is_empty() {
                let delta = match &block.kind {
                    Kind::Text => BlockDelta::TextDelta { text: &block.pending },
                    Kind::Call { .. } => BlockDelta::InputJsonDelta { partial_json: &block.pending },
                };
                event(out, &Event::ContentBlockDelta { index: self.next, delta });
                self.waiting = self.waiting.saturating_sub(block.pending.len());
                block.pending.clear();
            }
            let whole = match &block.kind {
                Kind::Text => true,
                Kind::Call { json, .. } => json.is_whole(),
            };
            if !last && (self.queue.len() == 1 || !whole) {
                return;
            }
            event(out, &Event::ContentBlockStop { index: self.next });
            self.queue.pop_front();
            self.waiting = self.waiting.saturating_sub(BLOCK);
            self.next += 1;
            self.open = false;
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let stopped = match self.native {
            Some(native) => {
                // Where the answer is cut here, and not by the provider, its frames lack their end.
                let stopped = native.stopped || self.finish.is_none();
                if native.open && !stopped {
                    event(out, &Event::ContentBlockStop { index: native.blocks.saturating_sub(1) });
                }
                stopped
            }
            None => {
                self.begin(out);
                self.send(true, out);
                false
            }
        };
        if !stopped {
            let stop_reason = write_stop(self.finish, !self.calls.is_empty(), self.refused);
            let delta = EndDelta { stop_reason, stop_sequence: None };
            event(out, &Event::MessageDelta { delta, usage: OutUsage::from(self.usage) });
        }
        event(out, &Event::MessageStop {});
        self.state = State::Over;
    }
}

impl Native {
    /// Reads the name of a frame's event.
    fn follow(&mut self, wire: &[u8]) {
        let line = wire.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        match line.strip_prefix(b"event:").unwrap_or_default().trim_ascii() {
            b"content_block_start" => (self.blocks, self.open) = (self.blocks + 1, true),
            b"content_block_stop" => self.open = false,
            b"message_delta" => self.stopped = true,
            _ => {}
        }
    }
}

impl Block {
    fn start(&self) -> StartBlock<'_> {
        match &self.kind {
            Kind::Text => StartBlock::Text { text: "" },
            Kind::Call { index, id, name, .. } => {
                let at = usize::try_from(*index).unwrap_or(usize::MAX);
                StartBlock::ToolUse {
                    id: call_id(id.as_deref().unwrap_or_default(), at),
                    name,
                    input: Empty {},
                }
            }
        }
    }
}

impl StreamWriter for Writer {
    fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        if self.state == State::Over {
            return None;
        }
        if let Some(wire) = &chunk.wire {
            self.native.get_or_insert_default().follow(wire);
            if chunk.done {
                self.state = State::Over;
            }
            return Some(wire.clone());
        }
        self.usage = chunk.usage.unwrap_or(self.usage);
        let mut out = Vec::new();
        // The API has no alternatives.
        for delta in chunk.deltas.iter().filter(|delta| delta.index == 0) {
            match self.native {
                Some(_) => self.finish = delta.finish_reason.or(self.finish),
                None => self.take(delta),
            }
        }
        if !self.queue.is_empty() {
            self.begin(&mut out);
            self.send(false, &mut out);
        }
        if self.waiting > MAX_WAITING || self.calls.len() > MAX_CALLS {
            let message = "the answer has too many tool calls, or they grow side by side beyond all bounds";
            out.extend_from_slice(&self.error(&Fault::new(FaultKind::UpstreamBroken, message)));
        } else if chunk.done {
            self.end(&mut out);
        }
        (!out.is_empty()).then(|| Bytes::from(out))
    }

    fn error(&mut self, fault: &Fault) -> Bytes {
        self.state = State::Over;
        self.queue.clear();
        let mut out = Vec::new();
        frame(&mut out, "error", &render_error(fault));
        Bytes::from(out)
    }
}

/// How deep in a JSON text one is: enough to see where an object ends.
#[derive(Debug, Default)]
struct Depth {
    open: u32,
    begun: bool,
    quoted: bool,
    escaped: bool,
}

impl Depth {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                b'{' | b'[' if !self.quoted => {
                    self.open = self.open.saturating_add(1);
                    self.begun = true;
                }
                b'}' | b']' if !self.quoted => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.begun && self.open == 0
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    MessageStart { message: OutReply<'a> },
    ContentBlockStart { index: usize, content_block: StartBlock<'a> },
    ContentBlockDelta { index: usize, delta: BlockDelta<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: EndDelta, usage: OutUsage },
    MessageStop {},
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StartBlock<'a> {
    Text { text: &'static str },
    ToolUse { id: String, name: &'a str, input: Empty },
}

/// An object without fields.
#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockDelta<'a> {
    TextDelta { text: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

#[derive(Serialize)]
struct EndDelta {
    stop_reason: &'static str,
    stop_sequence: Option<()>,
}

impl Event<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop {} => "message_stop",
        }
    }
}

fn event(out: &mut Vec<u8>, event: &Event<'_>) {
    // Serialising plain structs of strings and numbers cannot fail.
    frame(out, event.name(), &serde_json::to_vec(event).unwrap_or_default());
}

fn frame(out: &mut Vec<u8>, name: &str, json: &[u8]) {
    for piece in [b"event: ", name.as_bytes(), b"\ndata: ", json, b"\n\n"] {
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests;

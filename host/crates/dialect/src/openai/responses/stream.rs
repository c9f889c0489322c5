//! A streamed response: events with ascending numbers, made so that any sequence of chunks becomes a well-formed one.
//!
//! `response.created` and `response.in_progress` come first; then each item is added, grows and is done; then one of
//! `response.completed`, `response.incomplete` and `response.failed`. A message ends where a call or a picture begins, and
//! a part of it where one of another kind does. Calls end with the answer, because the parts of several may come in any order. When it fails, nothing that grows is done: a
//! call whose arguments broke off must not look like one to be made.
//!
//! The end repeats the whole answer, so it is held: `MAX_HELD` bounds it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use jackfield_core::contract::{Chunk, Delta, Fault, FaultKind, FinishReason, Picture, ToolCallDelta, Usage};

use super::item::{Item, Said, State, What};
use super::response::{Echo, Response, Status};
use crate::client::{StreamHead, StreamWriter};

/// What is held of one answer, in bytes.
const MAX_HELD: usize = 8 << 20;
/// What a part takes besides its text, roughly, in bytes: a stream of empty ones is bounded too.
const PART: usize = 128;

/// A response on its way to a client.
pub(super) struct Writer {
    echo: Echo,
    head: StreamHead,
    /// The next event's number.
    number: u64,
    begun: bool,
    over: bool,
    broken: Option<Fault>,
    items: Vec<Item>,
    /// The message that grows, by its place among the items.
    message: Option<usize>,
    calls: BTreeMap<u32, Call>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    held: usize,
}

/// A call by the provider's number of it.
enum Call {
    /// Nobody has said yet which function is called.
    Unnamed { id: String, arguments: String },
    /// Its place among the items.
    Item(usize),
}

#[derive(Serialize)]
struct Event<'a, T> {
    r#type: &'a str,
    sequence_number: u64,
    #[serde(flatten)]
    more: T,
}

#[derive(Serialize)]
struct OfResponse<'a> {
    response: Response<'a>,
}

#[derive(Serialize)]
struct OfItem<'a> {
    output_index: usize,
    item: &'a Item,
}

/// What an event tells of an item that grows.
#[derive(Default, Serialize)]
struct Growth<'a> {
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

#[derive(Serialize)]
struct OfError<'a> {
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
}

impl Writer {
    pub(super) fn new(echo: Echo, head: StreamHead) -> Self {
        Self {
            echo,
            head,
            number: 0,
            begun: false,
            over: false,
            broken: None,
            items: Vec::new(),
            message: None,
            calls: BTreeMap::new(),
            finish: None,
            usage: None,
            held: 0,
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.respond(out, "response.created", Status::InProgress);
            self.respond(out, "response.in_progress", Status::InProgress);
        }
    }

    fn grow(&mut self, out: &mut Vec<u8>, delta: &Delta) -> Result<(), Fault> {
        // Several answers have no place here, and nobody could ask for them.
        if delta.index != 0 {
            return Ok(());
        }
        self.finish = delta.finish_reason.or(self.finish);
        if let Some(text) = delta.text.as_deref().filter(|text| !text.is_empty()) {
            self.hold(text.len())?;
            self.say(out, Said::Text(text.to_owned()));
        }
        if let Some(refusal) = delta.refusal.as_deref().filter(|refusal| !refusal.is_empty()) {
            self.hold(refusal.len())?;
            self.say(out, Said::Refusal(refusal.to_owned()));
        }
        for picture in &delta.pictures {
            self.hold(picture.data.len())?;
            self.show(out, picture);
        }
        for part in &delta.tool_calls {
            let texts = [part.id.as_deref(), part.name.as_deref(), Some(&*part.arguments)];
            self.hold(texts.iter().flatten().map(|text| text.len()).sum())?;
            self.call(out, part);
        }
        Ok(())
    }

    fn hold(&mut self, size: usize) -> Result<(), Fault> {
        self.held += PART + size;
        if self.held <= MAX_HELD {
            return Ok(());
        }
        let most = MAX_HELD >> 20;
        let message = format!(
            "the answer is larger than the {most} MiB that a streamed response can repeat at its end"
        );
        Err(Fault::new(FaultKind::UpstreamBroken, message))
    }

    fn say(&mut self, out: &mut Vec<u8>, more: Said) {
        let at = match self.message {
            Some(at) => at,
            None => self.open_message(out),
        };
        if !self.last_part(at).is_some_and(|part| part.add(&more)) {
            self.close_part(out, at);
            self.open_part(out, at, more.begun());
            self.last_part(at).map(|part| part.add(&more));
        }
        match &more {
            Said::Text(text) => self.tell_part(out, "response.output_text.delta", at, |_| Growth {
                delta: Some(text),
                logprobs: Some([]),
                ..Growth::default()
            }),
            Said::Refusal(text) => self.tell_part(out, "response.refusal.delta", at, |_| Growth {
                delta: Some(text),
                ..Growth::default()
            }),
        }
    }

    /// A picture comes whole.
    fn show(&mut self, out: &mut Vec<u8>, picture: &Picture) {
        self.close_message(out, State::Completed);
        let at = self.items.len();
        self.open(out, Item::picture(&self.head.id, at, picture.clone()));
        self.tell(out, "response.image_generation_call.in_progress", at, |_| Growth::default());
        self.close(out, at, State::Completed);
    }

    fn open_message(&mut self, out: &mut Vec<u8>) -> usize {
        let at = self.items.len();
        self.open(out, Item::message(&self.head.id, at, Vec::new()));
        self.message = Some(at);
        at
    }

    fn open_part(&mut self, out: &mut Vec<u8>, at: usize, begun: Said) {
        if let Some(Item { what: What::Message { parts }, .. }) = self.items.get_mut(at) {
            parts.push(begun);
        }
        self.tell_part(out, "response.content_part.added", at, |part| Growth {
            part: Some(part.part()),
            ..Growth::default()
        });
    }

    /// The last part of a message is done, if it has one.
    fn close_part(&mut self, out: &mut Vec<u8>, at: usize) {
        match self.last_part(at) {
            None => return,
            Some(Said::Text(_)) => {
                self.tell_part(out, "response.output_text.done", at, |part| Growth {
                    text: Some(part.words()),
                    logprobs: Some([]),
                    ..Growth::default()
                });
            }
            Some(Said::Refusal(_)) => self.tell_part(out, "response.refusal.done", at, |part| Growth {
                refusal: Some(part.words()),
                ..Growth::default()
            }),
        }
        self.tell_part(out, "response.content_part.done", at, |part| Growth {
            part: Some(part.part()),
            ..Growth::default()
        });
    }

    fn last_part(&mut self, at: usize) -> Option<&mut Said> {
        match self.items.get_mut(at) {
            Some(Item { what: What::Message { parts }, .. }) => parts.last_mut(),
            _ => None,
        }
    }

    fn open(&mut self, out: &mut Vec<u8>, item: Item) {
        self.items.push(Item { state: State::InProgress, ..item });
        self.tell_item(out, "response.output_item.added", self.items.len() - 1);
    }

    fn call(&mut self, out: &mut Vec<u8>, part: &ToolCallDelta) {
        let unnamed = || Call::Unnamed { id: String::new(), arguments: String::new() };
        match self.calls.entry(part.index).or_insert_with(unnamed) {
            Call::Item(at) => {
                let at = *at;
                self.argue(out, at, &part.arguments);
            }
            Call::Unnamed { id, arguments } => {
                if let Some(told) = &part.id {
                    id.clone_from(told);
                }
                arguments.push_str(&part.arguments);
                if let Some(name) = part.name.clone().filter(|name| !name.is_empty()) {
                    self.open_call(out, part.index, name);
                }
            }
        }
    }

    fn open_call(&mut self, out: &mut Vec<u8>, number: u32, name: String) {
        self.close_message(out, State::Completed);
        let at = self.items.len();
        if let Some(Call::Unnamed { id, arguments }) = self.calls.insert(number, Call::Item(at)) {
            self.open(out, Item::call(&self.head.id, at, id, name, String::new()));
            self.argue(out, at, &arguments);
        }
    }

    /// More of a call's arguments.
    fn argue(&mut self, out: &mut Vec<u8>, at: usize, more: &str) {
        if more.is_empty() {
            return;
        }
        if let Some(Item { what: What::Call { arguments, .. }, .. }) = self.items.get_mut(at) {
            arguments.push_str(more);
        }
        self.tell(out, "response.function_call_arguments.delta", at, |_| Growth {
            delta: Some(more),
            ..Growth::default()
        });
    }

    fn close_message(&mut self, out: &mut Vec<u8>, state: State) {
        if let Some(at) = self.message.take() {
            self.close(out, at, state);
        }
    }

    /// An item is done.
    fn close(&mut self, out: &mut Vec<u8>, at: usize, state: State) {
        let Some(item) = self.items.get_mut(at) else { return };
        item.state = state;
        match item.what {
            What::Message { .. } => self.close_part(out, at),
            What::Picture(_) => {
                self.tell(out, "response.image_generation_call.completed", at, |_| Growth::default());
            }
            What::Call { .. } => {
                self.tell(out, "response.function_call_arguments.done", at, |what| Growth {
                    arguments: arguments_of(what),
                    ..Growth::default()
                });
            }
        }
        self.tell_item(out, "response.output_item.done", at);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        // A call that nobody named is told all the same: nothing is left out in silence.
        let unnamed: Vec<u32> = self
            .calls
            .iter()
            .filter_map(|(number, call)| matches!(call, Call::Unnamed { .. }).then_some(*number))
            .collect();
        for number in unnamed {
            self.open_call(out, number, String::new());
        }
        // An answer without any item is none.
        if self.items.is_empty() {
            let at = self.open_message(out);
            self.open_part(out, at, Said::Text(String::new()));
        }
        let status = Status::of(self.finish);
        self.message = None;
        let growing: Vec<usize> =
            (0..self.items.len()).filter(|at| self.items[*at].state == State::InProgress).collect();
        for at in growing {
            let last = at + 1 == self.items.len();
            self.close(out, at, if last { status.of_last_item() } else { State::Completed });
        }
        let kind = match status {
            Status::Incomplete(_) => "response.incomplete",
            _ => "response.completed",
        };
        self.respond(out, kind, status);
        self.over = true;
    }

    fn fail(&mut self, out: &mut Vec<u8>, fault: &Fault) {
        self.begin(out);
        let error =
            OfError { code: fault.kind.reason(), message: &fault.message, param: fault.param.as_deref() };
        write(out, &mut self.number, "error", error);
        for item in self.items.iter_mut().filter(|item| item.state == State::InProgress) {
            item.state = State::Incomplete;
        }
        self.respond(out, "response.failed", Status::Failed(fault));
        self.over = true;
    }

    fn respond(&mut self, out: &mut Vec<u8>, kind: &str, status: Status<'_>) {
        let response = Response {
            echo: &self.echo,
            id: &self.head.id,
            model: &self.head.model,
            created: self.head.created,
            status,
            items: &self.items,
            usage: self.usage.filter(|_| !matches!(status, Status::InProgress)),
        };
        write(out, &mut self.number, kind, OfResponse { response });
    }

    fn tell_item(&mut self, out: &mut Vec<u8>, kind: &str, at: usize) {
        if let Some(item) = self.items.get(at) {
            write(out, &mut self.number, kind, OfItem { output_index: at, item });
        }
    }

    /// Tells something of the last part of a message.
    fn tell_part<'a>(
        &'a mut self,
        out: &mut Vec<u8>,
        kind: &str,
        at: usize,
        growth: impl FnOnce(&'a Said) -> Growth<'a>,
    ) {
        let Some(Item { id, what: What::Message { parts }, .. }) = self.items.get(at) else { return };
        if let Some(part) = parts.last() {
            let content_index = Some(parts.len() - 1);
            let growth = Growth { item_id: id, output_index: at, content_index, ..growth(part) };
            write(out, &mut self.number, kind, growth);
        }
    }

    fn tell<'a>(
        &'a mut self,
        out: &mut Vec<u8>,
        kind: &str,
        at: usize,
        growth: impl FnOnce(&'a What) -> Growth<'a>,
    ) {
        if let Some(item) = self.items.get(at) {
            let growth = Growth { item_id: &item.id, output_index: at, ..growth(&item.what) };
            write(out, &mut self.number, kind, growth);
        }
    }
}

impl StreamWriter for Writer {
    fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut out = Vec::new();
        self.begin(&mut out);
        self.usage = chunk.usage.or(self.usage);
        for delta in &chunk.deltas {
            if let Err(fault) = self.grow(&mut out, delta) {
                self.fail(&mut out, &fault);
                self.broken = Some(fault);
                return Some(out.into());
            }
        }
        if chunk.done {
            self.end(&mut out);
        }
        (!out.is_empty()).then(|| out.into())
    }

    fn error(&mut self, fault: &Fault) -> Bytes {
        let mut out = Vec::new();
        if !self.over {
            self.fail(&mut out, fault);
        }
        out.into()
    }

    fn broken(&self) -> Option<&Fault> {
        self.broken.as_ref()
    }
}

/// A call's arguments.
fn arguments_of(what: &What) -> Option<&str> {
    match what {
        What::Call { arguments, .. } => Some(arguments),
        What::Message { .. } | What::Picture(_) => None,
    }
}

/// One event: its name, its number and what it tells.
fn write(out: &mut Vec<u8>, number: &mut u64, kind: &str, more: impl Serialize) {
    let event = Event { r#type: kind, sequence_number: *number, more };
    *number += 1;
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    // Serialising plain structs of strings and numbers cannot fail.
    out.extend_from_slice(&serde_json::to_vec(&event).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;

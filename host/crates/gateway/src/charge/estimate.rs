//! Tokens, where nobody has counted them yet: of a prompt before it is sent, of an answer while it comes.
//!
//! | what | how |
//! |---|---|
//! | a message, the tools, the answer's schema | its JSON, three bytes a token: prose has four to five, dense languages three |
//! | an image | `IMAGE` tokens: what the dearest provider counts for one at its largest |
//! | what else is not text (files, sound) | its bytes, at most `MAX_OTHER` of them a message |
//! | an answer, its thoughts included | four ASCII characters or one other a token, and at least one token a piece that came |
//!
//! A prompt is overestimated, since its price is reserved; an answer is not, since it is cut where a budget ends.

use jackfield_core::contract::{
    Call, ChatRequest, Chunk, Content, Delta, Dialect, Message, Part, Reply, quarters,
};

/// Bytes of a prompt that are taken for a token.
const BYTES_PER_TOKEN: u64 = 3;
/// Tokens of an image: Anthropic counts at most 1 568, OpenAI less.
const IMAGE: u64 = 1_600;
/// What is counted of a message besides its text, in bytes: a file's bytes are not its tokens.
const MAX_OTHER: u64 = 48 << 10;
/// Fields of a body, besides the messages, that a model reads.
const READ: [&str; 5] = ["tools", "functions", "response_format", "text", "output_config"];

/// The tokens of a call's prompt, rounded up.
pub(crate) fn input_tokens(call: &Call) -> u64 {
    let request = &call.facts.request;
    let messages: u64 = request.messages.iter().map(message).sum();
    let read = READ.iter().filter_map(|field| request.body.get(field)).map(|json| json.len() as u64);
    let appended = call.appended.iter().map(|(_, said)| said.len() as u64 + 12);
    let template = call.overrides.prompt_template.as_ref().map_or(0, String::len) as u64;
    let more = read.chain(appended).sum::<u64>() + template;
    messages.saturating_add(more.div_ceil(BYTES_PER_TOKEN))
}

fn message(message: &Message) -> u64 {
    let text: u64 = message.texts().map(|text| text.len_hint() as u64).sum();
    let images = match &message.content {
        Content::Parts(parts) => parts.iter().filter(|part| matches!(part, Part::Image)).count() as u64,
        Content::Empty | Content::Text(_) => 0,
    };
    // Beside an image, what is not text is the image.
    let rest = if images > 0 { 0 } else { (message.raw.len() as u64).saturating_sub(text).min(MAX_OTHER) };
    (text + rest).div_ceil(BYTES_PER_TOKEN) + 4 + images * IMAGE
}

/// The answers that are asked for at once. Each may be as long as the bound says.
pub(crate) fn choices(call: &Call) -> u64 {
    if call.facts.request.dialect != Dialect::OpenAiChat {
        return 1;
    }
    asked_choices(&call.facts.request)
}

/// The answers that a request's `n` asks for, whatever its API makes of that: at least one.
pub(crate) fn asked_choices(request: &ChatRequest) -> u64 {
    let asked = request.body.get("n").and_then(|n| serde_json::from_slice::<u64>(&n).ok());
    asked.unwrap_or(1).max(1)
}

/// The bounds on an answer that a chat request's body names, by the old name and the new.
pub(crate) fn asked_outputs(request: &ChatRequest) -> impl Iterator<Item = u64> {
    let names = match request.dialect {
        Dialect::OpenAiChat => &["max_tokens", "max_completion_tokens"][..],
        _ => &[],
    };
    names.iter().filter_map(|name| serde_json::from_slice(&request.body.get(name)?).ok())
}

/// The tokens of an answer as it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Output {
    quarters: u64,
    pieces: u64,
    /// The tokens of the largest chunk.
    largest: u64,
}

impl Output {
    /// A chunk came.
    pub(crate) fn saw(&mut self, chunk: &Chunk) {
        let before = self.tokens();
        for delta in &chunk.deltas {
            self.quarters += delta.thought;
            let text = [&delta.text, &delta.refusal].into_iter().flatten().map(String::as_str);
            let calls =
                delta.tool_calls.iter().flat_map(|call| [call.name.as_deref(), Some(&*call.arguments)]);
            text.chain(calls.flatten()).for_each(|text| self.read(text));
            if generated(delta) {
                self.pieces += 1;
            }
        }
        self.largest = self.largest.max(self.tokens() - before);
    }

    /// The tokens of the largest chunk so far.
    pub(crate) fn largest(&self) -> u64 {
        self.largest
    }

    /// The tokens so far.
    pub(crate) fn tokens(&self) -> u64 {
        self.quarters.div_ceil(4).max(self.pieces)
    }

    /// The tokens of a whole answer.
    pub(crate) fn of(reply: &Reply) -> u64 {
        let mut output = Self::default();
        for choice in &reply.choices {
            output.read(choice.text.as_deref().unwrap_or_default());
            output.read(choice.refusal.as_deref().unwrap_or_default());
            for call in &choice.tool_calls {
                output.read(&call.name);
                output.read(&call.arguments);
            }
        }
        output.tokens()
    }

    fn read(&mut self, text: &str) {
        self.quarters += quarters(text);
    }
}

/// Whether a part of an answer is made of tokens: its end alone is not.
fn generated(delta: &Delta) -> bool {
    let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    delta.other || !delta.tool_calls.is_empty() || said(&delta.text) || said(&delta.refusal)
}

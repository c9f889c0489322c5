//! Tool calls' ids that carry a provider's signature.
//!
//! Gemini signs its function calls and wants the signature back with the conversation's next turn. A client of another
//! API has no place for it and keeps one thing to the letter: the call's id. So the signature travels in the id, and
//! nothing is kept here between requests: `call_3` with a signature is `call_3__jfsig124_CiQB…`. Only letters, digits, `-`
//! and `_` are added, which every API takes in ids; the length in front shows whether a client cut the id.
//!
//! Providers that did not sign get the plain id: some refuse long ones (OpenAI beyond 40 characters). A signature of more
//! than `MAX_SIGNATURE` characters, or one that is no base64, is not carried.

use std::fmt::Write as _;

use memchr::memmem;

use crate::conversation::{Block, Conversation};

/// Between an id and what it carries.
const MARK: &str = "__jfsig";
/// The longest signature carried, in characters.
const MAX_SIGNATURE: usize = 16 << 10;
/// What ids given here begin with.
const PREFIX: &str = "call_";
/// The most digits read of a given id's number.
const MAX_DIGITS: usize = 15;

/// The id with the signature in it, where that can be carried.
pub(crate) fn sign(id: &str, signature: &str) -> String {
    let code = signature.trim_end_matches('=');
    let standard = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
    let fits = (1..=MAX_SIGNATURE).contains(&code.len()) && code.bytes().all(standard);
    if !fits || id.is_empty() || id.contains(MARK) {
        return id.to_owned();
    }
    let mut signed = format!("{id}{MARK}{}_", code.len());
    signed.extend(code.chars().map(|c| match c {
        '+' => '-',
        '/' => '_',
        other => other,
    }));
    signed
}

/// An id without what it carries, and the signature, in base64's standard alphabet, if it carries a whole one.
pub(crate) fn split(id: &str) -> (&str, Option<String>) {
    match id.split_once(MARK) {
        Some((plain, rest)) if !plain.is_empty() && rest.bytes().all(is_carried) => (plain, signature(rest)),
        _ => (id, None),
    }
}

fn signature(carried: &str) -> Option<String> {
    let (length, code) = carried.split_once('_')?;
    if length.parse() != Ok(code.len()) || code.is_empty() || code.len() > MAX_SIGNATURE {
        return None;
    }
    let mut signature: String = code
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    while !signature.len().is_multiple_of(4) {
        signature.push('=');
    }
    Some(signature)
}

fn is_carried(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Takes the signatures out of every id.
pub(crate) fn strip(conversation: &mut Conversation) {
    for block in conversation.turns.iter_mut().flat_map(|turn| &mut turn.blocks) {
        if let Block::ToolCall { id, .. } | Block::ToolResult { id, .. } = block {
            let plain = split(id).0.len();
            id.truncate(plain);
        }
    }
}

/// Takes the signatures out of the ids in a JSON text, whatever API's it is; every other byte stays. `None`: there is none.
pub(crate) fn stripped(json: &str) -> Option<String> {
    let mut out = String::new();
    let (mut from, mut seen) = (0, 0);
    for at in memmem::find_iter(json.as_bytes(), MARK.as_bytes()) {
        // A mark inside what was looked at is no other's: every byte is looked at once.
        if at < seen {
            continue;
        }
        seen = at + json[at..].bytes().take_while(|b| is_carried(*b)).count();
        if json[seen..].starts_with('"') && is_in_id(&json[..at]) {
            out.push_str(&json[from..at]);
            from = seen;
        }
    }
    (from > 0).then(|| out + &json[from..])
}

/// Whether a JSON text ends inside a string that is the value of an id.
fn is_in_id(before: &str) -> bool {
    let Some(open) = before.rfind('"') else { return false };
    let plain = &before[open + 1..];
    if plain.is_empty() || plain.contains('\\') {
        return false;
    }
    let Some(key) = before[..open].trim_ascii_end().strip_suffix(':') else { return false };
    let key = key.trim_ascii_end();
    [r#""id""#, r#""tool_call_id""#, r#""call_id""#, r#""tool_use_id""#].iter().any(|id| key.ends_with(id))
}

/// Gives ids to the calls of one answer whose provider gives none: `call_<n>`, from the first number above all that
/// the conversation knows.
#[derive(Debug)]
pub(crate) struct Ids {
    next: u64,
}

impl Ids {
    /// For an answer to this request, its bytes as JSON in whatever dialect.
    pub(crate) fn after(request: &[u8]) -> Self {
        let quoted = format!("\"{PREFIX}");
        let numbers = memmem::find_iter(request, quoted.as_bytes()).filter_map(|at| {
            let rest = &request[at + quoted.len()..];
            let digits = rest.iter().take(MAX_DIGITS + 1).take_while(|b| b.is_ascii_digit()).count();
            let digits = rest.get(..digits).filter(|digits| (1..=MAX_DIGITS).contains(&digits.len()))?;
            std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
        });
        Self { next: numbers.max().map_or(0, |last| last + 1) }
    }

    /// The id of the next call: the provider's own, or a new one, and the signature in it.
    pub(crate) fn id(&mut self, given: Option<String>, signature: Option<&str>) -> String {
        let id = given.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            let mut id = PREFIX.to_owned();
            // Writing to a text cannot fail.
            let _ = write!(id, "{}", self.next);
            self.next += 1;
            id
        });
        match signature {
            Some(signature) => sign(&id, signature),
            None => id,
        }
    }
}

#[cfg(test)]
mod tests;

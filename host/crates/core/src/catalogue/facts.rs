//! The table, and how a line of it is found: it is sorted by its bytes, so a line is found by halving, without reading
//! the table first and without a copy of it in memory. Eleven steps find one of 1 300 lines.

use std::iter::Peekable;
use std::str::Split;

use super::{Capability, Price, TokenPrice, Vendor};

/// Tab-separated: vendor, id, mode, four prices, context, max output, abilities. Sorted, each vendor and id once.
pub(super) const TABLE: &str = include_str!("models.tsv");

/// What is known about a vendor's model. `None`: not known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// What it is called for.
    pub mode: Mode,
    /// What its tokens cost.
    pub price: Option<Price>,
    /// The longest conversation it takes, in tokens.
    pub context: Option<u64>,
    /// The longest answer it gives, in tokens.
    pub max_output: Option<u64>,
    /// What it is known to do.
    pub capabilities: Vec<Capability>,
}

/// What a model is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Conversations, by chat completions or the vendor's like.
    Chat,
    /// Conversations, by OpenAI's responses API alone.
    Responses,
    /// Embeddings.
    Embedding,
}

/// What is known about a vendor's model, by the vendor's id of it.
pub fn facts(vendor: Vendor, id: &str) -> Option<Facts> {
    parse(line(vendor, base_id(vendor, id))?)
}

/// Whether the table has a vendor's model, under the table's own text of its id.
pub(super) fn id_in_table(vendor: Vendor, id: &str) -> Option<&'static str> {
    line(vendor, id)?.split('\t').nth(1)
}

/// The ids of a vendor's models that begin so, sorted.
pub(super) fn ids_from(vendor: Vendor, beginning: &str) -> impl Iterator<Item = &'static str> {
    let key = format!("{}\t{beginning}", vendor.name());
    let lines = from(&key).lines().take_while(move |line| line.starts_with(&key));
    lines.filter_map(|line| line.split('\t').nth(1))
}

/// A fine-tuned model of OpenAI's, `ft:BASE:organisation:…`, costs what its base costs when tuned: `ft:BASE`.
fn base_id(vendor: Vendor, id: &str) -> &str {
    let tuned = id.strip_prefix("ft:").filter(|_| vendor == Vendor::OpenAi);
    let base = tuned.and_then(|rest| rest.split_once(':')).map(|(base, _)| "ft:".len() + base.len());
    base.and_then(|end| id.get(..end)).unwrap_or(id)
}

fn line(vendor: Vendor, id: &str) -> Option<&'static str> {
    // A tab would reach into the next field.
    if id.contains(char::is_control) {
        return None;
    }
    let key = format!("{}\t{id}\t", vendor.name());
    from(&key).lines().next().filter(|line| line.starts_with(&key))
}

/// The table from the first line on that is not before this key.
fn from(key: &str) -> &'static str {
    let bytes = TABLE.as_bytes();
    // Both stand where a line begins.
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = memchr::memrchr(b'\n', &bytes[low..middle]).map_or(low, |at| low + at + 1);
        let end = memchr::memchr(b'\n', &bytes[begin..]).map_or(bytes.len(), |at| begin + at + 1);
        if &bytes[begin..end] < key.as_bytes() {
            low = end;
        } else {
            high = begin;
        }
    }
    TABLE.get(low..).unwrap_or_default()
}

/// One line. `None` for one that is malformed: a test reads them all.
pub(super) fn parse(line: &str) -> Option<Facts> {
    let mut fields = line.split('\t').peekable();
    let (_vendor, _id) = (fields.next()?, fields.next()?);
    let mode = match fields.next()? {
        "c" => Mode::Chat,
        "r" => Mode::Responses,
        "e" => Mode::Embedding,
        _ => return None,
    };
    let price = match (price(&mut fields)?, price(&mut fields)?, price(&mut fields)?, price(&mut fields)?) {
        (Some(input), Some(output), cached_input, cache_write) => {
            Some(Price { input, output, cached_input, cache_write })
        }
        (None, None, None, None) => None,
        _ => return None,
    };
    let (context, max_output) = (tokens(&mut fields)?, tokens(&mut fields)?);
    let capabilities = fields.next().unwrap_or_default().chars().map(Capability::of_letter);
    let capabilities = capabilities.collect::<Option<_>>()?;
    fields.peek().is_none().then_some(Facts { mode, price, context, max_output, capabilities })
}

type Fields<'a> = Peekable<Split<'a, char>>;

/// `Some(None)`: the field is empty, or left out at the end of its line.
fn price(fields: &mut Fields<'_>) -> Option<Option<TokenPrice>> {
    match fields.next().unwrap_or_default() {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    }
}

fn tokens(fields: &mut Fields<'_>) -> Option<Option<u64>> {
    match fields.next().unwrap_or_default() {
        "" => Some(None),
        text => text.parse().ok().filter(|tokens| *tokens > 0).map(Some),
    }
}

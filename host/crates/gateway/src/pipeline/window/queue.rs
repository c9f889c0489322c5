//! What one validator holds back of one stream, in the order it came, and what it lets go of that. Pure.
//!
//! Chunks leave in their order: what carries no text waits behind the text that came before it, whichever choice that
//! belongs to. A chunk whose text goes whole and unchanged leaves as it came, its bytes included; one that goes in parts
//! or with another text is to be rendered, and then what only its bytes told (log probabilities) does
//! not leave with it, so that nothing held back leaks there.
//!
//! Let go is counted in bytes. A number that ends inside a character lets go of that character with the next number that
//! covers it, so whoever counts bytes never loses count, and no character is ever cut.

use std::collections::{BTreeMap, VecDeque};

use jackfield_core::contract::{Chunk, Delta};

use super::super::hold::weight;

/// The text and the chunks held back.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    weight: usize,
    /// Something left already.
    begun: bool,
}

#[derive(Debug)]
struct Entry {
    chunk: Chunk,
    /// By delta: how many bytes of its text may go.
    freed: Vec<usize>,
    /// It is not what came any more.
    changed: bool,
    weight: usize,
}

impl Queue {
    /// Another chunk came. All of its text is held.
    pub(super) fn push(&mut self, chunk: Chunk) {
        let (freed, weight) = (vec![0; chunk.deltas.len()], weight(&chunk));
        self.weight += weight;
        self.entries.push_back(Entry { chunk, freed, changed: false, weight });
    }

    /// What is held takes so many bytes, about.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Bytes of text held by choice; none where nothing is.
    pub(super) fn held(&self) -> BTreeMap<u32, usize> {
        let mut held = BTreeMap::new();
        for (delta, freed) in self.entries.iter().flat_map(Entry::deltas) {
            let left = length(delta) - freed;
            if left > 0 {
                *held.entry(delta.index).or_default() += left;
            }
        }
        held
    }

    /// Lets the first so many bytes go of what is held of this choice; more than there are mean all.
    pub(super) fn release(&mut self, choice: u32, bytes: usize) {
        let mut left = bytes;
        for (delta, freed) in self.of(choice) {
            let now = left.min(length(delta) - *freed);
            *freed += now;
            left -= now;
        }
    }

    /// Lets everything go.
    pub(super) fn release_all(&mut self) {
        for entry in &mut self.entries {
            for (delta, freed) in entry.chunk.deltas.iter().zip(&mut entry.freed) {
                *freed = length(delta);
            }
        }
    }

    /// Lets this text go in place of all that is held of this choice; beside the last that came where nothing is. Says
    /// whether that changes anything.
    pub(super) fn replace(&mut self, choice: u32, text: &str) -> bool {
        let mut held = String::new();
        for (delta, freed) in self.of(choice) {
            held.push_str(tail(delta, *freed));
        }
        if held == text {
            self.release(choice, usize::MAX);
            return false;
        }
        let mut text = Some(text);
        for entry in &mut self.entries {
            for (delta, freed) in entry.chunk.deltas.iter_mut().zip(&mut entry.freed) {
                if delta.index != choice || length(delta) == *freed {
                    continue;
                }
                let own = delta.text.get_or_insert_default();
                own.truncate(own.floor_char_boundary(*freed));
                own.push_str(text.take().unwrap_or_default());
                *freed = own.len();
                entry.changed = true;
            }
            entry.weigh(&mut self.weight);
        }
        if let Some(text) = text {
            self.append(choice, text);
        }
        true
    }

    /// The next chunk that may leave: whole, or as much of its text as may.
    pub(super) fn pop(&mut self) -> Option<Chunk> {
        loop {
            let front = self.entries.front_mut()?;
            if !front.is_free() {
                let part = front.part()?;
                self.begun = true;
                return Some(part);
            }
            let Entry { mut chunk, changed, weight, .. } = self.entries.pop_front()?;
            self.weight -= weight;
            if changed {
                chunk.wire = None;
                // The first tells the role.
                if self.begun {
                    chunk.deltas.retain(Delta::has_substance);
                }
                if chunk.deltas.is_empty() && chunk.usage.is_none() && !chunk.done {
                    continue;
                }
            }
            self.begun = true;
            return Some(chunk);
        }
    }

    /// Puts a text behind the last of this choice, and lets it go.
    fn append(&mut self, choice: u32, text: &str) {
        for entry in self.entries.iter_mut().rev() {
            let Some(place) = entry.chunk.deltas.iter().rposition(|delta| delta.index == choice) else {
                continue;
            };
            if let (Some(delta), Some(freed)) =
                (entry.chunk.deltas.get_mut(place), entry.freed.get_mut(place))
            {
                let own = delta.text.get_or_insert_default();
                own.push_str(text);
                *freed = own.len();
                entry.changed = true;
            }
            entry.weigh(&mut self.weight);
            return;
        }
    }

    fn of(&mut self, choice: u32) -> impl Iterator<Item = (&Delta, &mut usize)> {
        let deltas =
            self.entries.iter_mut().flat_map(|entry| entry.chunk.deltas.iter().zip(&mut entry.freed));
        deltas.filter(move |(delta, _)| delta.index == choice)
    }
}

impl Entry {
    fn deltas(&self) -> impl Iterator<Item = (&Delta, usize)> {
        self.chunk.deltas.iter().zip(self.freed.iter().copied())
    }

    /// Weighs what was changed again: it may wait behind another choice's text. `all` is what the queue weighs.
    fn weigh(&mut self, all: &mut usize) {
        if self.changed {
            *all -= self.weight;
            self.weight = weight(&self.chunk);
            *all += self.weight;
        }
    }

    fn is_free(&self) -> bool {
        self.deltas().all(|(delta, freed)| freed == length(delta))
    }

    /// Takes out what of its text may leave before the rest.
    fn part(&mut self) -> Option<Chunk> {
        let mut deltas = Vec::new();
        for (delta, freed) in self.chunk.deltas.iter_mut().zip(&mut self.freed) {
            let Some(text) = &mut delta.text else { continue };
            let end = text.floor_char_boundary(*freed);
            if end == 0 {
                continue;
            }
            let rest = text.split_off(end);
            let index = delta.index;
            deltas.push(Delta { index, text: Some(std::mem::replace(text, rest)), ..Delta::default() });
            *freed -= end;
            self.changed = true;
        }
        (!deltas.is_empty()).then(|| Chunk { deltas, ..Chunk::default() })
    }
}

fn length(delta: &Delta) -> usize {
    delta.text.as_ref().map_or(0, String::len)
}

/// What of a delta's text is held, from the character on in which the freed part ends.
fn tail(delta: &Delta, freed: usize) -> &str {
    delta.text.as_deref().map_or("", |text| &text[text.floor_char_boundary(freed)..])
}

//! A digest of a JSON value that does not hang on how it is written: the order of members, white space and escapes do not
//! count, every value does. Numbers count as they are spelled, so that no two that differ beyond a float's digits are
//! taken for one; `1` and `1.0` are then two values, which costs a call and never an answer.
//!
//! One pass, linear in the text; nothing deeper than `MAX_DEPTH` is read.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Values inside values. Deeper ones have no digest: this reads them on the stack.
const MAX_DEPTH: usize = 128;

/// The digest of one JSON value; `None` when it is none, or nested too deeply.
pub fn digest(json: &[u8]) -> Option<[u8; 32]> {
    let mut reader = Reader { text: json, at: 0 };
    let digest = reader.value(MAX_DEPTH)?;
    reader.space();
    (reader.at == json.len()).then_some(digest)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// A text, and whether its escapes could be read: one that could not counts as it is spelled.
type Word<'a> = (bool, Cow<'a, [u8]>);

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<[u8; 32]> {
        let depth = depth.checked_sub(1)?;
        self.space();
        let mut hash = Sha256::new();
        match *self.text.get(self.at)? {
            b'{' => {
                let mut members: Vec<(Word<'a>, [u8; 32])> = Vec::new();
                self.at += 1;
                while !self.ends(b'}')? {
                    let name = self.string()?;
                    self.space();
                    (self.text.get(self.at) == Some(&b':')).then_some(())?;
                    self.at += 1;
                    members.push((name, self.value(depth)?));
                }
                // Stable: of a name that comes twice, the order counts.
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                hash.update(b"{");
                for (name, value) in members {
                    word(&mut hash, &name);
                    hash.update(value);
                }
            }
            b'[' => {
                hash.update(b"[");
                self.at += 1;
                while !self.ends(b']')? {
                    hash.update(self.value(depth)?);
                }
            }
            b'"' => word(&mut hash, &self.string()?),
            _ => {
                let rest = self.text.get(self.at..)?;
                let ends = |b: &u8| b",]}".contains(b) || b.is_ascii_whitespace();
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                hash.update(b"=");
                hash.update(rest.get(..length).filter(|literal| !literal.is_empty())?);
                self.at += length;
            }
        }
        Some(hash.finalize().into())
    }

    /// Whether a list is over here; else what stands between its parts is passed.
    fn ends(&mut self, bracket: u8) -> Option<bool> {
        self.space();
        if self.text.get(self.at) == Some(&b',') {
            self.at += 1;
            self.space();
        }
        let over = *self.text.get(self.at)? == bracket;
        self.at += usize::from(over);
        Some(over)
    }

    fn string(&mut self) -> Option<Word<'a>> {
        self.space();
        let start = self.at;
        (self.text.get(start) == Some(&b'"')).then_some(())?;
        let mut escaped = false;
        let mut at = start + 1;
        loop {
            match *self.text.get(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = at + 1;
        let inner = self.text.get(start + 1..at)?;
        if !escaped {
            return Some((true, Cow::Borrowed(inner)));
        }
        Some(match serde_json::from_slice::<String>(self.text.get(start..=at)?) {
            Ok(text) => (true, Cow::Owned(text.into_bytes())),
            Err(_) => (false, Cow::Borrowed(inner)),
        })
    }

    fn space(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    }
}

fn word(hash: &mut Sha256, (read, text): &Word<'_>) {
    hash.update(if *read { b"\"" } else { b"\\" });
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

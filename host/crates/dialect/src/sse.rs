//! Server-sent events: bytes to frames.
//!
//! A frame keeps its own bytes, so that it can be forwarded unchanged, and knows its data. Input may be
//! split at any byte; lines may end in LF, CRLF or CR. A frame larger than the bound is an error, so a
//! provider that never ends a line cannot fill our memory.

use bytes::{Bytes, BytesMut};

/// The largest frame taken, in bytes: far above any chunk of text, room for one with an inline image.
pub const MAX_FRAME: usize = 4 << 20;

/// One event with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Every byte of the frame, the blank line that ends it included.
    pub wire: Bytes,
    /// Its `data` lines, joined by line feeds; `None` for comments and keep-alives.
    pub data: Option<Bytes>,
}

/// A frame grew beyond the bound.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is larger than {limit} bytes")]
pub struct FrameTooLarge {
    /// The bound that was passed.
    pub limit: usize,
}

/// Collects bytes and gives out whole frames.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// Where the line being read starts.
    line: usize,
    /// How far line ends have been looked for.
    scanned: usize,
    /// The last line ended in CR at the very end of the bytes; an LF that follows belongs to it.
    after_cr: bool,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(MAX_FRAME)
    }
}

impl Decoder {
    /// A decoder that takes frames of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), line: 0, scanned: 0, after_cr: false, limit }
    }

    /// Takes more bytes from the wire.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameTooLarge> {
        loop {
            if self.after_cr && self.scanned < self.buffer.len() {
                self.after_cr = false;
                if self.buffer[self.scanned] == b'\n' {
                    self.scanned += 1;
                    self.line = self.scanned;
                }
            }
            let Some(found) = memchr::memchr2(b'\n', b'\r', &self.buffer[self.scanned..]) else {
                self.scanned = self.buffer.len();
                // What is whole has been given out: what remains is one unfinished frame.
                return if self.buffer.len() > self.limit { Err(self.too_large()) } else { Ok(None) };
            };
            let end = self.scanned + found;
            let blank = end == self.line;
            let mut next = end + 1;
            if self.buffer[end] == b'\r' {
                match self.buffer.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            self.line = next;
            self.scanned = next;
            if next > self.limit {
                return Err(self.too_large());
            }
            if blank {
                let wire = self.buffer.split_to(next).freeze();
                self.line = 0;
                self.scanned = 0;
                let data = data_of(&wire);
                return Ok(Some(Frame { wire, data }));
            }
        }
    }

    /// What was left without a blank line at the end of the stream. Standard clients ignore it.
    pub fn remainder(&mut self) -> Bytes {
        self.line = 0;
        self.scanned = 0;
        self.buffer.split().freeze()
    }

    fn too_large(&self) -> FrameTooLarge {
        FrameTooLarge { limit: self.limit }
    }
}

/// The data lines of a frame. One line, the usual case, shares the frame's memory.
fn data_of(wire: &Bytes) -> Option<Bytes> {
    let mut first: Option<Bytes> = None;
    let mut joined: Option<BytesMut> = None;
    for line in wire.split(|b| *b == b'\n' || *b == b'\r') {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let Some(value) = line.strip_prefix(b"data").and_then(value_of) else { continue };
        match (&first, &mut joined) {
            (None, _) => first = Some(wire.slice_ref(value)),
            (Some(_), Some(all)) => {
                all.extend_from_slice(b"\n");
                all.extend_from_slice(value);
            }
            (Some(one), None) => {
                let mut all = BytesMut::from(&one[..]);
                all.extend_from_slice(b"\n");
                all.extend_from_slice(value);
                joined = Some(all);
            }
        }
    }
    joined.map(BytesMut::freeze).or(first)
}

/// What follows a field's name: nothing, or a colon, at most one space, and the value.
fn value_of(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [] => Some(rest),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! A JSON text and the place in it: spaces, marks, words and strings.

use std::borrow::Cow;

use super::error::Error;

/// How deep values may nest.
const DEPTH: u8 = 128;

/// A JSON text and the place in it.
pub(super) struct Text<'de> {
    text: &'de str,
    offset: usize,
    depth: u8,
}

impl<'de> Text<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, offset: 0, depth: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The byte here, if any is left.
    pub(super) fn peek_here(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    /// The first byte after spaces.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek_here() {
            self.offset += 1;
        }
        self.peek_here()
    }

    /// Leaves the byte here behind.
    pub(super) fn skip(&mut self) {
        self.offset += 1;
    }

    /// Leaves this byte behind if it is the one here.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let here = self.peek_here() == Some(byte);
        self.offset += usize::from(here);
        here
    }

    /// Leaves this mark behind, spaces before it too.
    pub(super) fn mark(&mut self, mark: u8, name: &str) -> Result<(), Error> {
        self.peek();
        if self.take(mark) { Ok(()) } else { Err(Error::syntax(name, self.offset)) }
    }

    /// Leaves this word behind.
    pub(super) fn word(&mut self, word: &str) -> Result<(), Error> {
        let here =
            self.text.as_bytes().get(self.offset..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if here {
            self.offset += word.len();
            Ok(())
        } else {
            Err(Error::syntax(word, self.offset))
        }
    }

    /// One level deeper.
    pub(super) fn descend(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEPTH { Err(Error::syntax("at most 128 levels", self.offset)) } else { Ok(()) }
    }

    /// One level up.
    pub(super) fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// Nothing but spaces may be left.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if self.peek().is_none() { Ok(()) } else { Err(Error::syntax("the end", self.offset)) }
    }

    /// A string that starts after spaces; borrowed when it has no escapes.
    pub(super) fn string(&mut self) -> Result<Cow<'de, str>, Error> {
        self.mark(b'"', "a string")?;
        let mut owned: Option<String> = None;
        loop {
            let start = self.offset;
            while self.peek_here().is_some_and(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
                self.offset += 1;
            }
            // Both ends stand at ASCII marks, so this is never inside a character.
            let run = self.text.get(start..self.offset).unwrap_or_default();
            match self.peek_here() {
                Some(b'"') => {
                    self.offset += 1;
                    return Ok(match owned {
                        Some(text) => Cow::Owned(text + run),
                        None => Cow::Borrowed(run),
                    });
                }
                Some(b'\\') => {
                    self.offset += 1;
                    let text = owned.get_or_insert_default();
                    text.push_str(run);
                    text.push(self.escape()?);
                }
                _ => return Err(Error::syntax("`\"`", self.offset)),
            }
        }
    }

    /// The character that an escape stands for, its backslash left behind already.
    fn escape(&mut self) -> Result<char, Error> {
        let mark = self.peek_here();
        self.offset += 1;
        Ok(match mark {
            Some(mark @ (b'"' | b'\\' | b'/')) => char::from(mark),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hex()?;
                let code = if (0xd800..0xdc00).contains(&high) {
                    self.word("\\u")?;
                    let low = self.hex()?;
                    // A wrong second half gives no character below, as does a second half alone.
                    let low = if (0xdc00..0xe000).contains(&low) { low - 0xdc00 } else { u32::MAX >> 1 };
                    0x1_0000 + ((high - 0xd800) << 10) + low
                } else {
                    high
                };
                char::from_u32(code).ok_or_else(|| Error::syntax("a character's code", self.offset))?
            }
            _ => return Err(Error::syntax("an escape", self.offset - 1)),
        })
    }

    /// Four hexadecimal digits.
    fn hex(&mut self) -> Result<u32, Error> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek_here().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| Error::syntax("a hexadecimal digit", self.offset))?;
            self.offset += 1;
        }
        Ok(code)
    }
}

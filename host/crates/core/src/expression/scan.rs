//! Looks at an expression's letters without understanding it: enough to find its end in a text, and to refuse one that
//! is too deep before a recursive parser sees it. Iterative; never slower than linear.

use super::{MAX_NESTING, MAX_OPERATORS};

/// The bytes of an expression that are neither in a literal text nor in a comment, with their offsets.
pub(super) struct Code<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Code<'a> {
    /// From the beginning.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    /// Whether the letters just before a quote make its text a raw one.
    fn is_raw(&self) -> bool {
        let before = &self.text[..self.at];
        let word = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let word = &before[before.len() - word..];
        word.len() <= 2 && word.iter().all(|b| b"rRbB".contains(b)) && word.iter().any(|b| b"rR".contains(b))
    }

    fn skip_text(&mut self, quote: u8) {
        let raw = self.is_raw();
        let long = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        self.at += if long { 3 } else { 1 };
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' if !raw => self.at += 1,
                b'\n' if !long => return,
                _ if byte == quote && !long => {
                    self.at += 1;
                    return;
                }
                _ if byte == quote && self.peek(1) == Some(quote) && self.peek(2) == Some(quote) => {
                    self.at += 3;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.text.len();
    }
}

impl Iterator for Code<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.peek(0)? {
                quote @ (b'"' | b'\'') => self.skip_text(quote),
                b'/' if self.peek(1) == Some(b'/') => {
                    while self.peek(0).is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                byte => {
                    self.at += 1;
                    return Some((self.at - 1, byte));
                }
            }
        }
    }
}

/// Where the brace is that closes an expression which begins this text; `None` when there is none.
pub(super) fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    Code::new(text).find_map(|(at, byte)| match byte {
        b'{' => {
            open += 1;
            None
        }
        b'}' if open == 0 => Some(at),
        b'}' => {
            open -= 1;
            None
        }
        _ => None,
    })
}

/// Where an expression becomes deeper or larger than any parser is asked to read, and how to say that.
pub(super) fn too_deep(text: &str) -> Option<(usize, String)> {
    let (mut nesting, mut operators, mut word) = (0_usize, 0_usize, Vec::new());
    for (at, byte) in Code::new(text) {
        // `in` is the one operator that is a word.
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            word.push(byte);
            continue;
        }
        operators += usize::from(word == b"in");
        word.clear();
        match byte {
            b'(' | b'[' | b'{' => nesting += 1,
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        operators += usize::from(b"([{.?+-*/%!<>=&|".contains(&byte));
        if nesting > MAX_NESTING {
            return Some((at, format!("the expression is nested more than {MAX_NESTING} deep")));
        }
        if operators > MAX_OPERATORS {
            return Some((at, format!("the expression has more than {MAX_OPERATORS} operators")));
        }
    }
    None
}

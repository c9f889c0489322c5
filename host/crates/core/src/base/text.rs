//! A JSON string that stays where it is until somebody reads it.
//!
//! A prompt may be megabytes, and most requests are routed without looking at it. The literal is a
//! slice of the request body; unescaping happens on first read and is kept.

use std::sync::OnceLock;

use bytes::Bytes;
use bytestring::ByteString;

/// One JSON string literal, decoded on first use. Cheap to clone before and after.
#[derive(Clone, Debug)]
pub struct JsonText {
    literal: Bytes,
    decoded: OnceLock<ByteString>,
}

impl JsonText {
    /// Wraps a literal, quotes included. The caller has checked that it is one well-formed JSON string.
    pub fn from_literal(literal: Bytes) -> Self {
        debug_assert!(literal.len() >= 2 && literal[0] == b'"' && literal[literal.len() - 1] == b'"');
        Self { literal, decoded: OnceLock::new() }
    }

    /// Upper bound of the text's length in bytes; exact when nothing is escaped. Costs nothing.
    pub fn len_hint(&self) -> usize {
        self.literal.len().saturating_sub(2)
    }

    /// The text. Free of copies when the literal holds no escape; unescaped once otherwise.
    /// A lone surrogate, which JSON can spell and UTF-8 cannot, reads as U+FFFD.
    pub fn as_str(&self) -> &str {
        self.decoded.get_or_init(|| self.decode())
    }

    fn decode(&self) -> ByteString {
        let inner = self.literal.slice(1..self.literal.len().saturating_sub(1).max(1));
        if memchr::memchr(b'\\', &inner).is_none()
            && let Ok(text) = ByteString::try_from(inner)
        {
            return text;
        }
        serde_json::from_slice::<LossyText>(&self.literal).unwrap_or_default().0.into()
    }
}

/// The beginning of somebody else's text, to be recognised by in a message: at most `max` characters, control
/// characters left out.
pub fn excerpt(text: &str, max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(max).collect()
}

/// A JSON string read as text whatever it holds: a lone surrogate reads as U+FFFD. For what others
/// wrote and we only look at; the bytes that are forwarded stay theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LossyText(pub String);

impl<'de> serde::Deserialize<'de> for LossyText {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let bytes = reader.deserialize_bytes(Raw)?;
        Ok(Self(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(odd) => String::from_utf8_lossy(odd.as_bytes()).into_owned(),
        }))
    }
}

/// Reads a JSON string's bytes without asking that they be UTF-8.
struct Raw;

impl serde::de::Visitor<'_> for Raw {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_escaped_and_broken_literals() {
        let cases = [
            (r#""""#, ""),
            (r#""plain""#, "plain"),
            (r#""a\nb\u00e9""#, "a\nbé"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""x\ud800y""#, "x\u{FFFD}\u{FFFD}\u{FFFD}y"),
        ];
        for (literal, want) in cases {
            let text = JsonText::from_literal(Bytes::from_static(literal.as_bytes()));
            assert_eq!(text.as_str(), want, "{literal}");
            assert!(text.len_hint() >= want.len() || want.contains('\u{FFFD}'));
        }
    }

    #[test]
    fn a_literal_without_escapes_is_not_copied() {
        let literal = Bytes::from_static(br#""no copy""#);
        let text = JsonText::from_literal(literal.clone());
        assert_eq!(text.as_str().as_ptr(), literal[1..].as_ptr());
    }
}

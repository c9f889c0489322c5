//! Embeddings: read from a provider as far as they are counted, written for whoever answers without one.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use jackfield_core::base::LossyText;
use jackfield_core::contract::{Choice, Fault, FaultKind, Reply, Usage};

use crate::lenient::lenient;
use crate::openai::reply::WireUsage;
use crate::speech::not_a;

/// Reads a provider's answer and keeps its bytes. The vectors are not looked at.
///
/// # Errors
/// It is none.
pub fn read(bytes: Bytes) -> Result<Reply, Fault> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default, deserialize_with = "lenient")]
        model: Option<LossyText>,
        data: Vec<IgnoredAny>,
        #[serde(default, deserialize_with = "lenient")]
        usage: Option<WireUsage>,
    }
    let wire: Wire = serde_json::from_slice(&bytes).map_err(|e| not_a("a list of embeddings", &e))?;
    if wire.data.is_empty() {
        return Err(Fault::new(FaultKind::UpstreamBroken, "the provider's answer has no embeddings"));
    }
    Ok(Reply {
        id: String::new(),
        model: wire.model.unwrap_or_default().0,
        created: 0,
        choices: vec![Choice::default()],
        usage: wire.usage.map(Usage::from),
        wire: Some(bytes),
    })
}

/// Vectors to be written.
#[derive(Clone, Copy, Debug)]
pub struct Vectors<'a> {
    /// The model that made them.
    pub model: &'a str,
    /// One for each input, in order.
    pub vectors: &'a [Vec<f32>],
    /// Whether as base64 of little-endian floats, or as numbers.
    pub base64: bool,
}

/// Writes an answer.
pub fn render<'a>(answer: &Vectors<'a>, usage: Usage) -> Bytes {
    #[derive(Serialize)]
    struct Out<'a> {
        object: &'static str,
        data: Vec<OutVector<'a>>,
        model: &'a str,
        usage: OutUsage,
    }
    #[derive(Serialize)]
    struct OutVector<'a> {
        object: &'static str,
        index: usize,
        embedding: OutNumbers<'a>,
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum OutNumbers<'a> {
        Numbers(&'a [f32]),
        Base64(String),
    }
    #[derive(Serialize)]
    struct OutUsage {
        prompt_tokens: u64,
        total_tokens: u64,
    }
    let numbers = |vector: &'a [f32]| match answer.base64 {
        true => OutNumbers::Base64(base64(vector.iter().flat_map(|number| number.to_le_bytes()))),
        false => OutNumbers::Numbers(vector),
    };
    let data = answer.vectors.iter().enumerate();
    let out = Out {
        object: "list",
        data: data
            .map(|(index, vector)| OutVector { object: "embedding", index, embedding: numbers(vector) })
            .collect(),
        model: answer.model,
        usage: OutUsage { prompt_tokens: usage.input_tokens, total_tokens: usage.input_tokens },
    };
    // Serialising plain structs of strings and numbers cannot fail.
    Bytes::from(serde_json::to_vec(&out).unwrap_or_default())
}

/// RFC 4648's base64, padded.
fn base64(bytes: impl Iterator<Item = u8>) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = bytes.collect();
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            out.push(match digit <= group.len() {
                true => char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]),
                false => '=',
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_rfcs() {
        // The test vectors of RFC 4648, section 10.
        let rows = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (text, want) in rows {
            assert_eq!(base64(text.bytes()), want);
        }
        assert_eq!(base64([0xfb, 0xff, 0xfe].into_iter()), "+//+");
    }
}

//! Simulated embeddings: a unit vector for each input, the same for the same seed, model, input and dimensions. They say
//! nothing about meaning: texts that are alike lie no nearer to each other than others.

use jackfield_core::contract::{Call, Fault, FaultKind, Reply, Usage};
use jackfield_dialect::openai::embeddings::{Input, Vectors, read, render, wanted};

use super::{digest, fraction};

/// The numbers of a vector where the request does not say.
const DIMENSIONS: u64 = 8;
/// The most numbers of a vector, and of an answer.
const MAX_DIMENSIONS: u64 = 4_096;
const MAX_NUMBERS: u64 = 1 << 20;

/// Answers a request for embeddings.
pub(super) fn embed(name: &str, seed: u64, call: &Call) -> Result<Reply, Fault> {
    let refused = |field: &str, why: String| {
        Fault::new(FaultKind::UpstreamRefused, format!("`{name}` {why}")).with_param(field)
    };
    let request = &call.facts.request;
    let wanted = wanted(request);
    let dimensions = wanted.dimensions.unwrap_or(DIMENSIONS);
    if dimensions > MAX_DIMENSIONS || dimensions * wanted.inputs.len() as u64 > MAX_NUMBERS {
        let why =
            format!("makes vectors of at most {MAX_DIMENSIONS} numbers and answers of at most {MAX_NUMBERS}");
        return Err(refused("dimensions", why));
    }
    let base64 = match wanted.encoding.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(refused("encoding_format", "encodes as 'float' or 'base64'".to_owned())),
    };
    let vectors: Vec<Vec<f32>> =
        wanted.inputs.iter().map(|input| unit(seed, &call.model_id, input, dimensions)).collect();
    let usage = Usage { input_tokens: request.estimated_input_tokens(), ..Usage::default() };
    read(render(&Vectors { model: &call.model_id, vectors: &vectors, base64 }, usage))
}

fn unit(seed: u64, model: &str, input: &Input, dimensions: u64) -> Vec<f32> {
    // A text that looks like tokens is not the tokens.
    let (kind, text) = match input {
        Input::Text(text) => (&b"text "[..], text),
        Input::Tokens(tokens) => (&b"tokens "[..], tokens),
    };
    let mut dice = digest(seed, model, &[kind, text.as_bytes()].concat(), &[]);
    let numbers: Vec<f64> = (0..dimensions)
        .map(|place| {
            dice = digest(dice, "", &place.to_le_bytes(), &[]);
            // Never zero, so that no vector is without a length.
            2.0 * fraction(dice) - 1.0 + f64::EPSILON
        })
        .collect();
    let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "single floats are what embeddings are made of")]
    let single = |number: f64| (number / length) as f32;
    numbers.into_iter().map(single).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_and_differ_by_everything_they_depend_on() {
        let text = |text: &str| Input::Text(text.to_owned());
        let base = unit(7, "m", &text("[1]"), 8);
        for dimensions in [1, 8, 4_096] {
            let length: f64 =
                unit(7, "m", &text("a"), dimensions).iter().map(|n| f64::from(*n) * f64::from(*n)).sum();
            assert!((length - 1.0).abs() < 1e-4, "{dimensions}: {length}");
        }
        assert_eq!(base, unit(7, "m", &text("[1]"), 8));
        let others = [
            unit(8, "m", &text("[1]"), 8),
            unit(7, "n", &text("[1]"), 8),
            unit(7, "m", &text("[2]"), 8),
            unit(7, "m", &Input::Tokens("[1]".to_owned()), 8),
        ];
        assert!(others.iter().all(|other| *other != base), "{others:?}");
        assert!(base.iter().any(|n| *n > 0.0) && base.iter().any(|n| *n < 0.0), "{base:?}");
    }
}

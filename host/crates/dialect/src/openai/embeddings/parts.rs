//! Requests and answers taken apart by input, so that each input's vector can be kept and asked for by itself.
//!
//! A vector stays as its provider wrote it, to the byte, whatever its encoding. What is left of an answer without its vectors
//! is its shell: JSON with a `null` in each one's place, and with them put back the provider's own bytes. An answer that does
//! not say which vector is which input's has no parts.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use jackfield_core::base::ObjectEdit;
use jackfield_core::contract::{ChatRequest, Fault};

use super::request::{Kind, kind, parse};

/// In a vector's place.
const HOLE: &[u8] = b"null";

/// The inputs of a request that was parsed, each as JSON.
pub fn inputs(request: &ChatRequest) -> Vec<Bytes> {
    let raw = request.body.get("input").unwrap_or_default();
    match serde_json::from_slice::<Vec<&RawValue>>(&raw) {
        Ok(list) if list.first().is_some_and(|first| kind(first) != Kind::Token) => {
            list.iter().map(|entry| raw.slice_ref(entry.get().as_bytes())).collect()
        }
        _ => vec![raw],
    }
}

/// The same request for these inputs instead.
///
/// # Errors
/// They are none.
pub fn with_inputs(request: &ChatRequest, inputs: &[Bytes]) -> Result<ChatRequest, Fault> {
    let list: Vec<_> = inputs.iter().map(|input| String::from_utf8_lossy(input)).collect();
    let mut other = parse(request.body.edit(&[ObjectEdit::Set("input", format!("[{}]", list.join(",")))]))?;
    // What was understood of the first stays: a model's name may stand for a task.
    other.model.clone_from(&request.model);
    other.task.clone_from(&request.task);
    Ok(other)
}

/// An answer in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The vectors in the order of the inputs, each as JSON.
    pub vectors: Vec<Bytes>,
    /// The answer without them.
    pub shell: Bytes,
}

/// Takes an answer to so many inputs apart; nothing where it does not have one vector for each.
pub fn divide(wire: &Bytes, inputs: usize) -> Option<Parts> {
    let places = places(wire, inputs)?;
    let mut vectors = vec![Bytes::new(); inputs];
    let (mut shell, mut end) = (Vec::new(), 0);
    for (index, place) in places {
        *vectors.get_mut(index)? = wire.slice(place.clone());
        shell.extend_from_slice(wire.get(end..place.start)?);
        shell.extend_from_slice(HOLE);
        end = place.end;
    }
    shell.extend_from_slice(wire.get(end..)?);
    Some(Parts { vectors, shell: shell.into() })
}

/// The answer that these are the parts of.
pub fn fill(parts: &Parts) -> Option<Bytes> {
    let Parts { vectors, shell } = parts;
    let (mut wire, mut end) = (Vec::new(), 0);
    for (index, place) in places(shell, vectors.len())? {
        wire.extend_from_slice(shell.get(end..place.start)?);
        wire.extend_from_slice(vectors.get(index)?);
        end = place.end;
    }
    wire.extend_from_slice(shell.get(end..)?);
    Some(wire.into())
}

/// An answer made of vectors of several, in the order of the inputs, which took so many tokens together.
pub fn compose(model: &str, vectors: &[Bytes], tokens: u64) -> Bytes {
    #[derive(Serialize)]
    struct Tail<'a> {
        model: &'a str,
        usage: Used,
    }
    #[derive(Serialize)]
    struct Used {
        prompt_tokens: u64,
        total_tokens: u64,
    }
    let mut wire = br#"{"object":"list","data":["#.to_vec();
    for (index, vector) in vectors.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let entry = format!(r#"{comma}{{"object":"embedding","index":{index},"embedding":"#);
        wire.extend_from_slice(entry.as_bytes());
        wire.extend_from_slice(vector);
        wire.push(b'}');
    }
    let tail = Tail { model, usage: Used { prompt_tokens: tokens, total_tokens: tokens } };
    let tail = serde_json::to_vec(&tail).unwrap_or_default();
    wire.extend_from_slice(b"],");
    wire.extend_from_slice(tail.get(1..).unwrap_or_default());
    wire.into()
}

/// Where each input's vector stands, in the order of the bytes; nothing where not every input has just one.
fn places(wire: &Bytes, inputs: usize) -> Option<Vec<(usize, Range<usize>)>> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        data: Vec<One<'a>>,
    }
    #[derive(Deserialize)]
    struct One<'a> {
        index: Option<usize>,
        #[serde(borrow)]
        embedding: &'a RawValue,
    }
    let Wire { data } = serde_json::from_slice(wire).ok()?;
    let start = wire.as_ptr() as usize;
    let place = |(at, one): (usize, &One<'_>)| {
        let text = one.embedding.get();
        let from = (text.as_ptr() as usize).checked_sub(start)?;
        Some((one.index.unwrap_or(at), from..from + text.len()))
    };
    let places = data.iter().enumerate().map(place).collect::<Option<Vec<_>>>()?;
    let mut found: Vec<usize> = places.iter().map(|(index, _)| *index).collect();
    found.sort_unstable();
    (found.len() == inputs && found.iter().enumerate().all(|(at, index)| at == *index)).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> ChatRequest {
        parse(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    #[test]
    fn inputs_are_taken_apart_and_put_together() {
        for (input, want) in [
            (r#""a\nb""#, vec![r#""a\nb""#]),
            (r#"[ "a" ,"b"]"#, vec![r#""a""#, r#""b""#]),
            ("[1, 2]", vec!["[1, 2]"]),
            ("[[1, 2],[3]]", vec!["[1, 2]", "[3]"]),
        ] {
            let request = request(&format!(r#"{{"x":1.50,"input":{input},"model":"m","dimensions":3}}"#));
            let parts = inputs(&request);
            assert_eq!(parts, want, "{input}");
            let other = with_inputs(&request, &parts[..1]).unwrap();
            let body = format!(r#"{{"x":1.50,"input":[{}],"model":"m","dimensions":3}}"#, want[0]);
            assert_eq!(other.body.edit(&[]), body);
            assert_eq!(inputs(&other), &want[..1]);
        }
    }

    #[test]
    fn an_answer_is_its_shell_and_its_vectors_in_the_order_of_the_inputs() {
        let wire = Bytes::from_static(
            br#"{ "data":[{"embedding": [ 1.50e-1 ],"index":1, "x":2},{"index":0,"embedding":"AAAA"}],"model":"up" }"#,
        );
        let parts = divide(&wire, 2).unwrap();
        assert_eq!(parts.vectors, [&br#""AAAA""#[..], b"[ 1.50e-1 ]"]);
        assert_eq!(
            parts.shell,
            &br#"{ "data":[{"embedding": null,"index":1, "x":2},{"index":0,"embedding":null}],"model":"up" }"#[..]
        );
        assert_eq!(fill(&parts), Some(wire.clone()));
        for inputs in [0, 1, 3] {
            assert_eq!(divide(&wire, inputs), None, "{inputs}");
        }
        for broken in [r#"{"data":[{"index":1,"embedding":[1]}]}"#, r#"{"data":[{}]}"#, "{}", "x"] {
            assert_eq!(divide(&Bytes::from(broken), 1), None, "{broken}");
        }
        let twice =
            Bytes::from_static(br#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}"#);
        assert_eq!(divide(&twice, 2), None);
    }

    #[test]
    fn vectors_of_several_answers_are_one_list() {
        let vectors = [Bytes::from_static(b"[1.50]"), Bytes::from_static(br#""AAAA""#)];
        assert_eq!(
            compose("m \"x\"", &vectors, 7),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.50]},{"object":"embedding","index":1,"embedding":"AAAA"}],"model":"m \"x\"","usage":{"prompt_tokens":7,"total_tokens":7}}"#
        );
    }
}

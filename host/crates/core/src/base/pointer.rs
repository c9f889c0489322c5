//! JSON pointers (RFC 6901) into JSON text, without building a tree: only the path is parsed.

use serde_json::value::RawValue;

use super::JsonObject;
use bytes::Bytes;

/// The longest path followed, in steps.
const MAX_STEPS: usize = 64;

/// The JSON text of one value inside `json`; `None` when the path leads nowhere or is no pointer.
pub fn json_pointer(json: &Bytes, pointer: &str) -> Option<Bytes> {
    if pointer.is_empty() {
        return Some(json.clone());
    }
    let steps = pointer.strip_prefix('/')?.split('/');
    let mut at = json.clone();
    for (count, step) in steps.enumerate() {
        if count >= MAX_STEPS {
            return None;
        }
        at = match at.iter().find(|b| !b.is_ascii_whitespace())? {
            b'{' => JsonObject::parse(at).ok()?.get(&step.replace("~1", "/").replace("~0", "~"))?,
            b'[' => {
                let index: usize = index(step)?;
                let items: Vec<&RawValue> = serde_json::from_slice(&at).ok()?;
                at.slice_ref(items.get(index)?.get().as_bytes())
            }
            _ => return None,
        };
    }
    Some(at)
}

/// An array index as the RFC spells it: digits without a leading zero.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || (!step.starts_with('0') && step.bytes().all(|b| b.is_ascii_digit()));
    if plain { step.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_examples_of_the_rfc() {
        let json =
            Bytes::from_static(br#" {"foo":["bar","baz"],"":0,"a/b":1,"m~n":8,"deep":{"x":[{"y":1.50e1}]}}"#);
        let cases = [
            ("/foo", Some(r#"["bar","baz"]"#)),
            ("/foo/0", Some(r#""bar""#)),
            ("/", Some("0")),
            ("/a~1b", Some("1")),
            ("/m~0n", Some("8")),
            ("/deep/x/0/y", Some("1.50e1")),
            ("/foo/2", None),
            ("/foo/00", None),
            ("/foo/-", None),
            ("/foo/0/x", None),
            ("/none", None),
            ("foo", None),
        ];
        for (pointer, want) in cases {
            let got = json_pointer(&json, pointer);
            assert_eq!(got.as_deref(), want.map(str::as_bytes), "{pointer}");
        }
        assert_eq!(json_pointer(&json, ""), Some(json.clone()));
        assert_eq!(json_pointer(&json, &"/a".repeat(100)), None);
    }
}

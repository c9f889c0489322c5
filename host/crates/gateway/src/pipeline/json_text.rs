//! The JSON in what a model said: alone, in a code fence, or with prose around it. The text is cut, never written anew.
//!
//! A value inside of one that is broken is not taken: half an answer is none. Takes a time that is linear in the text
//! for each value that is looked at, and looks at no more than `MAX_STARTS`.

use serde::de::IgnoredAny;

/// Places in a text at which a value is looked for.
const MAX_STARTS: usize = 32;
const FENCE: &str = "```";

/// The values in a text, the likeliest first: all of the text, what a fence around it holds, then the objects and lists
/// in it, longest first.
pub(crate) fn json_in(text: &str) -> Vec<&str> {
    let all = text.trim();
    for whole in [Some(all), unfenced(all)].into_iter().flatten() {
        if serde_json::from_str::<IgnoredAny>(whole).is_ok() {
            return vec![whole];
        }
    }
    let mut found = Vec::new();
    let mut rest = all;
    for _ in 0..MAX_STARTS {
        let Some(at) = rest.find(['{', '[']) else { break };
        let from = rest.get(at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(from).into_iter::<IgnoredAny>();
        let length = match values.next() {
            Some(Ok(_)) => {
                let length = values.byte_offset();
                found.extend(from.get(..length));
                length
            }
            // It goes on behind what is said: it was cut off.
            Some(Err(error)) if error.is_eof() => break,
            // Something else in brackets; if they never close, what follows may be a piece of it.
            _ => match bracketed(from) {
                Some(length) => length,
                None => break,
            },
        };
        rest = from.get(length..).unwrap_or_default();
    }
    // A stable sort: of two as long, the first.
    found.sort_by_key(|value: &&str| std::cmp::Reverse(value.len()));
    found
}

/// What stands between a fence at the very beginning, with its language, and one at the very end.
fn unfenced(text: &str) -> Option<&str> {
    let (_, inside) = text.strip_prefix(FENCE)?.split_once('\n')?;
    Some(inside.strip_suffix(FENCE)?.trim())
}

/// How many bytes the brackets at the beginning of a text take, up to the one that closes the first. Those in quotes do not
/// count.
fn bracketed(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_where_models_put_it() {
        let rows: &[(&str, &[&str])] = &[
            (r#"{"a":1}"#, &[r#"{"a":1}"#]),
            (" \n[1, 2.50]\n", &["[1, 2.50]"]),
            ("42", &["42"]),
            ("\"a word\"", &["\"a word\""]),
            ("```json\n{\"a\": 1}\n```", &["{\"a\": 1}"]),
            ("```\n42\n```\n", &["42"]),
            ("Here it is:\n```json\n{\"a\": 1}\n```\nEnjoy!", &["{\"a\": 1}"]),
            (r#"Sure! {"a":{"b":"}"}} I hope it helps."#, &[r#"{"a":{"b":"}"}}"#]),
            (r#"As in [1], for {guests} guests: {"a":12}"#, &[r#"{"a":12}"#, "[1]"]),
            (r#"{"a":1} or {"b":2}"#, &[r#"{"a":1}"#, r#"{"b":2}"#]),
            (r#"{"a":"\ud800"}"#, &[r#"{"a":"\ud800"}"#]),
            ("", &[]),
            ("no JSON", &[]),
            ("The answer is 42.", &[]),
            // Half of one: nothing in it is taken for the whole.
            (r#"{"steps":[{"id":1},{"id":2}"#, &[]),
            (r#"Sure! {"steps":[{"id":1}]"#, &[]),
            (r#"{steps: [{"id":1}]}"#, &[]),
            (r#"{'a': {"b":1}}"#, &[]),
            (r#"{x: "\"}", y: {"b":1}}"#, &[]),
            (r#"{ {"a":1}"#, &[]),
            ("}{", &[]),
            ("ä{é}ö{\"ü\":1}", &["{\"ü\":1}"]),
        ];
        for (text, want) in rows {
            assert_eq!(json_in(text), *want, "{text}");
        }
    }

    #[test]
    fn what_nests_without_end_is_given_up() {
        let deep = "[".repeat(1 << 20);
        assert!(json_in(&deep).is_empty());
        assert!(json_in(&"[x] ".repeat(1 << 18)).is_empty());
        assert_eq!(json_in(&"[0] ".repeat(1 << 18)).len(), MAX_STARTS);
    }
}

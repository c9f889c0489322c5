use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn parse(text: &str) -> Result<JsonObject, ObjectError> {
    JsonObject::parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn edited(text: &str, edits: &[ObjectEdit]) -> String {
    String::from_utf8(parse(text).unwrap().edit(edits).to_vec()).unwrap()
}

#[test]
fn edits_leave_every_other_byte_alone() {
    let set = |name, value: &str| ObjectEdit::Set(name, value.to_owned());
    let cases: &[(&str, Vec<ObjectEdit>, &str)] = &[
        (r#"{ "a" : 1.0e+30 , "m":"x" }"#, vec![set("m", r#""y""#)], r#"{ "a" : 1.0e+30 , "m":"y" }"#),
        (
            r#"{"n":12345678901234567890123,"m":1}"#,
            vec![set("z", "true")],
            r#"{"n":12345678901234567890123,"m":1,"z":true}"#,
        ),
        (r#"{"a":1, "b":2, "c":3}"#, vec![ObjectEdit::Remove("a")], r#"{"b":2, "c":3}"#),
        (r#"{"a":1, "b":2, "c":3}"#, vec![ObjectEdit::Remove("b")], r#"{"a":1, "c":3}"#),
        (r#"{"a":1, "b":2, "c":3 }"#, vec![ObjectEdit::Remove("c")], r#"{"a":1, "b":2 }"#),
        (r#"{"a":1}"#, vec![ObjectEdit::Remove("a"), set("b", "2")], r#"{"b":2}"#),
        (r#"{"a":1,"b":2}"#, vec![ObjectEdit::Remove("b"), set("c", "3")], r#"{"a":1,"c":3}"#),
        (" {} \n", vec![set("b", "2"), set("c", "3")], " {\"b\":2,\"c\":3} \n"),
        (r#"{"a\u0062":1}"#, vec![set("ab", "2")], r#"{"ab":2}"#),
        (r#"{"a":1}"#, vec![ObjectEdit::Remove("zz")], r#"{"a":1}"#),
    ];
    for (text, edits, want) in cases {
        let want = want.replace(r#"{"ab":2}"#, r#"{"a\u0062":2}"#);
        assert_eq!(edited(text, edits), want, "{text}");
    }
}

#[test]
fn no_edit_shares_the_memory() {
    let body = Bytes::from_static(br#"{"a":1}"#);
    let same = JsonObject::parse(body.clone()).unwrap().edit(&[]);
    assert_eq!(same.as_ptr(), body.as_ptr());
}

#[test]
fn refuses_what_two_parsers_would_read_differently() {
    for bad in
        [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, "[]", "1", "", "{", r#"{"a":1} x"#, r#"{"a":01}"#]
    {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert!(matches!(
        JsonObject::parse(Bytes::from_static(b"{\"a\":\"\xff\"}")),
        Err(ObjectError::NotUtf8 { at: 6 })
    ));
    let wide: Map<String, Value> = (0..=MAX_FIELDS).map(|i| (i.to_string(), json!(0))).collect();
    assert!(matches!(parse(&Value::Object(wide).to_string()), Err(ObjectError::TooMany)));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,4}", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Splicing means what editing a parsed map means.
    #[test]
    fn an_edit_is_the_same_edit_on_the_parsed_map(
        fields in prop::collection::hash_map("[a-dé\"]{0,3}", value(), 0..6),
        set in prop::sample::select(vec!["a", "b", "ab"]),
        remove in prop::sample::subsequence(vec!["b", "c", "d", "cd", "dc", ""], 0..6),
        pretty in any::<bool>(),
    ) {
        prop_assume!(!remove.contains(&set));
        let map: Map<String, Value> = fields.into_iter().collect();
        let whole = Value::Object(map.clone());
        let text = if pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) }.unwrap();
        let mut edits: Vec<_> = remove.iter().map(|name| ObjectEdit::Remove(name)).collect();
        edits.push(ObjectEdit::Set(set, "42".into()));
        let got = edited(&text, &edits);
        let mut want = map;
        want.insert(set.into(), json!(42));
        for name in remove {
            want.remove(name);
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), Value::Object(want));
    }

    /// Arbitrary bytes are refused or parsed, never a panic.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(object) = JsonObject::parse(Bytes::from(bytes)) {
            object.edit(&[ObjectEdit::Set("m", "1".into()), ObjectEdit::Remove("a")]);
        }
    }
}

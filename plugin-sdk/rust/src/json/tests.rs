//! The reader against `serde_json`: what one takes the other takes, and both read the same.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::from_str;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    #[serde(default)]
    limits: Vec<Limit>,
    mode: Option<Mode>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Limit {
    high: u32,
    #[serde(default)]
    share: f64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Plain,
    Scaled(f64),
    Named { name: String },
}

fn fault(json: &str) -> String {
    from_str::<Settings>(json).expect_err("it does not fit").to_string()
}

#[test]
fn errors_say_where_and_what() {
    assert_eq!(fault(r#"{}"#), "missing field `name`");
    assert_eq!(fault(r#"{"name": 1}"#), "name: expected a string, found `1`");
    assert_eq!(fault(r#"{"name": 1.5}"#), "name: expected a string, found a number with a fraction");
    assert_eq!(
        fault(r#"{"name": "x", "limits": [{"high": 1}, {"high": "2"}]}"#),
        "limits.1.high: expected u32, found the text `2`"
    );
    assert_eq!(fault(r#"{"name": "x", "limits": [{}]}"#), "limits.0: missing field `high`");
    assert_eq!(fault(r#"{"nome": "x"}"#), "unknown field `nome`, expected one of `name`, `limits`, `mode`");
    assert_eq!(
        fault(r#"{"name": "x", "mode": "odd"}"#),
        "mode: unknown variant `odd`, expected one of `plain`, `scaled`, `named`"
    );
    assert_eq!(fault(r#"{"name": "x" "mode""#), "expected `,` or `}` at byte 13");
    assert_eq!(fault(r#"{"name": "x"} x"#), "expected the end at byte 14");
}

#[test]
fn every_kind_of_value_is_read() {
    for mode in [
        r#""plain""#,
        r#"{"plain": null}"#,
        r#"{"scaled": 0.1}"#,
        r#"{"named": {"name": "é\n\ud83d\ude00"}}"#,
    ] {
        let json =
            format!(r#" {{"name": "a\"b", "limits": [{{"high": 7, "share": 25e-2}}], "mode": {mode}}} "#);
        let read: Settings = from_str(&json).expect("it fits");
        assert_eq!(read, serde_json::from_str(&json).expect("it fits"), "{json}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let wrong = [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e999",
        "nul",
        "\"\n\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\u12\"",
        "{1:2}",
        "tru",
        "-",
        "\"",
        &deep,
    ];
    for json in wrong {
        assert!(from_str::<Value>(json).is_err(), "{json} was taken");
        assert!(serde_json::from_str::<Value>(json).is_err(), "{json} is JSON after all");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Fifteen digits and a power of ten within ±22: what is promised to be exact.
        (-999_999_999_999_999_i64..1_000_000_000_000_000, -22_i32..7).prop_map(|(digits, power)| {
            format!("{digits}.0e{power}").parse::<f64>().map_or(Value::Null, Value::from)
        }),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_what_serde_json_writes(value in value()) {
        let (plain, pretty) = (value.to_string(), serde_json::to_string_pretty(&value).unwrap());
        prop_assert_eq!(&from_str::<Value>(&plain).unwrap(), &value);
        prop_assert_eq!(&from_str::<Value>(&pretty).unwrap(), &value);
    }

    #[test]
    fn takes_what_serde_json_takes(json in r#"[\[\]{},:"\\u0-9eE.+\-tfn a-d\n]{0,12}"#) {
        let (ours, theirs) = (from_str::<Value>(&json), serde_json::from_str::<Value>(&json));
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?} {:?}", json, ours, theirs);
    }

    #[test]
    fn floats_are_right_but_for_the_last_bits(float in any::<f64>().prop_filter("finite", |f| f.is_normal())) {
        let read: f64 = from_str(&format!("{float:e}")).unwrap();
        prop_assert!(((read - float) / float).abs() < 1e-14, "{float:e} read as {read:e}");
    }
}

//! The cache at its boundary: keys, ages, bounds, settings.

use std::time::{Duration, Instant};

use bytes::Bytes;
use jackfield_core::config::Config;
use jackfield_core::contract::{Choice, Chunk, Reply};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn settings(text: &str) -> Settings {
    let text = format!("orchestrator: {{ cache: {{ enabled: true, {text} }} }}");
    let config = Config::from_text("test", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
    *config.orchestrator().cache()
}

fn cache(text: &str) -> Cache {
    let cache = Cache::default();
    cache.configure(&settings(text));
    cache
}

fn key(number: u64) -> CacheKey {
    KeyBuilder::default().part("n", number.to_le_bytes()).finish()
}

fn given() -> Given {
    Given { request: "req_1".into(), created: 1, model: Some("m".into()), provider: None, score: None }
}

fn says(text: &str, at: Instant) -> Entry {
    let choice = Choice { text: Some(text.to_owned()), ..Choice::default() };
    let reply = Reply {
        id: "1".into(),
        model: "m".into(),
        created: 1,
        choices: vec![choice],
        usage: None,
        wire: Some(Bytes::from(text.to_owned())),
    };
    Entry::new(given(), Kept::Whole(reply), at)
}

#[test]
fn an_answer_is_there_until_it_is_as_old_as_it_may_be() {
    let (cache, now) = (cache("ttl: 10s"), Instant::now());
    let later = |seconds| now + Duration::from_secs(seconds);
    let there =
        |at, most: Option<u64>| cache.get(&key(1), later(at), most.map(Duration::from_secs)).is_some();
    cache.keep(key(1), says("a", now));
    assert!(there(0, None) && there(9, None) && cache.get(&key(2), now, None).is_none());
    assert!(there(4, Some(5)) && !there(5, Some(5)), "what was asked for is younger");
    assert!(there(9, None), "that looked for a younger one and threw nothing away");
    assert!(!there(10, None));
    assert!(!there(0, None), "it has gone");
}

#[test]
fn settings_hold_at_once_and_what_they_allow_stays() {
    let (cache, now) = (Cache::default(), Instant::now());
    cache.keep(key(1), says("a", now));
    assert_eq!((cache.get(&key(1), now, None).is_none(), cache.most()), (true, 0), "nothing is kept unasked");
    cache.configure(&settings("ttl: 1h"));
    cache.keep(key(1), says("a", now));
    cache.configure(&settings("ttl: 1h, max_size: 1MiB"));
    assert!(cache.get(&key(1), now, None).is_some(), "another bound forgets nothing that fits");
    assert_eq!(cache.most(), 1 << 20);
    cache.configure(&settings("ttl: 5s"));
    assert!(cache.get(&key(1), now + Duration::from_secs(4), None).is_some());
    assert!(
        cache.get(&key(1), now + Duration::from_secs(5), None).is_none(),
        "the new ttl is for old answers too"
    );
    cache.keep(key(1), says("a", now));
    cache.configure(&Settings::default());
    cache.configure(&settings("ttl: 1h"));
    assert!(cache.get(&key(1), now, None).is_none(), "switched off, it forgot");
}

#[test]
fn the_bytes_that_are_held_are_bounded_and_a_giant_is_not_taken() {
    let (cache, now) = (cache("max_size: 1MiB"), Instant::now());
    let text = "x".repeat(16 << 10);
    for number in 0..1_000 {
        cache.keep(key(number), says(&text, now));
    }
    let size = cache.size();
    assert!(size.bytes <= 1 << 20 && (20..=31).contains(&size.entries), "{size:?}");
    assert_eq!(size.evicted, 1_000 - size.entries);
    // The text stands in it twice: read, and as it came.
    assert!(size.bytes >= size.entries * (32 << 10), "{size:?}");
    cache.keep(key(2_000), says(&"x".repeat(600 << 10), now));
    assert!(cache.get(&key(2_000), now, None).is_none());
    let roomy = self::cache("max_size: 1GiB");
    roomy.keep(key(1), says(&"x".repeat(MAX_ENTRY / 2), now));
    assert!(roomy.get(&key(1), now, None).is_none(), "one answer takes 8 MiB at most");
    roomy.keep(key(1), says(&"x".repeat(MAX_ENTRY / 2 - 2_048), now));
    assert!(roomy.get(&key(1), now, None).is_some());
}

#[test]
fn what_is_kept_holds_no_buffer_but_its_own() {
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let chunk = Chunk { wire: Some(large.slice(10..20)), ..Chunk::default() };
    let entry = Entry::new(given(), Kept::Stream(vec![chunk]), Instant::now());
    let Kept::Stream(chunks) = entry.kept() else { panic!("a stream") };
    let wire = chunks[0].wire.as_ref().unwrap();
    assert_eq!(wire.as_ref(), [b'x'; 10]);
    let inside = large.as_ptr_range().contains(&wire.as_ptr());
    assert!(!inside, "the provider's buffer would be held too");
    assert!(entry.weight() < 2_048);
}

/// How a value may be written.
fn written(value: &Value, reversed: bool, space: &str) -> String {
    match value {
        Value::Object(members) => {
            let mut all: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    format!("{space}{}{space}:{}", json!(name), written(value, reversed, space))
                })
                .collect();
            if reversed {
                all.reverse();
            }
            format!("{{{}{space}}}", all.join(","))
        }
        Value::Array(list) => {
            let all: Vec<String> = list.iter().map(|value| written(value, reversed, space)).collect();
            format!("[{space}{}]", all.join(&format!("{space},")))
        }
        Value::String(text) if reversed => {
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{escaped}\"")
        }
        other => format!("{space}{other}{space}"),
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-4i64..4).prop_map(Value::from),
        "[a-c\\\\\"{}\\[\\],: é😀]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_way_a_value_is_written_does_not_count_and_every_value_does(one in values(), other in values()) {
        let of = |text: &str| digest(text.as_bytes()).unwrap();
        let plain = of(&one.to_string());
        prop_assert_eq!(plain, of(&written(&one, true, "")));
        prop_assert_eq!(plain, of(&written(&one, true, " \n\t")));
        prop_assert_eq!(plain, of(&written(&one, false, " ")));
        prop_assert_eq!(one == other, plain == of(&other.to_string()), "{} {}", one, other);
        // The same a level down, where two could be told apart by less.
        let down = |value: &Value| of(&json!({ "a": [value, 1], "b": value }).to_string());
        prop_assert_eq!(one == other, down(&one) == down(&other));
    }
}

#[test]
fn values_that_differ_have_digests_that_differ() {
    let rows: &[&str] = &[
        "12345678901234567890123",
        "12345678901234567890124",
        "0.1",
        "0.10000000000000001",
        "1",
        "1.0",
        "\"1\"",
        "[1]",
        "[[1]]",
        "[1,1]",
        "[11]",
        "{\"a\":1}",
        "{\"a\":[1]}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":2,\"a\":1}",
        "{}",
        "[]",
        "\"\"",
        "null",
        "\"null\"",
        "\"\\ud800\"",
        "\"\\\\ud800\"",
        "[\"a\",\"b\"]",
        "[\"a\\\",\\\"b\"]",
    ];
    for (at, one) in rows.iter().enumerate() {
        for other in &rows[at + 1..] {
            assert_ne!(digest(one.as_bytes()).unwrap(), digest(other.as_bytes()).unwrap(), "{one} {other}");
        }
    }
    for none in ["", " ", "{", "[1", "\"a", "{\"a\"}", "1 2", "{a:1}"] {
        assert_eq!(digest(none.as_bytes()), None, "{none}");
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(digest(nested(100).as_bytes()).is_some());
    assert_eq!(digest(nested(1_000_000).as_bytes()), None);
}

#[test]
fn parts_of_a_key_do_not_run_into_each_other() {
    let new = KeyBuilder::default;
    let keys = [
        new().finish(),
        new().part("a", "").finish(),
        new().part("a", "b").finish(),
        new().part("ab", "").finish(),
        new().part("a", "b").part("c", "d").finish(),
        new().part("a", "bc").part("", "d").finish(),
        new().maybe("a", None::<&str>).finish(),
        new().maybe("a", Some("")).finish(),
    ];
    for (at, one) in keys.iter().enumerate() {
        assert!(!keys[at + 1..].contains(one), "{at}");
    }
}

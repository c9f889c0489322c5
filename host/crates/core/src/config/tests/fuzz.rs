//! No text makes the room panic, hang or contradict itself.

use proptest::prelude::*;

use super::*;

/// Pieces that configurations are made of, so that random texts get deep into the checks.
const PIECES: &[&str] = &[
    "server",
    "providers",
    "models",
    "keys",
    "orchestrator",
    "plugins",
    "telemetry",
    "routes",
    "task",
    "model",
    "kind",
    "openai",
    "simulated",
    "listen",
    "limits",
    "drain",
    "settings",
    "config",
    "gpt-4o",
    "${A}",
    "${",
    "$${",
    "30s",
    "1e999",
    ".nan",
    "~",
    "null",
    "-1",
    "0x1F",
    "1_000",
    "'",
    "\"",
    ": ",
    ":",
    "- ",
    "-",
    ",",
    "{",
    "}",
    "[",
    "]",
    "\n",
    "\n  ",
    "\n    ",
    "\t",
    "#",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "é",
    "\u{FEFF}",
    "\r\n",
    "\r",
    "\u{85}",
    "\u{2028}",
    "\0",
    "api_key: ",
    "<<: ",
];

fn check(text: &str) {
    match with(text, &[("A", "alpha"), ("OPENAI_API_KEY", "k")]) {
        Ok(config) => assert!(config.show().is_ok()),
        Err(report) => {
            let shown = format!("{report}{}", report.to_graphical());
            assert!(!report.faults().is_empty());
            assert!(
                !shown.contains("the file cannot be read: "),
                "schema and types differ:\n{text}\n{shown}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn pieces(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..60)) {
        check(&pieces.concat());
    }

    /// The default with one stretch of it replaced: most of it is in order.
    #[test]
    fn mutations(at in any::<prop::sample::Index>(), cut in 0_usize..20, piece in proptest::sample::select(PIECES)) {
        let chars: Vec<char> = Config::default_text().chars().collect();
        let at = at.index(chars.len());
        let text: String = chars[..at].iter().copied().chain(piece.chars()).chain(chars.iter().copied().skip(at + cut)).collect();
        check(&text);
    }

    /// Any JSON value in the place of any value of the default.
    #[test]
    fn values(at in any::<prop::sample::Index>(), value in value()) {
        let mut document: serde_json::Value = serde_yaml::from_str(Config::default_text()).unwrap();
        let mut pointers = Vec::new();
        list(&document, String::new(), &mut pointers);
        let pointer: &String = at.get(&pointers);
        *document.pointer_mut(pointer).unwrap() = value;
        check(&document.to_string());
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        (0_u64..20).prop_map(|n| json!(n)),
        (0_u32..9).prop_map(|n| json!(f64::from(n))),
        any::<u64>().prop_map(|n| json!(n)),
        "[a-z0-9-]{0,8}".prop_map(|t| json!(t)),
        "\\PC{0,12}".prop_map(|t| json!(t)),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|v| json!(v)),
            proptest::collection::btree_map("[a-z_]{1,8}", inner, 0..3).prop_map(|m| json!(m)),
        ]
    })
}

fn list(value: &serde_json::Value, at: String, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(name, member)| list(member, format!("{at}/{name}"), into));
        }
        serde_json::Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, e)| list(e, format!("{at}/{index}"), into));
        }
        _ => {}
    }
    into.push(at);
}

/// Nesting and repetition are where parsers blow up; these are the shapes known to do it.
#[test]
fn known_bombs_are_refused_quickly() {
    let started = std::time::Instant::now();
    let flow = "[".repeat(500_000);
    let maps = "{a: ".repeat(200_000);
    let dashes = "- ".repeat(500_000);
    let question = "? ".repeat(500_000);
    let keys: String = (0..60_000).map(|n| format!("k{n}: 1\n")).collect();
    let same = "k: 1\n".repeat(150_000);
    let nulls: String = format!("keys:\n{}", "  -\n".repeat(100_000));
    let quotes = format!("a: \"{}", "x\n".repeat(400_000));
    for bomb in [&flow, &maps, &dashes, &question, &keys, &same, &nulls, &quotes] {
        assert!(parse(bomb).is_err(), "{}", &bomb[..20]);
    }
    // Unoptimised, on a shared machine: the bound is against minutes, not milliseconds.
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
}

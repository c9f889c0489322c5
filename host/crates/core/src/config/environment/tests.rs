//! What `${…}` becomes.

use super::*;

fn expanded(text: &str) -> String {
    let environment = |name: &str| match name {
        "A" => Some("alpha".to_owned()),
        "NESTED" => Some("${A}".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    match expand(text, &environment, false) {
        Ok((text, _)) => text,
        Err(Problem::Missing(name)) => format!("missing {name}"),
        Err(Problem::Malformed(what)) => format!("malformed: {what}"),
    }
}

#[test]
fn variables_defaults_and_literals() {
    for (text, want) in [
        ("${A}", "alpha"),
        ("x-${A}-${A}", "x-alpha-alpha"),
        ("${B:-beta}", "beta"),
        ("${B:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-full}", "full"),
        ("$A and $", "$A and $"),
        ("$${A} ${A}", "${A} alpha"),
        // A value is never read again: what is in the environment cannot ask for more of it.
        ("${NESTED}", "${A}"),
        ("${B}", "missing B"),
        ("${A", "malformed: the closing `}` is missing"),
        ("${}", "malformed: `` is not a variable's name"),
        ("${plan.output}", "malformed: `plan.output` is not a variable's name"),
    ] {
        assert_eq!(expanded(text), want, "{text}");
    }
}

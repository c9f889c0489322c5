//! `plugin test` and `plugin new` from the outside. What the kits' tools build is tried by `tests/kits/run`.

use std::fs;

use serde_json::{Value, json};

use super::{folder, jackfield};

/// Limits are generous: the machine may be busy.
const TEST: [&str; 5] = ["plugin", "test", "plugins/urgent-router.wasm", "--config-file", "jackfield.yaml"];

const PASSING: &str = "
models: { fast-model: { tags: [fast] }, smart-model: {} }
cases:
  - { name: urgent, prompt: this is urgent, expect: { route: [fast-model], mentions: [urgent] } }
  - { name: later, prompt: take your time, expect: { abstain: true } }
  - { name: set, prompt: take your time, config: { otherwise: smart-model }, expect: { route: [smart-model] } }
  - { name: unknown, prompt: urgent, config: { model: nowhere }, expect: { fault: invalid_decision, mentions: [nowhere] } }
  - { name: misspelt, prompt: urgent, config: { keywrod: x }, expect: { fault: bad_config, mentions: [keywrod] } }
  - { name: once more, prompt: urgent, expect: { route: [fast-model] } }
";

fn test(cases: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = folder();
    fs::write(folder.path().join("plugins/cases.yaml"), cases).unwrap();
    let output = jackfield(&folder, &[&TEST, arguments].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn cases_that_hold_pass() {
    let (code, out, err) = test(PASSING, &[]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("ok      urgent: route to fast-model\n"), "{out}");
    assert!(out.contains("ok      misspelt: fault bad_config: "), "{out}");
    assert!(out.ends_with("urgent-router: 6 passed, 0 failed\n"), "{out}");
}

#[test]
fn a_case_that_does_not_hold_is_told_with_both_sides() {
    let cases = PASSING.replace("expect: { abstain: true }", "expect: { route: [smart-model] }");
    let (code, out, err) = test(&cases, &[]);
    assert_eq!((code, err.as_str()), (1, "error: test urgent-router: 1 of 6 failed\n"), "{out}");
    let told = "\nlater\n  outcome\n    expected  route to smart-model\n    got       abstain: the next rule decides\n";
    assert!(out.contains(told) && out.contains("FAILED  later"), "{out}");

    let (code, out, _) = test(&cases, &["--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["passed"], &told["failed"]), (1, &json!(5), &json!(1)));
    assert_eq!(told["cases"][1]["differences"][0]["of"], "outcome");
    assert_eq!(told["cases"][0]["said"]["decision"]["targets"][0]["model"], "fast-model");
}

#[test]
fn what_cannot_be_tried_is_told() {
    for (cases, said) in [
        ("cases:\n  - { name: a, prompt: x, expct: {} }\n", ["plugins/cases.yaml", "expct", "line 2"]),
        (
            "cases:\n  - { name: a, prompt: x, response: y, expect: { verdict: accept } }\n",
            ["no validator", "leave out `response`", "case `a`"],
        ),
        (
            "cases:\n  - { name: a, request: { messages: 7 }, expect: { abstain: true } }\n",
            ["understand its request", "messages", "case `a`"],
        ),
        (
            "cases:\n  - { name: a, prompt: x, headers: { 'a b': x }, expect: { abstain: true } }\n",
            ["a b", "no header", "case `a`"],
        ),
    ] {
        let (code, out, err) = test(cases, &[]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(said.iter().all(|said| err.contains(said)), "{err}");
    }
    let folder = folder();
    let output = jackfield(&folder, &TEST);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("plugins/cases.yaml") && err.contains("plugins/urgent-router/cases.yaml"), "{err}");
}

#[test]
fn models_are_as_the_case_has_them() {
    let folder = folder();
    let cases = "
models: { a: { price: { input: 1, output: 1 } }, b: { price: { input: 2, output: 2 }, capabilities: [tools] } }
cases:
  - { name: cheap, prompt: hi, config: { candidates: 1 }, expect: { route: [a] } }
  - { name: down, prompt: hi, models: { a: { healthy: false } }, expect: { route: [b] } }
  - { name: able, request: { messages: [{ role: user, content: hi }], tools: [{ type: function, function: { name: f } }] }, expect: { route: [b] } }
";
    fs::write(folder.path().join("cases.yaml"), cases).unwrap();
    let arguments = [
        "plugin",
        "test",
        "plugins/cheapest-capable.wasm",
        "--cases",
        "cases.yaml",
        "--config-file",
        "jackfield.yaml",
    ];
    let output = jackfield(&folder, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_new_plugin_is_written_once() {
    let folder = folder();
    let output = jackfield(&folder, &["plugin", "new", "--lang", "rust", "mine"]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success()
            && out.ends_with("\n\n  cd mine\n  jackfield plugin test\n  jackfield plugin build\n"),
        "{out}"
    );
    assert!(folder.path().join("mine/cases.yaml").is_file());
    let again = jackfield(&folder, &["plugin", "new", "--lang", "rust", "mine"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("not empty"));
    for wrong in [["--lang", "cobol", "x"], ["--lang", "rust", "../x"]] {
        let output = jackfield(&folder, &[&["plugin", "new"], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

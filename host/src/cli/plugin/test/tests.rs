//! The format of cases, and what is told of a difference. That cases run is tested where components are: `tests/`.

use jackfield_core::contract::{Decision, Routing, Target, Validation, Verdict};

use super::cases::Cases;
use super::outcome::Seen;
use super::stage::Stage;
use jackfield_core::contract::{BudgetScope, Caller, HostView as _};

fn case(rest: &str) -> Result<Cases, String> {
    Cases::of(&format!("cases:\n  - {{ name: one, {rest} }}\n"))
}

fn differences(expect: &str, seen: &Seen) -> Vec<String> {
    let response = if expect.contains("verdict") { "response: x, " } else { "" };
    let cases = case(&format!("prompt: hi, {response}expect: {{ {expect} }}")).unwrap();
    let found = seen.differences(&cases.cases[0].expect);
    found.into_iter().map(|one| format!("{}: {} / {}", one.of, one.expected, one.got)).collect()
}

#[test]
fn a_fault_in_the_file_names_its_line_and_what_could_stand_there() {
    for (text, said) in [
        ("cases:\n  - name: one\n    promt: hi\n", ["promt", "line 3", "`prompt`"]),
        ("cases:\n  - name: one\n    prompt: hi\n    expect: { rute: [a] }\n", ["rute", "line 4", "`route`"]),
        ("models: { a: { prices: 1 } }\ncases: []\n", ["prices", "line 1", "`price`"]),
        (
            "cases:\n  - { name: one, prompt: hi, response: { txt: x }, expect: { verdict: accept } }\n",
            ["txt", "line 2", "`text`"],
        ),
        ("cases:\n  - { name: one, expect: { abstain: true } }\n", ["line 2", "case `one`", "`prompt`"]),
        (
            "cases:\n  - { name: one, prompt: hi, expect: { fault: trapp } }\n",
            ["line 2", "`fault: trapp`", "trap, "],
        ),
        (
            "cases:\n  - { name: one, prompt: hi, expect: { reason: x } }\n",
            ["line 2", "exactly one of", "`route`"],
        ),
        (
            "cases:\n  - { name: one, prompt: hi, expect: { verdict: accept } }\n",
            ["line 2", "case `one`", "needs a `response`"],
        ),
        (
            "cases:\n  - { name: one, prompt: hi, response: x, expect: { abstain: true } }\n",
            ["line 2", "`verdict`", "leave the response out"],
        ),
        (
            "cases:\n  - { name: one, prompt: hi, stream: [x], expect: { verdict: accept } }\n",
            ["line 2", "a `stream` is watched", "`delivers`"],
        ),
        ("cases: []\n", ["there", "are no", "`cases`"]),
    ] {
        let error = Cases::of(text).expect_err(text);
        assert!(said.iter().all(|said| error.contains(said)), "{text}\n{error}");
    }
}

#[test]
fn what_is_as_expected_is_not_told() {
    let routing = Routing {
        decision: Decision::Route(vec![Target::model("a"), Target::model("b")]),
        reason: "why not".into(),
        labels: vec![("x".into(), "1".into()), ("x".into(), "2".into())],
    };
    let seen = Seen::of_routing(routing);
    for expect in
        ["route: [a, b]", "route: [a, {model: b}], labels: {x: '2'}, reason: why not, mentions: [why]"]
    {
        assert_eq!(differences(expect, &seen), [""; 0], "{expect}");
    }
    let validation =
        Validation { verdict: Verdict::Repair("be kind".into()), score: Some(0.5), ..Validation::accept() };
    let seen = Seen::of_validation(&validation);
    assert_eq!(
        differences("verdict: repair, text: be kind, score: 0.5, issues: [], mentions: [kind]", &seen),
        [""; 0]
    );
}

#[test]
fn a_streamed_answer_is_what_reached_the_client() {
    let of = |expect: &str, seen: &Seen| {
        let cases = case(&format!("prompt: hi, stream: [a, b], expect: {{ {expect} }}")).unwrap();
        seen.differences(&cases.cases[0].expect).len()
    };
    let (whole, stopped) = (Seen::of_delivered("ab".into()), Seen::of_stopped("a".into(), vec!["b".into()]));
    assert_eq!([of("delivers: ab", &whole), of("delivers: a", &whole)], [0, 1]);
    assert_eq!(of("verdict: reject, issues: [b], text: a", &stopped), 0);
    assert_eq!(of("delivers: a", &stopped), 1);
    assert_eq!([stopped.to_string(), whole.to_string()], ["reject: b", "delivers \"ab\""]);
}

#[test]
fn every_difference_is_told() {
    let target = Target::model("a");
    let routing =
        Routing { decision: Decision::Route(vec![target]), reason: String::new(), labels: Vec::new() };
    let seen = Seen::of_routing(routing);
    for (expect, told) in [
        ("route: [b]", vec!["outcome: route to b / route to a"]),
        ("route: [a, b]", vec!["outcome: route to a, else b / route to a"]),
        ("route: [{model: a, temperature: 0.2}]", vec!["outcome: route to a (temperature 0.2) / route to a"]),
        ("abstain: true", vec!["outcome: abstain / route to a"]),
        ("reject: forbidden", vec!["outcome: reject (forbidden) / route to a"]),
        ("respond: hi", vec!["outcome: respond: \"hi\" / route to a"]),
        ("fault: trap", vec!["outcome: fault trap / route to a"]),
        ("route: [a], reason: b", vec!["reason: \"b\" / nothing"]),
        ("route: [a], labels: {x: y}", vec!["label x: \"y\" / nothing"]),
        (
            "route: [a], mentions: [z]",
            vec!["mentions: \"z\" in the text, the reason or an issue / route to a"],
        ),
        (
            "route: [a], text: t, score: 1, issues: [i]",
            vec!["text: \"t\" / nothing", "score: 1 / nothing", "issues: [\"i\"] / []"],
        ),
    ] {
        assert_eq!(differences(expect, &seen), told, "{expect}");
    }
    let seen = Seen::fault("trap", "unreachable\u{1b}[31m");
    assert_eq!(differences("abstain: true", &seen), ["outcome: abstain / fault trap: unreachable [31m"]);
}

#[test]
fn a_case_is_laid_over_its_file() {
    let cases = Cases::of(
        "models: { a: { price: { input: 1 }, tags: [x] }, b: {} }\n\
         budget: { project: { remaining_usd: 1, used_ratio: 0.9 }, user: { remaining_usd: 2, used_ratio: 0.1 } }\n\
         cases:\n\
         - { name: one, prompt: hi, models: { a: { healthy: false } }, budget: { project: { remaining_usd: 9, used_ratio: 0 } }, expect: { abstain: true } }\n",
    )
    .unwrap();
    let stage = Stage::of(&cases, &cases.cases[0]);
    assert_eq!(stage.model_names(), ["a", "b"]);
    let info = stage.model_info("a").unwrap();
    assert_eq!(
        (info.input_usd_per_mtok, info.output_usd_per_mtok, info.tags),
        (Some(1.0), None, vec!["x".to_owned()])
    );
    assert_eq!([stage.live("a").unwrap().healthy, stage.live("b").unwrap().healthy], [false, true]);
    let left = |scope| stage.budget(&Caller::default(), scope).map(|left| left.remaining_usd);
    assert_eq!(
        [BudgetScope::Project, BudgetScope::User, BudgetScope::Global].map(left),
        [Some(9.0), Some(2.0), None]
    );
    assert!(!stage.knows("c"));
}

//! The room as a whole: what expressions give, what they refuse, and that there is an end to every one of them.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn scope() -> Scope {
    let mut scope = Scope::new();
    let input = json!({
        "guests": 12, "name": "Ada", "ratio": 0.5, "none": null, "tags": ["a", "b"],
        "big": 18_446_744_073_709_551_615_u64, "small": -9_223_372_036_854_775_808_i64,
        "precise": 9_007_199_254_740_993_i64, "weird key": 1,
    });
    scope.insert("input", input);
    let steps = json!([{ "id": "a", "complexity": "high", "n": 2 }, { "id": "b", "n": 3 }]);
    scope.insert_output("plan", json!({ "steps": steps }));
    scope.insert_output("skipped", Value::Null);
    scope
}

fn evaluate(text: &str) -> Result<Value, String> {
    let expression = Expression::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    expression.evaluate(&scope()).map_err(|error| error.to_string())
}

#[test]
fn expressions_give_what_they_say() {
    let rows = [
        // JSON comes out as it went in.
        ("input.big", json!(18_446_744_073_709_551_615_u64)),
        ("input.small", json!(i64::MIN)),
        ("input.precise", json!(9_007_199_254_740_993_i64)),
        ("input.none", json!(null)),
        ("input.ratio", json!(0.5)),
        ("input", scope().get("input").unwrap().as_ref().clone()),
        ("input['weird key']", json!(1)),
        // Paths.
        ("plan.output.steps[0].id", json!("a")),
        ("plan.output.steps[size(plan.output.steps) - 1].id", json!("b")),
        ("plan.output.steps[1.0].id", json!("b")),
        ("skipped.output == null", json!(true)),
        // Numbers: whole ones exact, mixed with fractions where need be.
        ("input.guests + 1", json!(13)),
        ("input.guests / 5", json!(2)),
        ("input.guests % 5", json!(2)),
        ("input.guests * 0.5", json!(6.0)),
        ("-input.guests - 1u", json!(-13)),
        ("input.precise == 9007199254740993 && input.precise > 9007199254740992.0", json!(true)),
        ("input.big > input.small && input.big > 1.5e19 && 1 == 1.0 && 2 < 2.5 && -2 > -2.5", json!(true)),
        ("int('42') + int(3.9) + int(-3.9)", json!(42)),
        ("double('0.5') + 1", json!(1.5)),
        // Texts.
        ("'a' + \"b\" + '''c'''", json!("abc")),
        ("'Adab'.contains('da') && 'Ada'.startsWith('A') && 'Ada'.endsWith('a')", json!(true)),
        ("'step 12'.matches('[0-9]+$') && matches('x', '^x$')", json!(true)),
        ("size('für') == 3 && 'für'.size() == 3", json!(true)),
        ("string(1.5) + text(true) + text({'a': [1, null]})", json!("1.5true{\"a\":[1,null]}")),
        ("json('{\"a\": [1]}').a[0]", json!(1)),
        ("input.tags.join(', ') + [1, 'x'].join('')", json!("a, b1x")),
        ("bool('true') && !bool('false')", json!(true)),
        // Lists and maps.
        ("plan.output.steps.map(s, s.id)", json!(["a", "b"])),
        ("plan.output.steps.map(s, s.n > 2, s.id)", json!(["b"])),
        ("plan.output.steps.filter(s, has(s.complexity)).map(s, s.n)", json!([2])),
        ("plan.output.steps.all(s, s.n > 1) && plan.output.steps.exists(s, s.n == 3)", json!(true)),
        ("plan.output.steps.exists_one(s, s.n > 1)", json!(false)),
        ("[1, 2].map(x, [3].map(y, x * y))", json!([[3], [6]])),
        ("[1, 2] + [3] == [1.0, 2, 3]", json!(true)),
        ("{'a': input.guests, 'b': [null]}", json!({ "a": 12, "b": [null] })),
        ("'a' in input.tags && 'name' in input && !('x' in input)", json!(true)),
        ("{'x': 1}.map(k, k)", json!(["x"])),
        ("has(input.nothing) || has(skipped.output.x) || has(input.name.x)", json!(false)),
        ("has(input.none)", json!(true)),
        // Either side may decide.
        ("input.nothing.x == 1 || true", json!(true)),
        ("!(false && input.nothing.x == 1)", json!(true)),
        ("[0, 1].exists(x, 1 / x == 1)", json!(true)),
        ("input.guests > 10 ? 'many' : input.nothing", json!("many")),
        ("1 + // a comment with } and '\n 2", json!(3)),
    ];
    for (text, want) in rows {
        assert_eq!(evaluate(text), Ok(want), "{text}");
    }
}

#[test]
fn what_has_no_value_says_why_and_shows_none() {
    let rows = [
        ("input.nothing", "there is no key `nothing`"),
        ("input.name.first", "a text has no key `first`"),
        ("skipped.output.x", "null has no key `x`"),
        ("nowhere", "there is no `nowhere` here"),
        ("plan.output.steps[2]", "a list of 2 has no element 2"),
        ("plan.output.steps[-1]", "a list of 2 has no element -1"),
        ("plan.output.steps['a']", "a list cannot be indexed with a text"),
        ("input.name + 1", "`+` cannot stand between a text and a number"),
        ("input.name < 1", "`<` cannot stand between a text and a number"),
        ("1 / 0", "a division by zero"),
        ("1.0 / 0.0", "the result is no finite number"),
        ("input.big + 1", "no room"),
        ("input.name ? 1 : 2", "a condition is true or false, not a text"),
        ("input.name.map(x, x)", "a list or a map is gone through, not a text"),
        ("[1].all(x, x)", "a condition is true or false, not a number"),
        ("json(input.name)", "the text is no json"),
        ("int(input.name)", "the text is no whole number"),
        ("1 in 2", "`in` looks into a list or a map"),
        ("{'a': 1, 'a': 2}", "a key twice"),
        ("{1: 2}", "a map's key is a text"),
    ];
    for (text, why) in rows {
        let error = evaluate(text).unwrap_err();
        assert!(error.contains(why) && error.contains(&format!("`${{{text}}}`")), "{text}: {error}");
        assert!(!error.contains("Ada"), "{error}");
    }
}

#[test]
fn faults_stand_where_they_are() {
    // An expression, the words the fault is about, what it says.
    let rows = [
        ("1 +", "", "the expression cannot be read"),
        ("a.b + )", ")", "cannot be read"),
        ("", "", "is empty"),
        ("für + unknown('x') + sizes(a)", "", "cannot be read"),
        ("a + sizes(b)", "sizes", "there is no function `sizes`"),
        ("'äöü' + sizes(b)", "sizes", "there is no function `sizes`"),
        ("a.size(1)", "size", "is called in another way"),
        ("a.map(x)", "map", "another number of arguments"),
        ("a.map(1, x)", "1", "needs a name"),
        ("a.matches(b)", "matches", "a pattern is written out"),
        ("a.matches('(')", "'('", "this is no pattern"),
        ("has(a)", "has", "`has` asks for a field"),
        ("b'x'", "b'x'", "JSON has no bytes"),
        ("Message{field: 1}", "{", "cannot make a message"),
        ("x + while", "while", "reserved identifier"),
    ];
    for (text, under, what) in rows {
        let fault = Expression::parse(text).expect_err(text);
        assert!(fault.message.contains(what), "{text}: {fault:?}");
        assert!(!fault.hint.is_empty(), "{text}");
        if !under.is_empty() {
            assert_eq!(text.get(fault.offset..fault.offset + fault.length), Some(under), "{text}: {fault:?}");
        }
    }
}

#[test]
fn what_it_reads_is_known_with_its_place() {
    let text = "plan.output.steps[0].id + other.map(x, x.y + z) + (has(a.b) ? '' : q['k'][n].m)";
    let expression = Expression::parse(text).unwrap();
    let names: Vec<&str> = expression.names().iter().map(String::as_str).collect();
    assert_eq!(names, ["a", "n", "other", "plan", "q", "z"]);
    let shown = |path: &Path| {
        (text[path.offset..path.offset + path.length].to_owned(), path.fields.join("/"), path.optional)
    };
    let paths: Vec<_> = expression.paths().iter().map(shown).collect();
    let row = |text: &str, fields: &str, optional| (text.to_owned(), fields.to_owned(), optional);
    let want = [
        row("plan.output.steps[0].id", "output/steps/0/id", false),
        row("other", "", false),
        row("z", "", false),
        row("a", "", true),
        row("n", "", false),
        row("q['k']", "k", false),
    ];
    assert_eq!(paths, want);
}

#[test]
fn inner_scopes_hide_outer_ones() {
    let mut inner = Scope::inside(Arc::new(scope()));
    inner.insert("item", json!(1));
    inner.insert("plan", json!({ "output": "hidden" }));
    let text = Expression::parse("text(item + input.guests) + plan.output").unwrap();
    assert_eq!(text.evaluate(&inner), Ok(json!("13hidden")));
}

#[test]
fn templates_keep_types_alone_and_interpolate_in_texts() {
    let rows = [
        (json!("${plan.output.steps[0]}"), json!({ "id": "a", "complexity": "high", "n": 2 })),
        (json!("${input.guests}\n"), json!(12)),
        (json!("${input.name} and ${input.guests}, ${input.none}"), json!("Ada and 12, null")),
        (json!("all: ${input.tags}"), json!("all: [\"a\",\"b\"]")),
        (json!("$${input.name} costs $5 and $$"), json!("${input.name} costs $5 and $$")),
        (json!("a ${'}' + '${'} b"), json!("a }${ b")),
        (json!("${{'a': {'b': 1}}.a.b}"), json!(1)),
        (json!({ "k ${x}": ["${input.ratio}", 1, null, true] }), json!({ "k ${x}": [0.5, 1, null, true] })),
        (json!(""), json!("")),
    ];
    for (template, want) in rows {
        let parsed =
            ValueTemplate::parse(&template).unwrap_or_else(|faults| panic!("{template}: {faults:?}"));
        assert_eq!(parsed.render(&scope()), Ok(want), "{template}");
    }
    // What goes in is not read again.
    let mut scope = Scope::new();
    scope.insert("input", json!("${1 + 1} $${"));
    let template = ValueTemplate::parse(&json!("<${input}>")).unwrap();
    assert_eq!(template.render(&scope), Ok(json!("<${1 + 1} $${>")));
    let faults = ValueTemplate::parse(&json!({ "a": ["fine", "x ${1 +"], "b": "ä ${1 +* 2}" })).unwrap_err();
    let places: Vec<_> = faults.iter().map(|f| (f.path.join("/"), f.fault.offset)).collect();
    assert_eq!(places, [("a/1".to_owned(), 2), ("b".to_owned(), 8)]);
}

#[test]
fn a_whole_field_is_an_expression_bare_or_wrapped() {
    for text in ["input.guests > 3", "  ${input.guests > 3} ", "${ input.guests > 3 }"] {
        assert_eq!(Expression::parse_whole(text).unwrap().evaluate(&scope()), Ok(json!(true)), "{text}");
    }
    for text in ["${a} and ${b}", "a ${b}", "${a", "${}"] {
        assert!(Expression::parse_whole(text).is_err(), "{text}");
    }
}

/// Deep and long texts, on a stack half as large as a thread's usual one.
#[test]
fn no_text_uses_up_the_stack() {
    let parts = [
        "(", "[", "{'a':", "!", "-", "a.", "a[", "1+", "a?b:", "f(", "a.map(x,", "a in ", "a&&", "a||b&&",
        "a<", "'",
    ];
    let run = move || {
        for part in parts {
            for count in [15, 60, 99, 1_000] {
                let open = part.repeat(count);
                let closed = match part {
                    "(" | "f(" | "a.map(x," => format!("{open}a{}", ")".repeat(count)),
                    "[" | "a[" => format!("{open}0{}", "]".repeat(count)),
                    "{'a':" => format!("{open}0{}", "}".repeat(count)),
                    _ => format!("{open}a"),
                };
                for text in [open, closed] {
                    if let Ok(expression) = Expression::parse(&text) {
                        let _ = expression.evaluate(&scope());
                    }
                }
            }
        }
        // As deep as is allowed, and evaluated.
        let sum = format!("1{}", "+1".repeat(MAX_OPERATORS));
        assert_eq!(evaluate(&sum), Ok(json!(MAX_OPERATORS + 1)));
        let nested = format!("{}1{}", "(".repeat(MAX_NESTING), ")".repeat(MAX_NESTING));
        assert_eq!(evaluate(&nested), Ok(json!(1)));
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn what_is_beyond_the_bounds_is_refused_with_the_bound() {
    let rows = [
        (
            format!("{}1{}", "(".repeat(MAX_NESTING + 1), ")".repeat(MAX_NESTING + 1)),
            "nested more than 16 deep",
        ),
        (format!("1{}", "+1".repeat(MAX_OPERATORS + 1)), "more than 100 operators"),
        (format!("a{}", " in a".repeat(MAX_OPERATORS + 1)), "more than 100 operators"),
        ("a".repeat(MAX_EXPRESSION + 1), "has 4097 bytes"),
    ];
    for (text, why) in rows {
        let fault = Expression::parse(&text).unwrap_err();
        assert!(fault.message.contains(why), "{fault:?}");
    }
}

/// Data from a model is as large as its answer may be: every expression ends all the same.
#[test]
fn an_evaluation_ends_whatever_the_data() {
    let mut scope = Scope::new();
    scope.insert("list", json!(vec![1; 10_000]));
    scope.insert("long", json!("x".repeat(1 << 20)));
    let spent = [
        "list.map(a, list.map(b, list.map(c, c)))",
        "list.all(a, list.all(b, a == b))",
        "list.exists(a, list.exists(b, b == 2) || a == 2)",
        "list.map(a, long)",
        "list.map(a, list)",
        "list.filter(a, long.contains('y'))",
        "list.filter(a, long.matches('y'))",
        "list.map(a, a in list && 2 in list)",
        "list.map(a, long).join('')",
        "[long + long].map(a, [a + a].map(b, [b + b].map(c, [c + c].map(d, d + d))))",
        "list.exists(a, list == list + [2])",
    ];
    for text in spent {
        let error = Expression::parse(text).unwrap().evaluate(&scope).unwrap_err().to_string();
        assert!(error.contains("too large for it"), "{text}: {error}");
    }
    // A bound for all of a template's expressions together.
    let template = ValueTemplate::parse(&json!("${long}".repeat(20))).unwrap();
    assert!(template.render(&scope).unwrap_err().to_string().contains("too large for it"));
    for text in ["list.map(a, a + 1).filter(a, a > 1).size()", "long.contains('y') || size(long) > 1"] {
        Expression::parse(text).unwrap().evaluate(&scope).unwrap();
    }
}

/// Pieces that expressions are made of, so that random texts get deep into the parser.
const PIECES: &[&str] = &[
    "input",
    "plan",
    ".output",
    ".steps",
    "[0]",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "'a'",
    "\"b\"",
    "'",
    "\"",
    "1",
    "0.5",
    "1e999",
    "9223372036854775808",
    "5u",
    "true",
    "null",
    " ",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "<",
    "&&",
    "||",
    "!",
    "?",
    ":",
    ",",
    ".",
    "in",
    "has(",
    ".map(x,",
    ".filter(",
    ".all(",
    "size(",
    "matches",
    "'(['",
    "r'\\'",
    "\\",
    "${",
    "$",
    "//",
    "\n",
    "ü",
    "`a`",
    "b''",
    "as",
    "x",
    "\u{0}",
    "'''",
    "json(",
    "text(",
    ".join(",
    "int(",
    "\\u{1F600}",
    "0x",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_panics(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..24), noise in ".{0,40}") {
        for text in [pieces.concat(), noise] {
            if let Ok(expression) = Expression::parse(&text) {
                let _ = expression.evaluate(&scope());
            }
            if let Err(fault) = Expression::parse_whole(&text) {
                prop_assert!(fault.offset <= text.len() && text.is_char_boundary(fault.offset), "{text:?}: {fault:?}");
            }
            if let Ok(template) = ValueTemplate::parse(&Value::String(text.clone())) {
                let _ = template.render(&scope());
            }
        }
    }
}

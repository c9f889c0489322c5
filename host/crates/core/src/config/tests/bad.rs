//! Bad files and what is said about them, word for word. The goldens beside them are read by eye:
//! each has to be what a tired engineer wants to see.

use super::*;

#[test]
fn every_bad_file_is_reported_as_its_golden_says() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(path("tests-data/config/bad"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 30, "goldens are missing");
    let mut differing = Vec::new();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let report = match Config::from_text(&name, &text, &|_| None) {
            Ok(config) => panic!("{name} is not bad at all: {:?}", config.warnings()),
            Err(report) => format!("{report}\n"),
        };
        assert!(!report.contains("must-not-be-shown"), "{name} shows a secret:\n{report}");
        assert!(!report.contains("the file cannot be read: "), "{name}: schema and types differ:\n{report}");
        let golden = path.with_extension("txt");
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&golden, &report).unwrap();
        }
        let want = std::fs::read_to_string(&golden).unwrap_or_default();
        if report != want {
            differing.push(format!("--- {name}: wanted\n{want}\n--- got\n{report}"));
        }
    }
    assert!(
        differing.is_empty(),
        "{} differ; {UPDATE}=1 rewrites them\n{}",
        differing.len(),
        differing.join("\n")
    );
}

#[test]
fn the_graphical_report_says_the_same() {
    let report = parse("orchestrator:\n  routs: []\nserver: { drian: 1 }\n").unwrap_err();
    let drawn = report.to_graphical();
    assert_eq!(drawn.matches("unknown key `routs`").count(), 1, "said twice:\n{drawn}");
    for needed in [
        "unknown key `routs`",
        "unknown key `drian`",
        "did you mean `routes`?",
        "jackfield.yaml:2:3",
        "2 faults",
    ] {
        assert!(drawn.contains(needed), "{needed} is not in\n{drawn}");
    }
}

#[test]
fn places_are_for_machines_too() {
    let report = parse("server:\n  drian: 30s\n").unwrap_err();
    let [fault] = report.faults() else { panic!("{report}") };
    assert_eq!(fault.line_and_column(), Some((2, 3)));
    assert_eq!(fault.message(), "unknown key `drian` in `server`");
    assert!(fault.advice().unwrap().starts_with("did you mean `drain`?"));
}

#[test]
fn a_slip_in_a_number_of_tokens_is_shown_and_one_in_a_secrets_name_is_not() {
    for (line, shown) in [
        ("max_token: 500", true),
        ("max_tokns: 500", true),
        ("maxtokens: 500", true),
        ("daily_limit_token: 500", true),
        ("llm_output_token: 500", true),
        ("admin_tokens: jf-secret-500", false),
        ("token: jf-secret-500", false),
        ("max_api_key: jf-secret-500", false),
    ] {
        let report = parse(&format!("server:\n  {line}\n")).unwrap_err();
        assert_eq!(report.to_graphical().contains("500"), shown, "{line}\n{}", report.to_graphical());
    }
}

#[test]
fn more_faults_than_anybody_reads_are_counted() {
    let many: String = (0..500).map(|n| format!("key{n}: 1\n")).collect();
    let report = parse(&many).unwrap_err();
    assert_eq!(report.faults().len(), 100);
    assert!(report.to_string().ends_with("500 faults in jackfield.yaml (400 more not shown)"));
}

#[test]
fn a_file_too_large_is_refused_unread() {
    let report = parse(&"#".repeat((1 << 20) + 1)).unwrap_err();
    assert!(report.to_string().contains("larger than 1048576 bytes"));
}

#[test]
fn a_hidden_secret_over_several_lines_does_not_shift_the_drawing() {
    let text = std::fs::read_to_string(path("tests-data/config/bad/after-pruning.yaml")).unwrap();
    let drawn = parse(&text).unwrap_err().to_graphical();
    assert!(drawn.contains("6 |     projct: ******") || drawn.contains("6 │     projct: ******"), "{drawn}");
    assert!(!drawn.contains("goes-on-here"), "{drawn}");
}

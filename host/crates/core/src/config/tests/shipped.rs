//! Every file that ships: the default, the examples, the schema.

use super::*;
use crate::config::{Source, schema};

const VARIABLES: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "an-id-of-the-test"),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-test"),
    ("OPENAI_API_KEY", "sk-of-the-test"),
    ("AZURE_OPENAI_API_KEY", "azure-of-the-test"),
    ("GEMINI_API_KEY", "gemini-of-the-test"),
    ("SEARCH_KEY", "a-key-of-the-test"),
    ("ANTHROPIC_API_KEY", "sk-ant-of-the-test"),
    ("JACKFIELD_ADMIN_TOKEN", "a-token-of-the-test"),
];

fn shipped() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["config", "config/examples"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(path("../../..").join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_shipped_file_loads_without_a_warning() {
    let files = shipped();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let config = with(&text, VARIABLES).unwrap_or_else(|report| panic!("{}\n{report}", file.display()));
        assert!(config.warnings().is_empty(), "{}: {:?}", file.display(), config.warnings());
        assert!(config.model_names().next().is_some(), "{}", file.display());
    }
}

#[test]
fn the_default_needs_nothing_from_outside() {
    let config = parse(Config::default_text()).unwrap();
    assert!(config.warnings().is_empty());
    assert!(config.providers().values().all(super::super::Provider::is_simulated));
    assert_eq!(config.orchestrator().default_model(), Some("fast-model"));
    assert_eq!(config.orchestrator().route("code_generation").unwrap().target.model, "smart-model");
    assert_eq!(config.plugins().settings("urgent-router").config["keyword"], "urgent");
}

/// A commented-out line of the default is a promise: with its `#` taken off, it has to load too.
#[test]
fn what_the_default_has_in_comments_loads() {
    let lines = Config::default_text().lines().map(|line| match line.trim_start().strip_prefix("# ") {
        Some(setting) if is_setting(setting) => {
            format!("{}{setting}\n", &line[..line.len() - line.trim_start().len()])
        }
        _ => format!("{line}\n"),
    });
    // It says how to let everybody in and how to ask for keys, and two places for state: one of each has to go.
    let other = |line: &str| line.contains("auth: none") || line.starts_with("state: sqlite");
    let text: String = lines.filter(|line| !other(line)).collect();
    let config = with(&text, VARIABLES).unwrap_or_else(|report| panic!("{report}\n{text}"));
    assert_eq!(config.keys().len(), 1, "{text}");
    assert_eq!(config.state().shared().unwrap().server(), "redis://127.0.0.1:6379/0");
    assert_eq!(config.providers().len(), 6, "{text}");
    assert_eq!(config.orchestrator().routes().len(), 3, "{text}");
    assert_eq!(config.workflows()["plan_and_do"].steps.len(), 3, "{text}");
}

fn is_setting(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c == '_';
    let starts =
        text.split(':').next().is_some_and(|key| !key.is_empty() && key.chars().all(word) && key != "next");
    (starts && text.contains(':'))
        || text.starts_with("  - {")
        || text.starts_with("- {")
        || text.starts_with("          request")
}

#[test]
fn the_committed_schema_is_current() {
    let file = path("../../../config/jackfield.schema.json");
    let current = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == current, "run the tests with {UPDATE}=1 and commit config/jackfield.schema.json");
}

#[test]
fn the_schema_is_valid_and_closed() {
    let schema = schema();
    jsonschema::meta::validate(&schema).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        if definition["type"] == "object" && definition.get("allOf").is_none() {
            assert_eq!(definition["additionalProperties"], false, "{name}");
        }
        assert!(definition.get("anyOf").is_none(), "{name}");
    }
}

#[test]
fn a_file_that_is_not_there_says_so() {
    let report = Config::load(Some(&path("nowhere.yaml"))).unwrap_err();
    assert!(report.to_string().contains("the file cannot be read"), "{report}");
    let report = Config::load(Some(&path("src"))).unwrap_err();
    assert!(report.to_string().contains("check that it is a file"), "{report}");
}

#[test]
fn a_named_file_is_the_one_used() {
    let file = path("../../../config/examples/ollama.yaml");
    let config = Config::load(Some(&file)).unwrap();
    assert_eq!(config.source(), &Source::File(file));
}

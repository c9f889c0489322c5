//! `jackfield usage` on a file that a gateway has open, and a gateway whose state cannot be opened.

use std::process::Command;

use jackfield_core::base::RequestId;
use jackfield_core::config::Config;
use jackfield_core::contract::{Caller, Usage};
use jackfield_store::{Ask, Store};
use serde_json::Value;

use super::served::Home;

const YAML: &str = "
server: { listen: 127.0.0.1:0 }
providers: { sim: { kind: simulated } }
models: { m: { provider: sim, price: { input: 1, output: 10 } } }
orchestrator: { default_model: m, budgets: { daily_limit_usd: 50.00, alert_threshold: 0.8 } }
plugins: { dir: plugins }
";

fn jackfield(folder: &std::path::Path, arguments: &str) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    let output = command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn usage_is_read_from_the_file_of_a_gateway_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = YAML.replace(
        "orchestrator:",
        &format!("state: 'sqlite:{}/state.db'\norchestrator:", folder.path().display()),
    );
    std::fs::write(folder.path().join("jackfield.yaml"), &yaml).unwrap();
    let (fine, _, told) = jackfield(folder.path(), "usage");
    assert!(!fine && told.contains("there is no such file; nothing was written down yet"), "{told}");

    let config = Config::from_text("jackfield.yaml", &yaml, &|_| None).unwrap();
    let store = Store::open(&config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let caller = Caller { project: Some("search".into()), ..Caller::default() };
    let model = config.resolve("m").unwrap();
    let held = store.ledger().reserve(Ask {
        request: RequestId::generate(),
        attempt: 1,
        caller: &caller,
        run: None,
        task: None,
        model: "m",
        provider: "sim",
        simulated: true,
        price: model.price,
        input_tokens: 100,
        most_output: Some(50),
        streamed: false,
        hidden: false,
    });
    let usage = Usage { input_tokens: 90, output_tokens: 20, ..Usage::default() };
    runtime.block_on(held.unwrap().settle(usage)).unwrap();

    let (fine, table, told) = jackfield(folder.path(), "usage");
    assert!(fine, "{told}");
    for cell in ["search", "m", "90", "20", "0.00029", "1 simulated"] {
        assert!(table.contains(cell), "no {cell} in\n{table}");
    }
    let (fine, json, told) = jackfield(folder.path(), "usage --json --by user,day --since 2h");
    assert!(fine, "{told}");
    let json: Value = serde_json::from_str(&json).unwrap();
    let row = &json["usage"][0];
    assert_eq!(
        (&row["user"], &row["cost_nanousd"], &row["cost_usd"]),
        (&Value::Null, &290_000.into(), &0.00029.into())
    );
    for (since, seen) in [("2026-11-01", true), ("2026-11-01T09:30:00+01:00", true), ("2999-01-01", false)] {
        let (fine, table, told) = jackfield(folder.path(), &format!("usage --since {since}"));
        assert!(fine, "{told}");
        assert_eq!(table.contains("search"), seen, "{table}");
        assert_eq!(table.contains(&format!("no call since {since}")), !seen, "{table}");
    }
    for wrong in ["2026-13-01", "yesterday", "2026-11"] {
        let (fine, _, told) = jackfield(folder.path(), &format!("usage --since {wrong}"));
        assert!(!fine && told.contains("or a date, as in `2026-11-01`"), "{told}");
    }
    // A second process on the file is refused, whoever it is.
    let (fine, _, told) = jackfield(folder.path(), "serve");
    assert!(!fine && told.contains("another process has it open; stop that one"), "{told}");
}

#[test]
fn the_file_lies_beside_the_configuration_wherever_the_command_is_started() {
    let home = Home::new("dir: plugins");
    std::fs::create_dir(home.dir.path().join("there")).unwrap();
    let yaml = YAML.replace("dir: plugins", "dir: /nonexistent") + "telemetry: { log: json }\n";
    std::fs::write(home.dir.path().join("there/it.yaml"), yaml).unwrap();
    let served = home.serve_with(&["--config", "there/it.yaml"]);
    let file = home.dir.path().join("there/jackfield.db");
    let line = format!("state in {}", file.display());
    assert!(served.greeting().lines().any(|said| said == line), "{}", served.greeting());
    assert!(file.exists() && !home.dir.path().join("jackfield.db").exists());
    assert_eq!(served.model().0, "m");
    let (fine, table, told) = jackfield(&home.dir.path().join("there"), "usage --config it.yaml");
    assert!(fine && table.contains("1 simulated"), "{table}{told}");
    let (fine, table, told) = jackfield(
        std::path::Path::new("/"),
        &format!("usage --config {}", file.with_file_name("it.yaml").display()),
    );
    assert!(fine && table.contains("1 simulated"), "{table}{told}");
}

#[test]
fn a_state_that_cannot_be_opened_refuses_to_start_and_check_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = YAML.replace("orchestrator:", "state: sqlite:nowhere/state.db\norchestrator:");
    std::fs::write(folder.path().join("jackfield.yaml"), yaml).unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    let (fine, _, told) = jackfield(folder.path(), "serve");
    assert!(!fine && told.contains("nowhere/state.db") && told.contains("make its folder"), "{told}");
    let (fine, _, told) = jackfield(folder.path(), "check");
    assert!(!fine && told.contains("nowhere/state.db") && told.contains("make its folder"), "{told}");
    std::fs::create_dir(folder.path().join("nowhere")).unwrap();
    let (fine, _, told) = jackfield(folder.path(), "check");
    assert!(fine, "{told}");
    assert!(!folder.path().join("nowhere/state.db").exists(), "check made a file");
    std::fs::remove_dir(folder.path().join("nowhere")).unwrap();
    std::fs::write(folder.path().join("nowhere"), "a file").unwrap();
    let (fine, _, told) = jackfield(folder.path(), "check");
    assert!(!fine && told.contains("nowhere/state.db"), "{told}");
    std::fs::write(folder.path().join("jackfield.yaml"), YAML).unwrap();
    let (fine, _, told) = jackfield(folder.path(), "route --task none");
    let _ = (fine, told);
    assert!(!folder.path().join("jackfield.db").exists(), "a command that serves nothing wrote a file");
    let plain = YAML.replace(", budgets: { daily_limit_usd: 50.00, alert_threshold: 0.8 }", "");
    std::fs::write(folder.path().join("jackfield.yaml"), plain).unwrap();
    let (fine, _, told) = jackfield(folder.path(), "usage");
    assert!(!fine && told.contains("nothing is written down: add `state: sqlite:jackfield.db`"), "{told}");
}

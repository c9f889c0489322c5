//! What a component wants beyond looking and deciding, whether it gets it, and what it then costs, as commands tell it.

use serde_json::json;
use tempfile::TempDir;

use crate::guest::{asking, router_to};
use crate::{ask, jackfield};

const CONFIG: &str = "
providers: { sim: { kind: simulated } }
models: { fast-model: { provider: sim } }
orchestrator: { default_model: fast-model }
plugins:
  router_defaults: { limits: { cpu: 5s, wall: 30s } }
  settings:
    allowed: { grants: [llm] }
    idle: { grants: [llm] }
";

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    for name in ["allowed", "wanting"] {
        write(&format!("plugins/{name}.wasm"), &asking("fast-model"));
    }
    write("plugins/idle.wasm", &router_to("fast-model"));
    write("nobody.wasm", &asking("no-such-model"));
    write("jackfield.yaml", CONFIG.as_bytes());
    folder
}

#[test]
fn what_is_wanted_and_granted_is_told() {
    let folder = folder();
    for (command, code, stdout, stderr) in [
        ("plugin check plugins/allowed.wasm", 0, "grants     llm (granted)", ""),
        ("plugin check plugins/idle.wasm", 0, "grants     llm (granted, not wanted)", ""),
        (
            "plugin check plugins/wanting.wasm",
            1,
            "grants     llm (not granted)",
            "write `plugins.settings.wanting.grants: [llm]`",
        ),
        ("plugin check plugins/wanting.wasm --grant llm", 0, "loads      yes", ""),
        (
            "plugin check plugins/wanting.wasm --grant network",
            2,
            "",
            "there is no such grant; there are: llm",
        ),
        ("check", 1, "", "write `plugins.settings.wanting.grants: [llm]`"),
        ("plugin list", 0, "llm (not granted)", ""),
    ] {
        let args: Vec<&str> = command.split(' ').collect();
        let output = jackfield(&folder, &args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{command}: {out}{err}");
        assert!(out.contains(stdout) && err.contains(stderr), "{command}: {out}{err}");
    }
    let listed = ask(&folder, "plugin list")["plugins"].clone();
    let told = |index: usize, key: &str| listed[index][key].clone();
    assert_eq!([told(0, "grants"), told(0, "granted")], [json!(["llm"]), json!(["llm"])]);
    assert_eq!([told(1, "grants"), told(1, "granted")], [json!([]), json!(["llm"])]);
    assert_eq!([told(2, "grants"), told(2, "granted")], [json!(["llm"]), json!([])]);
}

#[test]
fn a_plugin_that_is_tried_by_hand_asks_the_configured_models_and_a_decision_that_is_explained_none() {
    let folder = folder();
    let tried = ask(&folder, "plugin run plugins/allowed.wasm --repeat 3");
    assert!(tried["reason"].as_str().unwrap().contains("You asked, in 1 words: hello?"), "{tried}");
    assert_eq!(tried["llm_calls"], 1);
    assert!(tried["llm_tokens"].as_u64().unwrap() > 0, "{tried}");
    // Without the grant it does not even load.
    let refused = jackfield(&folder, &["plugin", "run", "plugins/wanting.wasm"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("wants the grant `llm`"));
    // The contract's word for a model that is not there is its name.
    let nobody = ["plugin", "run", "nobody.wasm", "--grant", "llm", "--json"];
    let nobody = String::from_utf8(jackfield(&folder, &nobody).stdout).unwrap();
    assert!(nobody.contains("invalid_decision") && nobody.contains("no-such-model"), "{nobody}");
    let explained = ask(&folder, "route hello");
    assert_eq!(explained["decision"]["by"], "allowed");
    let why = explained["decision"]["why"].as_str().unwrap();
    assert!(why.starts_with("no models are asked here: a decision is only explained"), "{why}");
}

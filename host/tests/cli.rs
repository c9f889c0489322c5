//! The command line from the outside: the built binary, its exit codes, and what goes to which stream.
//!
//! A row is a command, its exit code, and what standard output and standard error have to contain; an empty list
//! for a stream means that nothing may be on it. 0 is fine, 1 refused or failed, 2 wrong usage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "cli/cases.rs"]
mod cases;
#[path = "cli/compiling.rs"]
mod compiling;
#[path = "cli/crash.rs"]
mod crash;
#[path = "cli/grants.rs"]
mod grants;
#[path = "cli/guest.rs"]
mod guest;
#[path = "cli/restart.rs"]
mod restart;
#[path = "cli/served.rs"]
mod served;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/workflows.rs"]
mod workflows;

/// Limits are generous: the machine may be busy, and no row is about them.
const CONFIG: &str = "
providers:
  sim: { kind: simulated }
  paid: { kind: openai, api_key: \"${JACKFIELD_TEST_KEY_THAT_IS_NOT_SET}\" }
models:
  fast-model: { provider: sim, price: { input: 1, output: 1 } }
  smart-model: { provider: sim }
  paid-model: { provider: paid }
  thinker: { provider: sim, capabilities: [reasoning] }
orchestrator:
  default_model: fast-model
  routers: [urgent-router]
  routes:
    - { task: summary, model: smart-model, temperature: 0.5, max_tokens: 500, reasoning: low }
    - { task: paid, model: paid-model }
    - { task: scale, model: thinker, reasoning: high, template: \"Scale\\n${input}, please, for forty guests and a cook.\", result: json,
        schema: { type: object }, validators: [not_empty], fallback: [fast-model, task/summary] }
plugins:
  router_defaults: { limits: { cpu: 5s, wall: 30s } }
  settings:
    urgent-router: { config: { keyword: urgent, model: MODEL }, on_error: ON_ERROR }
    cheapest-capable: { enabled: false }
    least-loaded: { config: { models: [fast-model] } }
";

/// Models of whom the catalogue knows something, and one of whom nobody does.
const MODELS: &str = "
providers: { api: { kind: openai, base_url: https://api.openai.com/v1, api_key: k } }
models:
  gpt-4o: { provider: api, context: 64k }
  our-own: { provider: api, price: { input: 0.000001, output: 1 }, capabilities: [] }
";

/// Its one import is of another major version.
const NEWER: &str = r#"(component (import "jackfield:plugin/log@2.0.0" (instance))
    (component $c) (instance $i (instantiate $c)) (export "jackfield:plugin/routing@1.0.0" (instance $i)))"#;

const REQUEST: &str =
    r#"{ "model": "smart-model", "messages": [{ "role": "user", "content": "not urgent at all" }] }"#;

/// A folder with three good plugins, three bad files, and three configurations.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    for name in EXAMPLES {
        write(&format!("plugins/{name}.wasm"), &example(name));
    }
    write("plugins/newer.wasm", &wat::parse_str(NEWER).unwrap());
    write("plugins/text.wasm", b"hello, I am text");
    write("plugins/bad name.wasm", b"hello");
    write("plugins/.hidden.wasm", b"hello");
    write("plugins/notes.txt", b"hello");
    let config = |model: &str, then: &str| CONFIG.replace("MODEL", model).replace("ON_ERROR", then);
    write("jackfield.yaml", config("fast-model", "next").as_bytes());
    write("faulty-next.yaml", config("nowhere", "next").as_bytes());
    write("faulty-fail.yaml", config("nowhere", "fail").as_bytes());
    let rollout = config("fast-model", "next")
        .replace("on_error: next }", "canary: 2.50% }")
        .replace("models: [fast-model] } }", "models: [fast-model] }, shadow: true }")
        .replace("routers: [urgent-router]", "routers: [urgent-router, least-loaded]");
    write("rollout.yaml", rollout.as_bytes());
    write("models.yaml", MODELS.as_bytes());
    let good = rollout.replace("plugins:\n", "plugins:\n  dir: good\n");
    write("rollout-good.yaml", good.as_bytes());
    std::fs::create_dir(folder.path().join("good")).unwrap();
    for name in ["urgent-router.wasm", "least-loaded.wasm"] {
        std::fs::copy(folder.path().join("plugins").join(name), folder.path().join("good").join(name))
            .unwrap();
    }
    std::fs::create_dir(folder.path().join("checks")).unwrap();
    write("checks/judge.wasm", &validator());
    let validated = |list: &str, settings: &str| {
        CONFIG
            .replace("ON_ERROR", "next")
            .replace("MODEL", "fast-model")
            .replace("  routers: [urgent-router]\n", "")
            .replace("  routes:", &format!("  validators: [{list}]\n  routes:"))
            .replace("  settings:", &format!("  dir: checks\n  settings:\n{settings}"))
    };
    let settings = "    judge: { on_error: reject }\n    nobody: { on_error: accept }";
    write("unvalidated.yaml", validated("judge, nobody", settings).as_bytes());
    let settings = "    judge: { on_error: reject, stream: window }";
    write("no-window.yaml", validated("not_empty, judge", settings).as_bytes());
    let dynamic =
        "  router: { model: smart-model, thresholds: { complexity: { high: paid-model, low: fast-model } } }";
    let dynamic = config("fast-model", "next").replace("  default_model: fast-model", dynamic);
    write("dynamic.yaml", dynamic.as_bytes());
    write("no-folder.yaml", b"plugins: { dir: nowhere }\n");
    write("admin-no-token.yaml", b"server: { admin: 127.0.0.1:1 }\nplugins: { dir: empty }\n");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    write("request.json", REQUEST.as_bytes());
    write("not-a-request.json", b"[1, 2]");
    folder
}

const EXAMPLES: [&str; 3] = ["urgent-router", "cheapest-capable", "least-loaded"];

/// A component that ships: one serves in `plugins`, the others lie beside their sources.
fn example(name: &str) -> Vec<u8> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let file = format!("{name}.wasm");
    std::fs::read(shipped.join(&file)).or_else(|_| std::fs::read(shipped.join(name).join(&file))).unwrap()
}

/// A validator that accepts everything.
fn validator() -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let world = "package test:guest; world guest { export jackfield:plugin/validation@1.0.0; }";
    let package = resolve.push_str("guest.wit", world).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    // All zero reads as: ok, accept, no score, no issues.
    let module = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
        (func (export "jackfield:plugin/validation@1.0.0#validate") (param i32) (result i32) (i32.const 1024)))"#;
    let mut module = wat::parse_str(module).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false).unwrap();
    wit_component::ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

fn jackfield(folder: &TempDir, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jackfield"))
        .args(args)
        .current_dir(folder.path())
        .env_remove("JACKFIELD_TEST_KEY_THAT_IS_NOT_SET")
        .env("XDG_CACHE_HOME", folder.path().join("caches"))
        .output()
        .unwrap()
}

/// A command, its exit code, and what the two streams contain.
struct Row(&'static str, i32, &'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    // check: what is worth saying, and what to do about it
    Row(
        "check --config admin-no-token.yaml",
        0,
        &["fine"],
        &["warning: the admin port stays closed: it has no token\n  hint: set `server.admin_token`"],
    ),
    // validators
    Row(
        "check --config unvalidated.yaml",
        1,
        &[],
        &["`nobody`: it is named as a validator, and no such validator is loaded"],
    ),
    Row(
        "check --config no-window.yaml",
        1,
        &[],
        &[
            "warning: `judge` lets streams through by and by, and `not_empty` in the same list holds them whole",
            "`judge`: it has `stream: window`, and its component exports `validation` alone: write `stream: hold`",
        ],
    ),
    Row("plugin list --config unvalidated.yaml", 0, &["judge", "validator", "reject", "50ms, 250ms"], &[]),
    Row("plugin check checks/judge.wasm", 0, &["kind       validator", "loads      yes"], &[]),
    Row("plugin run checks/judge.wasm", 1, &[], &["it is a validator", "--response TEXT"]),
    Row(
        "plugin run checks/judge.wasm --response word",
        0,
        &["verdict    accept", "host calls 0 in a call"],
        &[],
    ),
    Row("plugin run plugins/urgent-router.wasm --response word", 1, &[], &["it is no validator"]),
    // config models
    Row(
        "config models --config models.yaml",
        0,
        &[
            "10 *",
            "1.25 *",
            " 64000 ",
            "16384 *",
            "vision",
            " 0.000001 ",
            " none ",
            " - ",
            "* from the built-in catalogue",
        ],
        &["configuration: models.yaml"],
    ),
    Row("config show --config models.yaml", 0, &["cached_input: 1.25", "input: 1e-6"], &["configuration"]),
    // plugin list
    Row(
        "plugin list",
        0,
        &[
            "urgent-router",
            "serves",
            "enabled: false",
            "not in orchestrator.routers",
            "refused: is not WebAssembly",
        ],
        &[],
    ),
    Row("plugin list --config rollout.yaml", 0, &["canary 2.5%", "shadow"], &[]),
    Row(
        "check --config rollout-good.yaml",
        0,
        &["2 plugins; shadow: least-loaded; canary 2.5%: urgent-router)"],
        &["the provider `paid` is disabled"],
    ),
    Row("plugin list --config no-folder.yaml", 1, &[], &["read the plugin folder nowhere", "plugins.dir"]),
    Row("plugin list --config none.yaml", 1, &[], &["none.yaml"]),
    // plugin check
    Row(
        "plugin check plugins/urgent-router.wasm",
        0,
        &[
            "kind       router",
            "jackfield:plugin/routing@1.0.0: route",
            "grants     none",
            "in rust",
            "loads      yes\n",
        ],
        &[],
    ),
    Row(
        "plugin check plugins/urgent-router.wasm --config-file no-folder.yaml",
        0,
        &["loads      yes\n"],
        &[],
    ),
    Row(
        "plugin check plugins/urgent-router.wasm --config {\"keyword\":1}",
        1,
        &["loads      no"],
        &["error: load plugins/urgent-router.wasm: refused its settings: ", "keyword: expected a string"],
    ),
    Row(
        "plugin check plugins/newer.wasm",
        1,
        &["contract   jackfield:plugin@2.0.0, jackfield:plugin@1.0.0", "loads      no"],
        &[
            "it wants jackfield:plugin/log@2.0.0; this host offers jackfield:plugin@1.0.0",
            "or upgrade the host",
        ],
    ),
    Row(
        "plugin check plugins/text.wasm",
        1,
        &["loads      no"],
        &["is not WebAssembly (it begins with 68 65"],
    ),
    Row("plugin check plugins/none.wasm", 1, &[], &["error: load plugins/none.wasm: cannot be read"]),
    Row("plugin check plugins", 1, &[], &["is not a regular file"]),
    Row("plugin check", 2, &[], &["<FILE>"]),
    // plugin run
    Row(
        "plugin run plugins/urgent-router.wasm",
        0,
        &[
            "decision   route to fast-model",
            "the prompt contains `urgent`",
            "host calls 2 in a call",
            "MiB at its peak, of 64 MiB",
        ],
        &[],
    ),
    Row(
        "plugin run plugins/urgent-router.wasm --request request.json --config {\"keyword\":\"zzz\",\"model\":\"fast-model\"}",
        0,
        &["asked about request.json", "abstain"],
        &[],
    ),
    Row("plugin run plugins/urgent-router.wasm --repeat 20", 0, &["p50 ", "p99 ", "over 20 calls"], &[]),
    Row(
        "plugin run plugins/urgent-router.wasm --config-file faulty-next.yaml",
        1,
        &[],
        &["call 1 of 1 failed: invalid_decision: the plugin answered the model `nowhere`"],
    ),
    Row("plugin run plugins/newer.wasm", 1, &[], &["it wants jackfield:plugin/log@2.0.0"]),
    Row(
        "plugin run plugins/urgent-router.wasm --request not-a-request.json",
        1,
        &[],
        &["understand not-a-request.json"],
    ),
    Row("plugin run plugins/urgent-router.wasm --request none.json", 1, &[], &["read none.json"]),
    Row("plugin run plugins/urgent-router.wasm --config {", 2, &[], &["it is not JSON"]),
    Row("plugin run plugins/urgent-router.wasm --repeat 0", 2, &[], &["--repeat"]),
    // route
    Row(
        "route hello",
        0,
        &["urgent-router", "abstain", "decided by default: nothing else decided", "fast-model"],
        &["configuration: jackfield.yaml", "warning: plugin plugins/newer.wasm"],
    ),
    Row(
        "route --file request.json",
        0,
        &["model smart-model", "decided by urgent-router", "fast-model"],
        &["configuration"],
    ),
    Row(
        "route --task summary",
        0,
        &["decided by static: the task is summary", "temperature 0.5, max_tokens 500, reasoning low"],
        &["configuration"],
    ),
    Row(
        "route --task scale",
        0,
        &[
            "reasoning high, template \"Scale ${input}, please, for forty guests…\"",
            "JSON by schema; not_empty",
            " summary ",
        ],
        &["configuration"],
    ),
    Row("route --task paid", 0, &["paid-model", "no: its key's environment variable"], &["configuration"]),
    Row(
        "route --task dancing",
        1,
        &["task dancing"],
        &["unknown task 'dancing'; known tasks are: paid, scale, summary"],
    ),
    Row(
        "route urgent --config faulty-next.yaml",
        0,
        &["invalid_decision", "on_error: next", "decided by default"],
        &["configuration"],
    ),
    Row(
        "route urgent --config faulty-fail.yaml",
        1,
        &["invalid_decision", "on_error: fail"],
        &["the router `urgent-router` failed", "(plugin_failed)"],
    ),
    Row(
        "route --config dynamic.yaml hello",
        0,
        &[
            "not asked",
            "decided by dynamic: smart-model would be asked",
            "when rated high:",
            "paid-model",
            "when rated low:",
        ],
        &["configuration: dynamic.yaml"],
    ),
    Row("route", 2, &[], &["--task"]),
    Row("route hello --file request.json", 2, &[], &["cannot be used with"]),
];

#[test]
fn every_command_says_what_it_should_on_the_right_stream() {
    let folder = folder();
    let mut faults = Vec::new();
    for Row(command, code, stdout, stderr) in ROWS {
        let args: Vec<&str> = command.split(' ').collect();
        let output = jackfield(&folder, &args);
        let mut fault = |what: String| faults.push(format!("$ jackfield {command}\n{what}"));
        if output.status.code() != Some(*code) {
            fault(format!("exit code {:?} instead of {code}", output.status.code()));
        }
        for (name, bytes, wanted) in [("stdout", &output.stdout, stdout), ("stderr", &output.stderr, stderr)]
        {
            let text = String::from_utf8_lossy(bytes);
            if wanted.is_empty() && !text.is_empty() {
                fault(format!("{name} is not empty:\n{text}"));
            }
            for part in wanted.iter().filter(|part| !text.contains(**part)) {
                fault(format!("{name} lacks `{part}`:\n{text}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// Standard output of a command with `--json`.
fn ask(folder: &TempDir, command: &str) -> Value {
    let args: Vec<&str> = command.split(' ').chain(["--json"]).collect();
    let output = jackfield(folder, &args);
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{command}: {e} in {text}"))
}

#[test]
fn scripts_get_the_same_as_json() {
    let folder = folder();
    for (command, pointer, want) in [
        ("config models --config models.yaml", "/models/0/price/from", json!("catalogue")),
        ("config models --config models.yaml", "/models/0/context/from", json!("config")),
        ("config models --config models.yaml", "/models/1/context", Value::Null),
        ("plugin list", "/dir", json!("plugins")),
        ("plugin list", "/plugins/0/name", json!("bad name")),
        ("plugin list", "/plugins/0/state", json!("refused")),
        ("plugin list", "/plugins/1/state", json!("disabled")),
        ("plugin list", "/plugins/2/state", json!("not_listed")),
        ("plugin list", "/plugins/3/abi", json!(["jackfield:plugin@2.0.0", "jackfield:plugin@1.0.0"])),
        ("plugin list", "/plugins/4/size", json!(16)),
        ("plugin list", "/plugins/5/state", json!("serves")),
        ("plugin list", "/plugins/5/limits/cpu", json!("5s")),
        ("plugin list", "/plugins/5/canary", Value::Null),
        ("plugin list", "/plugins/6", Value::Null),
        ("plugin list --config rollout.yaml", "/plugins/5/canary", json!("2.5%")),
        ("plugin list --config rollout.yaml", "/plugins/5/state", json!("serves")),
        ("plugin list --config rollout.yaml", "/plugins/2/state", json!("shadow")),
        ("plugin check plugins/urgent-router.wasm", "/kinds", json!(["router"])),
        ("plugin check plugins/urgent-router.wasm", "/loads", json!(true)),
        ("plugin check plugins/urgent-router.wasm", "/stamp/language", json!("rust")),
        ("plugin check plugins/newer.wasm", "/loads", json!(false)),
        (
            "plugin run plugins/urgent-router.wasm",
            "/decision",
            json!({ "kind": "route", "targets": [{ "model": "fast-model" }] }),
        ),
        ("plugin run plugins/urgent-router.wasm --repeat 3", "/calls", json!(3)),
        (
            "plugin run plugins/urgent-router.wasm --config-file faulty-next.yaml",
            "/fault/kind",
            json!("invalid_decision"),
        ),
        ("route --task summary", "/candidates/0/max_tokens", json!(500)),
        ("route --task scale", "/candidates/1/task", json!("scale")),
        ("route --task scale", "/candidates/1/schema", json!({ "type": "object" })),
        ("route --task scale", "/candidates/2/task", json!("summary")),
        ("route --task scale", "/candidates/2/result", Value::Null),
        ("route --task paid", "/candidates/0/enabled", json!(false)),
        ("route urgent", "/steps/0/said", json!("route")),
        ("route urgent", "/decision/by", json!("urgent-router")),
        ("route --task dancing", "/fault/reason", json!("unknown_task")),
        ("route hello --config dynamic.yaml", "/ratings/high/candidates/0/model", json!("paid-model")),
        ("route hello --config dynamic.yaml", "/ratings/low/candidates/0/enabled", json!(true)),
        ("route hello --config dynamic.yaml", "/candidates/0/model", json!("fast-model")),
        ("route --task summary --config dynamic.yaml", "/ratings", Value::Null),
        ("route urgent --config faulty-next.yaml", "/steps/0/on_error", json!("next")),
    ] {
        let got = ask(&folder, command).pointer(pointer).cloned().unwrap_or(Value::Null);
        assert_eq!(got, want, "{command}: {pointer}");
    }
}

/// The lab's table as it ships: fine with keys, and without them, where it says what is missing.
#[test]
fn the_catering_example_checks_out_with_keys_and_without() {
    let folder = TempDir::new().unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/catering.yaml");
    let keys = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"];
    for with_keys in [true, false] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
        command.args(["check", "--config"]).arg(&config).current_dir(folder.path());
        command.env("XDG_CACHE_HOME", folder.path());
        for key in keys {
            match with_keys {
                true => command.env(key, "a-key-of-the-test"),
                false => command.env_remove(key),
            };
        }
        let output = command.output().unwrap();
        let (said, noted) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(0), "{noted}");
        for part in [
            "fine (3 models, 7 tasks",
            "strategic_planning",
            "max_tokens 2000, reasoning high",
            "JSON by schema",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        for key in keys {
            assert_eq!(noted.contains(&format!("`{key}` is not set")), !with_keys, "{noted}");
        }
    }
}

/// What `plugin list` calls refused is refused for the reason that `plugin check` gives.
#[test]
fn list_and_check_give_one_reason() {
    let folder = folder();
    let listed = ask(&folder, "plugin list")["plugins"].clone();
    let newer = listed.as_array().unwrap().iter().find(|plugin| plugin["name"] == "newer").unwrap();
    assert_eq!(newer["reason"], ask(&folder, "plugin check plugins/newer.wasm")["reason"]);
    assert_eq!(newer["digest"], ask(&folder, "plugin check plugins/newer.wasm")["digest"]);
}

/// One signal asks for a drain, every time: the stream that is open then finishes.
#[test]
fn a_signal_lets_open_streams_finish() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("jackfield.yaml");
    let yaml = "providers: { sim: { kind: simulated, latency: 1ms, chunk_latency: 10ms } }\n\
                models: { m: { provider: sim } }\norchestrator: { default_model: m }\n\
                plugins: { dir: none }\ntelemetry: { log: \"off\" }\n";
    std::fs::write(&config, yaml).unwrap();
    for round in 0..10 {
        let mut served = Command::new(env!("CARGO_BIN_EXE_jackfield"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .current_dir(dir.path())
            .env("XDG_CACHE_HOME", dir.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(served.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.unwrap().strip_prefix("listening on http://")?.to_owned()))
            .unwrap();
        let mut client = std::net::TcpStream::connect(&address).unwrap();
        let body = r#"{"stream":true,"messages":[{"role":"user","content":"one two three"}]}"#;
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(head.as_bytes()).unwrap();
        let mut first = [0; 1];
        client.read_exact(&mut first).unwrap();
        let signalled = Command::new("kill").args(["-TERM", &served.id().to_string()]).status().unwrap();
        assert!(signalled.success());
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("data: [DONE]"), "round {round}: {rest}");
        let end = served.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&end.stderr).into_owned();
        assert!(
            end.status.success() && told.contains("every open request finished"),
            "round {round}: {told}"
        );
    }
}

/// A gateway of its own process, ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a request on a connection of its own and reads all of the answer.
fn exchange(address: &str, request: &str) -> String {
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

/// How often each thread of a process was put on or taken off a processor so far.
#[cfg(target_os = "linux")]
fn switches(process: u32) -> std::collections::BTreeMap<String, u64> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of = |path: std::path::PathBuf| {
        // A thread may end between the listing and the reading.
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let name = status.lines().find_map(|line| line.strip_prefix("Name:"))?.trim();
        let counts = status.lines().filter(|line| line.contains("voluntary_ctxt_switches:"));
        let sum = counts.filter_map(|line| line.split_ascii_whitespace().last()?.parse::<u64>().ok()).sum();
        Some((format!("{name} {}", path.file_name()?.to_string_lossy()), sum))
    };
    tasks.filter_map(|task| of(task.unwrap().path())).collect()
}

/// Idle, a gateway wakes nobody: no thread runs, not even to look at a clock. Its admin port is open meanwhile.
#[cfg(target_os = "linux")]
#[test]
fn an_idle_gateway_wakes_nobody() {
    const TOKEN: &str = "a-token-of-the-test-0123456789";
    /// Windows of a second to look at: what follows a start or a request has an end (threads that rest leave after
    /// some seconds).
    const WINDOWS: usize = 30;
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    for name in EXAMPLES {
        std::fs::write(folder.path().join(format!("plugins/{name}.wasm")), example(name)).unwrap();
    }
    let yaml = "server: { listen: 127.0.0.1:0, admin: 127.0.0.1:0, admin_token: \"${ADMIN_TOKEN_OF_THE_TEST}\" }\n\
                providers: { sim: { kind: simulated, latency: 1ms } }\n\
                models: { fast-model: { provider: sim }, smart-model: { provider: sim } }\n\
                orchestrator: { default_model: fast-model }\n\
                plugins: { settings: { urgent-router: { config: { keyword: urgent, model: fast-model } }, \
                least-loaded: { config: { models: [fast-model] } } } }\n";
    std::fs::write(folder.path().join("jackfield.yaml"), yaml).unwrap();
    let mut served = Served(
        Command::new(env!("CARGO_BIN_EXE_jackfield"))
            .arg("serve")
            .current_dir(folder.path())
            .env("ADMIN_TOKEN_OF_THE_TEST", TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(served.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<String> = lines.by_ref().take_while(|line| line != "try it:").collect();
    let after = |start: &str| {
        let line =
            told.iter().find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("{told:?}"));
        line.split([':', ' ', '/']).take(2).collect::<Vec<_>>().join(":")
    };
    let (api, admin) = (after("listening on http://"), after("admin port on http://"));
    assert!(told[0].contains("cheapest-capable, least-loaded, urgent-router"), "{told:?}");
    assert!(!told.iter().any(|line| line.contains(TOKEN)), "{told:?}");

    let body = r#"{"messages":[{"role":"user","content":"this is urgent"}]}"#;
    let head = format!(
        "host: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(&api, &format!("POST /v1/chat/completions HTTP/1.1\r\n{head}"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let head = format!("host: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    let answer = exchange(&admin, &format!("GET /metrics HTTP/1.1\r\n{head}"));
    assert!(
        answer.contains("jackfield_requests_total{outcome=\"answered\",reason=\"none\"} 1\n"),
        "{answer}"
    );

    let mut seen = Vec::new();
    for _ in 0..WINDOWS {
        let before = switches(served.0.id());
        assert!(before.len() > 2, "{before:?}");
        std::thread::sleep(std::time::Duration::from_secs(1));
        let now = switches(served.0.id());
        if before == now {
            return;
        }
        seen.push(
            now.into_iter().filter(|(thread, count)| before.get(thread) != Some(count)).collect::<Vec<_>>(),
        );
    }
    panic!("some thread ran in every one of {WINDOWS} seconds: {seen:?}");
}

#[test]
fn workflows_are_listed_and_shown_as_they_are_declared() {
    let folder = folder();
    let example =
        |name: &str| format!("{}/../config/examples/workflow-{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    // An example, what is asked, the exit code, what is said.
    let rows: [(&str, &[&str], i32, &[&str]); 6] = [
        ("catering", &["list"], 0, &["process_catering_order", "order", "0.50", "Plans a catering order"]),
        ("recipe-scaling", &["list"], 0, &["process_recipes_in_batches", "guests, recipes"]),
        (
            "catering",
            &["show", "process_catering_order"],
            0,
            &[
                "input order (object, required): what is ordered",
                "at most 0.50 USD, 5m, 8 calls at a time",
                "planner or efficient by step.complexity",
                "for each step of plan.output.steps, one after the other",
                "json, by a schema",
            ],
        ),
        (
            "hierarchical-planning",
            &["show", "hierarchical_planning"],
            0,
            &["workflow/resource_planning", "strategic"],
        ),
        ("refinement", &["show", "generate_catering_plan"], 0, &["improved up to 3 times"]),
        (
            "catering",
            &["show", "nothing"],
            1,
            &["there is no workflow `nothing`", "workflows: process_catering_order"],
        ),
    ];
    for (file, ask, code, said) in rows {
        let file = example(file);
        let args: Vec<&str> = ["workflow"].iter().chain(ask).copied().chain(["--config", &file]).collect();
        let output = jackfield(&folder, &args);
        let text =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        for part in said {
            assert!(text.contains(part), "{args:?} lacks `{part}`: {text}");
        }
    }
    let shown = |name: &str| {
        ask(&folder, &format!("workflow show {name} --config {}", example("hierarchical-planning")))
    };
    assert_eq!(shown("hierarchical_planning")["waves"], json!([["strategic"], ["resources", "timeline"]]));
    assert_eq!(shown("resource_planning")["steps"][2]["needs"], json!(["plan"]));
    let none = jackfield(&folder, &["workflow", "list"]);
    assert!(String::from_utf8_lossy(&none.stdout).contains("no workflow is declared"));
}

//! Runs of workflows from the command line, through a gateway that is killed in the middle of one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::served::Home;

/// `slow` answers after so long.
fn configure(home: &Home, latency: &str) {
    let yaml = format!(
        "state: sqlite:state.db
providers:
  quick: {{ kind: simulated, latency: 1ms }}
  slow: {{ kind: simulated, latency: {latency} }}
models: {{ quick-model: {{ provider: quick }}, slow-model: {{ provider: slow }} }}
plugins: {{ dir: plugins }}
workflows:
  two:
    steps:
      - {{ name: first, model: quick-model, prompt: \"Think.\" }}
      - {{ name: second, model: slow-model, prompt: \"Write ${{size(first.output) > 0}}.\" }}
telemetry: {{ log: json }}
"
    );
    std::fs::write(home.dir.path().join("jackfield.yaml"), yaml).unwrap();
}

fn command(home: &Home, at: &str, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command.args(args.split(' ')).args(["--at", at]).current_dir(home.dir.path());
    command
}

fn run(home: &Home, at: &str, args: &str) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(home, at, args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_run_outlives_a_gateway_that_is_killed_and_pays_nothing_twice() {
    let home = Home::new("watch: true");
    configure(&home, "1h");
    let first = home.serve();
    let mut running = command(&home, first.address(), "workflow run two --input jackfield.yaml");
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines().map_while(Result::ok);
    let id = lines.find_map(|line| Some(line.strip_suffix(": two")?.to_owned())).unwrap();
    assert!(lines.any(|line| line.starts_with("first: succeeded in ")));
    assert!(lines.any(|line| line == "second: started"));
    first.kill();
    assert_eq!(running.wait().unwrap().code(), Some(1));
    let rest: Vec<String> = lines.collect();
    let hint =
        format!("`jackfield workflow runs {id}` tells how the run stands; `jackfield workflow resume {id}`");
    assert!(rest.iter().any(|line| line.contains(&hint)), "{rest:?}");

    configure(&home, "1ms");
    let second = home.serve();
    // What was done before is known, and listed.
    let url = format!("http://{}/", second.address());
    let (code, out, told) = run(&home, &url, &format!("workflow runs {id} --json"));
    assert_eq!(code, Some(0), "{told}");
    let record: Value = serde_json::from_str(&out).unwrap();
    let steps = &record["steps"];
    assert_eq!(
        (&record["status"], &steps[0]["status"]),
        (&"interrupted".into(), &"succeeded".into()),
        "{out}"
    );
    assert!(steps[0]["output"].is_string() && steps[0]["calls"] == 1, "{out}");
    assert_eq!((&steps[1]["name"], &steps[1]["status"]), (&"second".into(), &"not_run".into()), "{out}");
    let (code, out, told) = run(&home, &url, "workflow runs two");
    assert!(code == Some(0) && out.contains(&id) && out.contains("interrupted"), "{out} {told}");

    let (code, out, told) = run(&home, second.address(), &format!("workflow resume {id} --json"));
    assert_eq!(code, Some(0), "{told}");
    let record: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&record["status"], &record["calls"], &record["resumed_calls"]),
        (&"succeeded".into(), &2.into(), &1.into())
    );
    // One call went out, and its request says of which step.
    let line = second
        .logged("the second step", |line| line["fields"]["step"] == "second" || line["step"] == "second");
    assert!(line.to_string().contains(&id), "{line}");
    assert!(!second.told().contains("\"step\":\"first\""), "{}", second.told());
    // What is whole is told again, as its output alone.
    let (code, out, told) = run(&home, second.address(), &format!("workflow resume {id}"));
    assert!(code == Some(0) && out.contains("Write true."), "{out} {told}");
    assert!(
        told.contains(&format!("{id}: succeeded in ")) && told.contains("2 calls (1 from before)"),
        "{told}"
    );
}

#[cfg(unix)]
#[test]
fn whoever_interrupts_is_told_how_to_look_and_how_to_go_on() {
    let home = Home::new("watch: true");
    configure(&home, "1h");
    let served = home.serve();
    let mut running = command(&home, served.address(), "workflow run two --input jackfield.yaml");
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines().map_while(Result::ok);
    let id = lines.find_map(|line| Some(line.strip_suffix(": two")?.to_owned())).unwrap();
    assert!(lines.any(|line| line == "second: started"));
    let sent = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(running.wait().unwrap().code(), Some(1));
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.contains(&format!("`jackfield workflow resume {id}`"))), "{rest:?}");
}

#[test]
fn what_cannot_be_run_is_said_and_ends_with_one() {
    let home = Home::new("watch: true");
    configure(&home, "1ms");
    let served = home.serve();
    let at = served.address().to_owned();
    let (code, out, told) = run(&home, &at, "workflow run two");
    assert!(code == Some(0) && out.contains("Write true."), "{out} {told}");
    assert!(told.contains("second: succeeded in ") && told.contains("2 calls"), "{told}");
    let refused = |at: &str| run(&home, at, "workflow runs").2;
    assert!(refused("https://localhost").contains("this command speaks plain HTTP"));
    assert!(refused("ftp://localhost").contains("`ftp` is not asked"));
    for (args, why) in [
        ("workflow run none", "the workflow 'none' does not exist here; there are: two"),
        ("workflow resume run_none", "no run 'run_none' is kept"),
        ("workflow run two --input none.json", "read the input none.json"),
    ] {
        let (code, out, told) = run(&home, &at, args);
        assert!(code == Some(1) && out.is_empty() && told.contains(why), "{args}: {told}");
    }
    served.kill();
    let (code, _, told) = run(&home, &at, "workflow run two");
    assert!(code == Some(1) && told.contains("reach http://"), "{told}");
}

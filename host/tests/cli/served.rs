//! A gateway of the built binary, in a folder of its own: started, asked, stopped, and what it said.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before the test fails. Never reached by a test that passes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a configuration, plugins, and what gateways keep.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
}

/// A running gateway.
pub(crate) struct Served {
    child: Child,
    address: Option<String>,
    greeting: String,
    told: Arc<Mutex<String>>,
}

impl Home {
    /// Two simulated models, generous limits, and these keys of `plugins`.
    pub(crate) fn new(plugins: &str) -> Self {
        let home = Self { dir: TempDir::new().unwrap() };
        std::fs::create_dir(home.plugins()).unwrap();
        home.configure(plugins);
        home
    }

    /// Writes another configuration.
    pub(crate) fn configure(&self, plugins: &str) {
        let yaml = format!(
            "providers: {{ sim: {{ kind: simulated, latency: 1ms, chunk_latency: 1ms }} }}\n\
             models: {{ fast-model: {{ provider: sim }}, smart-model: {{ provider: sim }} }}\n\
             orchestrator: {{ default_model: smart-model }}\n\
             plugins:\n  router_defaults: {{ limits: {{ cpu: 5s, wall: 30s }} }}\n  {plugins}\n\
             telemetry: {{ log: json }}\n"
        );
        std::fs::write(self.dir.path().join("jackfield.yaml"), yaml).unwrap();
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.dir.path().join("plugins")
    }

    /// The private folder.
    pub(crate) fn private(&self) -> PathBuf {
        self.dir.path().join("caches/jackfield/plugins")
    }

    /// Puts a file into the plugin folder, whole.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let beside = self.dir.path().join("beside");
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(&beside, self.plugins().join(name)).unwrap();
    }

    /// Starts a gateway and does not wait for it.
    pub(crate) fn spawn(&self) -> Served {
        self.spawn_with(&[])
    }

    fn spawn_with(&self, more: &[&str]) -> Served {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jackfield"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(more)
            .current_dir(self.dir.path())
            .env("XDG_CACHE_HOME", self.dir.path().join("caches"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        let (lines, heard) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&told));
        // Ends with the gateway's standard error.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *heard.lock().unwrap() += &(line + "\n");
            }
        });
        Served { child, address: None, told, greeting: String::new() }
    }

    /// Starts a gateway that serves.
    pub(crate) fn serve(&self) -> Served {
        self.serve_with(&[])
    }

    /// Starts a gateway with these arguments besides.
    pub(crate) fn serve_with(&self, more: &[&str]) -> Served {
        let mut served = self.spawn_with(more);
        let mut lines = BufReader::new(served.child.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            greeting.push_str(&line);
            greeting.push('\n');
            Some(line.strip_prefix("listening on http://")?.to_owned())
        });
        served.greeting = greeting;
        served.address = Some(address.unwrap_or_else(|| panic!("it does not serve: {}", served.told())));
        std::thread::spawn(move || lines.for_each(drop));
        served
    }

    /// What a command prints with `--json`.
    pub(crate) fn ask(&self, command: &str) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_jackfield"))
            .args(command.split(' ').chain(["--json"]))
            .current_dir(self.dir.path())
            .env("XDG_CACHE_HOME", self.dir.path().join("caches"))
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{command}: {e} in {output:?}"))
    }
}

impl Served {
    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.address.as_deref().unwrap()
    }

    /// What it printed until it listened.
    pub(crate) fn greeting(&self) -> &str {
        &self.greeting
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything on its standard error so far.
    pub(crate) fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    /// The first logged line for which this holds.
    pub(crate) fn logged(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let find = || {
            let told = self.told();
            told.lines().filter_map(|line| serde_json::from_str(line).ok()).find(|line| wanted(line))
        };
        soon(what, || find().ok_or_else(|| self.told()))
    }

    /// The model that answers now, and who decided so.
    pub(crate) fn model(&self) -> (String, String) {
        let mut client = TcpStream::connect(self.address.as_ref().unwrap()).unwrap();
        let body = r#"{"messages":[{"role":"user","content":"hello"}]}"#;
        let length = body.len();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        client.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let header = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        (header("x-jackfield-model:"), header("x-jackfield-route:"))
    }

    /// Asks until this model answers; every request meanwhile is answered.
    pub(crate) fn until(&self, model: &str) {
        soon(&format!("{model} to answer"), || {
            let (now, _) = self.model();
            (now == model).then_some(()).ok_or_else(|| format!("{now} answers; {}", self.told()))
        });
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something that will be, and says what was seen instead when it is not.
pub(crate) fn soon<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(instead) => assert!(began.elapsed() < PATIENCE, "waited in vain for {what}; {instead}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

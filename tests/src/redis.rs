//! A real `redis-server` on a port of its own, in a folder of its own, with a password; and as much of its protocol as tests ask.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The password, which must not be seen anywhere.
pub const PASSWORD: &str = "must-not-be-shown-redis";

/// A running server.
#[derive(Debug)]
pub struct Redis {
    child: Option<Child>,
    port: u16,
    dir: tempfile::TempDir,
}

impl Redis {
    /// Starts one; `None`, with a loud message, where the program is not there.
    ///
    /// # Panics
    /// When it is there and does not start; also when it is missing in CI.
    #[expect(clippy::print_stderr, reason = "a test that tests nothing tells its reader")]
    pub fn start() -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(
                std::env::var_os("CI").is_none(),
                "redis-server is missing: apt-get install -y redis-server"
            );
            eprintln!(
                "SKIPPED: redis-server is missing, so nothing is shared: apt-get install -y redis-server"
            );
            return None;
        }
        let mut this = Self { child: None, port: 0, dir: tempfile::tempdir().unwrap() };
        // Somebody may take the port before the server does: then it ends at once, and another is tried.
        for _ in 0..5 {
            this.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if this.begins() {
                return Some(this);
            }
        }
        panic!("redis-server finds no free port");
    }

    /// Starts it again, with what it has saved.
    ///
    /// # Panics
    /// When it does not start.
    pub fn begin(&mut self) {
        assert!(self.begins(), "redis-server ends at once");
    }

    /// Starts it, and waits until it answers; false when it ends instead.
    fn begins(&mut self) -> bool {
        let port = self.port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--requirepass", PASSWORD])
            .args(["--save", "3600 100000", "--loglevel", "warning", "--dir"])
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() || self.ask(&["PING"]) != ["PONG"] {
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            assert!(began.elapsed() < crate::PATIENCE, "redis-server does not begin");
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Ends it, after it has saved what it holds.
    pub fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = self.try_ask(&["SHUTDOWN", "SAVE"]);
            let _ = child.wait();
        }
    }

    /// Sends it a signal: `-STOP`, and it hangs; `-CONT`, and it goes on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Its address, with the password.
    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// Its address, as it may be shown.
    pub fn shown(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command; its answer as texts, a missing one empty.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn ask(&self, command: &[&str]) -> Vec<String> {
        self.try_ask(command).unwrap()
    }

    /// The keys that fit a pattern, sorted.
    pub fn keys(&self, pattern: &str) -> Vec<String> {
        let mut keys = self.ask(&["KEYS", pattern]);
        keys.sort();
        keys
    }

    /// A number in a counter: `su` is what was spent in nano-dollars, `hu` what is held.
    pub fn counter(&self, pattern: &str, field: &str) -> u64 {
        let keys = self.keys(pattern);
        let sum = keys.iter().map(|key| self.ask(&["HGET", key, field])[0].parse().unwrap_or(0));
        sum.sum()
    }

    fn try_ask(&self, command: &[&str]) -> std::io::Result<Vec<String>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(crate::PATIENCE))?;
        for words in [&["AUTH", PASSWORD][..], command] {
            let all: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
            stream.write_all(format!("*{}\r\n{all}", words.len()).as_bytes())?;
        }
        let mut reader = BufReader::new(stream);
        answer(&mut reader)?;
        answer(&mut reader)
    }
}

fn answer(from: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let (kind, rest) = line.trim_end().split_at(1);
    Ok(match kind {
        "$" => match rest.parse::<usize>() {
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                from.read_exact(&mut bytes)?;
                vec![String::from_utf8_lossy(&bytes[..length]).into_owned()]
            }
            Err(_) => vec![String::new()],
        },
        "*" => {
            let mut all = Vec::new();
            for _ in 0..rest.parse().unwrap_or(0) {
                all.extend(answer(from)?);
            }
            all
        }
        _ => vec![rest.to_owned()],
    })
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

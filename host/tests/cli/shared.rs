//! A host that is killed has its reservations no longer than their term, and is charged for what it had under way when it is
//! back. Two built gateways, a real Redis, `kill -9`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::served::{Home, soon};

struct Redis(Child, u16);

impl Redis {
    #[expect(clippy::print_stderr, reason = "a test that tests nothing tells its reader")]
    fn start(dir: &std::path::Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            assert!(
                std::env::var_os("CI").is_none(),
                "redis-server is missing: apt-get install -y redis-server"
            );
            eprintln!(
                "SKIPPED: redis-server is missing, so nothing is shared: apt-get install -y redis-server"
            );
            return None;
        };
        let this = Self(child, port);
        soon("redis-server to listen", || TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string()));
        Some(this)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Room for about ninety tokens of answers: one whole answer that is under way holds all of it.
fn configure(home: &Home, redis: &Redis, latency: &str) {
    let yaml = format!(
        "state: redis://127.0.0.1:{}\n\
         shared_state: {{ lease: 2s, timeout: 5s, file: sqlite:state.db }}\n\
         providers: {{ sim: {{ kind: simulated, latency: {latency}, chunk_latency: 0ms }} }}\n\
         models: {{ m: {{ provider: sim, retries: 0, price: {{ input: 1, output: 10 }} }} }}\n\
         orchestrator: {{ default_model: m, budgets: {{ daily_limit_usd: 0.001 }} }}\n\
         plugins: {{ dir: none }}\n",
        redis.1
    );
    std::fs::write(home.dir.path().join("jackfield.yaml"), yaml).unwrap();
}

/// The status of one request; 0 when the gateway went away.
fn ask(address: &str) -> u16 {
    let body = r#"{"messages":[{"role":"user","content":"hello"}]}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let Ok(mut client) = TcpStream::connect(address) else { return 0 };
    let mut answer = String::new();
    if client.write_all(head.as_bytes()).is_err() || client.read_to_string(&mut answer).is_err() {
        return 0;
    }
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn a_killed_hosts_reservations_come_back_and_are_charged_when_it_does() {
    let (slow, quick) = (Home::new("watch: false"), Home::new("watch: false"));
    let Some(redis) = Redis::start(slow.dir.path()) else { return };
    configure(&slow, &redis, "60s");
    configure(&quick, &redis, "0ms");
    let (killed, lives) = (slow.serve(), quick.serve());
    let (address, stop) = (killed.address().to_owned(), Arc::new(AtomicBool::new(false)));
    let asked = Arc::clone(&stop);
    // Until one of them hangs: while the other host's is under way, there is no room for this one's.
    let client = std::thread::spawn(move || while !asked.load(Ordering::SeqCst) && ask(&address) == 402 {});
    let until = |status: u16| {
        soon(&format!("a {status}"), || {
            let got = ask(lives.address());
            (got == status).then_some(()).ok_or_else(|| format!("{got}; {}", lives.told()))
        });
    };
    until(402);
    killed.kill();
    stop.store(true, Ordering::SeqCst);
    client.join().unwrap();
    until(200);
    // What it had under way may have been billed: it is charged at what was reserved.
    let _back = slow.serve();
    until(402);
}

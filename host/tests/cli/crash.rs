//! `kill -9` at any moment loses nothing that was delivered: what clients received of each request, streamed or whole, is
//! in the ledger after a restart, at its price or more.
//!
//! The moments are picked by what clients have received, so that they fall everywhere in an exchange; the simulation answers
//! at once, so that an answer which did not wait for the file would be ahead of it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _};

use crate::served::Home;

/// How often it is killed; fewer times on a machine that cannot do that many within `LONGEST`.
const KILLS: u64 = 100;
const LONGEST: Duration = Duration::from_secs(60);
/// What a token of an answer costs, in nano-dollars.
const TOKEN: u64 = 10_000;

const CONFIG: &str = "
state: sqlite:state.db
providers: { sim: { kind: simulated, latency: 0ms, chunk_latency: 0ms } }
models: { m: { provider: sim, price: { input: 1, output: 10 } } }
orchestrator: { default_model: m, budgets: { daily_limit_usd: 1000 } }
plugins: { dir: none }
telemetry: { log: \"off\" }
";

/// What clients received: tokens of answers, by request.
#[derive(Default)]
struct Received {
    by_request: Mutex<BTreeMap<String, u64>>,
    pieces: AtomicU64,
}

impl Received {
    fn more(&self, request: &str, tokens: u64) {
        *self.by_request.lock().unwrap().entry(request.to_owned()).or_default() += tokens;
        self.pieces.fetch_add(1, Ordering::SeqCst);
    }
}

/// Asks once, and notes what comes until the answer or the gateway ends.
fn ask(address: &str, stream: bool, received: &Received) -> std::io::Result<()> {
    let mut client = TcpStream::connect(address)?;
    let body = format!(
        r#"{{"stream":{stream},"messages":[{{"role":"user","content":"one two three four five six seven"}}]}}"#
    );
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    let mut request = String::new();
    for line in BufReader::new(client).lines() {
        let line = line?;
        if let Some(id) = line.strip_prefix("x-jackfield-request-id:") {
            request = id.trim().to_owned();
        }
        // The simulation says one word in each chunk, and counts one token for it.
        if stream && line.contains("\"content\":\"") && line.starts_with("data: ") {
            received.more(&request, 1);
        }
        if let Some(at) = line.find("\"completion_tokens\":").filter(|_| !stream) {
            let digits: String = line[at..]
                .chars()
                .skip_while(|c| !c.is_ascii_digit())
                .take_while(char::is_ascii_digit)
                .collect();
            received.more(&request, digits.parse().unwrap());
        }
    }
    Ok(())
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_clients_received() {
    let home = Home::new("watch: false");
    std::fs::write(home.dir.path().join("jackfield.yaml"), CONFIG).unwrap();
    let received = Arc::new(Received::default());
    let (began, mut dice, mut kills) = (Instant::now(), 0x9e37_79b9_7f4a_7c15_u64, 0);
    while kills < KILLS && began.elapsed() < LONGEST {
        let served = home.serve();
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..6)
            .map(|n| {
                let (address, received, stop) =
                    (served.address().to_owned(), Arc::clone(&received), Arc::clone(&stop));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::SeqCst) && ask(&address, n % 3 != 0, &received).is_ok() {}
                })
            })
            .collect();
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let until = received.pieces.load(Ordering::SeqCst) + 1 + (dice >> 33) % 150;
        while received.pieces.load(Ordering::SeqCst) < until {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::SeqCst);
        served.kill();
        clients.into_iter().for_each(|client| client.join().unwrap());
        kills += 1;
    }
    // What was open is settled by whoever starts next.
    home.serve().kill();
    let ledger = Connection::open(home.dir.path().join("state.db")).unwrap();
    let mut sum = ledger
        .prepare("SELECT sum(settled_nanousd) FROM charges WHERE request = ?1 AND state <> 'open' GROUP BY request")
        .unwrap();
    let received = received.by_request.lock().unwrap();
    for (request, tokens) in received.iter() {
        let settled: Option<i64> = sum.query_row([request], |row| row.get(0)).optional().unwrap();
        let settled = settled
            .unwrap_or_else(|| panic!("{request} is not in the ledger after {kills} kills; {tokens} tokens"));
        let settled = u64::try_from(settled).unwrap();
        assert!(settled >= tokens * TOKEN, "{request}: {settled} for {tokens} tokens, after {kills} kills");
    }
    let open: i64 =
        ledger.query_row("SELECT count(*) FROM charges WHERE state = 'open'", (), |row| row.get(0)).unwrap();
    let recovered: i64 = ledger
        .query_row("SELECT count(*) FROM charges WHERE state = 'recovered'", (), |row| row.get(0))
        .unwrap();
    assert_eq!(open, 0);
    assert!(
        recovered > 0 && !received.is_empty(),
        "{recovered} of {} requests were under way",
        received.len()
    );
    eprintln!("{kills} kills, {} requests, {recovered} of them under way", received.len());
}

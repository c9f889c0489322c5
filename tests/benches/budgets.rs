//! What a budget costs a request: the same gateway without one, with one that is counted in memory, and with one that is
//! written to a file, side by side in one run, so that their ratios mean something on a machine that others use too.
//!
//! Real HTTP on every side: `CLIENTS` connections, each asking again as soon as it was answered, and a provider that answers
//! at once or after `THINKING`. Against the first nothing hides what a write costs; the second is what a gateway lives with.
//! The gateways take turns of `TURN`, `ROUNDS` times; the median of each counts. Clients and provider run on the same
//! processors, so a ratio is milder than what the gateway alone pays. Nothing is asserted about time.
//!
//! ```console
//! $ cargo bench -p jackfield-tests --bench budgets
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on says so to the person who started it"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jackfield_tests::gateway::{CHAT, Gateway, Setup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections that ask, where the provider answers at once.
const CLIENTS: usize = 32;
/// Connections that ask, where it thinks: enough to keep the machine as busy.
const MANY_CLIENTS: usize = 256;
/// How long the provider thinks, when it does.
const THINKING: Duration = Duration::from_millis(20);
/// How long each gateway is asked without a pause.
const TURN: Duration = Duration::from_secs(1);
/// Turns of each gateway.
const ROUNDS: usize = 5;

const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog and then rests for a while near the river."},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":24,"total_tokens":44}}"#;
const QUESTION: &str = r#"{"model":"m","messages":[{"role":"user","content":"Please tell me something interesting about the history of the river Thames."}]}"#;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        println!("| provider answers | budget | requests/s | of those without |\n|---|---|---|---|");
        compare("at once", Duration::ZERO, CLIENTS).await;
        compare("after 20 ms", THINKING, MANY_CLIENTS).await;
    });
}

/// Measures the three gateways against one provider.
async fn compare(provider: &str, thinking: Duration, clients: usize) {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener, thinking));
    let file = folder.path().join("state.db");
    let limited = "budgets: { daily_limit_usd: 1000000 }";
    let file = format!("sqlite:{}", file.display());
    let kinds = [("none", "", ":memory:"), ("in memory", limited, ":memory:"), ("in SQLite", limited, &file)];
    let mut gateways = Vec::new();
    for (name, budgets, state) in kinds {
        gateways.push((name, gateway(upstream, budgets, state).await, Vec::new()));
    }
    for round in 0..=ROUNDS {
        for (_, gateway, rates) in &mut gateways {
            let rate = ask(gateway.address(), clients).await;
            // The first turn warms up.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let mut without = None;
    for (name, gateway, mut rates) in gateways {
        rates.sort_by(f64::total_cmp);
        let median = rates[rates.len() / 2];
        let ratio = median / *without.get_or_insert(median);
        println!("| {provider} | {name} | {median:.0} | {:.0}% |", ratio * 100.0);
        gateway.stop().await;
    }
    serving.abort();
}

async fn gateway(upstream: SocketAddr, budgets: &str, state: &str) -> Gateway {
    let yaml = format!(
        "server: {{ listen: 127.0.0.1:0 }}
state: \"{state}\"
providers: {{ up: {{ kind: openai, base_url: \"http://{upstream}/v1\", api_key: k }} }}
models: {{ m: {{ provider: up, price: {{ input: 1, output: 2 }} }} }}
orchestrator: {{ default_model: m, {budgets} }}
plugins: {{ dir: none }}
"
    );
    Setup::yaml(&yaml).quiet().start().await
}

/// Asks for one turn, and says how many answers a second there were.
async fn ask(address: SocketAddr, clients: usize) -> f64 {
    let began = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..clients {
        all.spawn(async move {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.set_nodelay(true).unwrap();
            let asked = format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{QUESTION}",
                QUESTION.len()
            );
            let (mut buffer, mut answers) = (Vec::new(), 0_u64);
            while began.elapsed() < TURN {
                connection.write_all(asked.as_bytes()).await.unwrap();
                let head = message(&mut connection, &mut buffer).await.unwrap();
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                answers += 1;
            }
            answers
        });
    }
    let answers: u64 = all.join_all().await.into_iter().sum();
    answers as f64 / began.elapsed().as_secs_f64()
}

/// The provider.
async fn serve(listener: TcpListener, thinking: Duration) {
    let mut connections = JoinSet::new();
    while let Ok((mut connection, _)) = listener.accept().await {
        connections.spawn(async move {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
                ANSWER.len()
            );
            let _ = connection.set_nodelay(true);
            let mut buffer = Vec::new();
            while message(&mut connection, &mut buffer).await.is_some() {
                if !thinking.is_zero() {
                    tokio::time::sleep(thinking).await;
                }
                if connection.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Reads one message with a `content-length`, and gives its head; `None` at the end of the connection.
async fn message(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let whole = end + 4 + length.map_or(0, |length| length.trim().parse().unwrap());
            if buffer.len() >= whole {
                buffer.drain(..whole);
                return Some(head.replacen("http/", "HTTP/", 1));
            }
        }
        if connection.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

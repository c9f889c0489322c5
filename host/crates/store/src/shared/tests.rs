//! The scripts against a model that counts in 128 bits, on a real server; skipped, loudly, where there is none.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use jackfield_core::base::NanoUsd;
use jackfield_core::config::Config;
use jackfield_core::contract::Chunk;

use super::{Answers, Bound, Counters, Held, Link, Place};
use crate::cache::{CacheKey, Entry, Given, Kept, KeyBuilder};
use crate::ledger::Amount;

const MOST: u128 = 1 << 53;

pub(crate) struct Server(
    Child,
    pub(crate) u16,
    #[allow(dead_code, reason = "it goes with the server")] tempfile::TempDir,
);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn server() -> Option<Server> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let started = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        assert!(std::env::var_os("CI").is_none(), "redis-server is missing: apt-get install -y redis-server");
        eprintln!("SKIPPED: redis-server is missing: apt-get install -y redis-server");
        return None;
    };
    let server = Server(child, port, dir);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(server)
}

pub(crate) fn counters(port: u16) -> Counters {
    let yaml = format!("state: redis://127.0.0.1:{port}\nshared_state: {{ timeout: 10s, lease: 10m }}");
    let config = Config::from_text("test", &yaml, &|_| None).unwrap();
    let shared = config.state().shared().unwrap();
    Counters::new(Link::new(shared).unwrap(), &shared.name, shared.lease)
}

fn amount(usd: u128, tokens: u128) -> Amount {
    Amount { usd: NanoUsd::new(u64::try_from(usd).unwrap()), tokens: u64::try_from(tokens).unwrap() }
}

fn pair(amount: Amount) -> [u128; 2] {
    [amount.usd.nanos().into(), amount.tokens.into()]
}

#[derive(Clone, Copy, Default, Debug)]
struct Model {
    spent: [u128; 2],
    held: [u128; 2],
    open: u128,
}

/// Numbers small and at the end of what is exact, over a few counters that leases share.
#[tokio::test]
async fn the_scripts_count_as_a_model_does_and_may_each_come_twice() {
    let Some(server) = server() else { return };
    let counters = counters(server.1);
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let ends = 4_102_444_800_000;
    let work = async {
        let (mut taken, mut full) = (0, 0);
        for round in 0..24_u64 {
            let scale: u128 = if round % 2 == 0 { 1 } else { 1 << 49 };
            let place = |n: u64| {
                counters.place(&format!("project:{n}"), "daily", i64::try_from(round).unwrap(), ends)
            };
            let all: Vec<Place> = (0..3).map(place).collect();
            let limits: Vec<[u128; 2]> = (0..3)
                .map(|_| [0, 1].map(|_| u128::from(5 + roll(10)) * scale + u128::from(roll(2))))
                .collect();
            let mut model = [Model::default(); 3];
            let mut leases: HashMap<u64, (Vec<usize>, [u128; 2], u128)> = HashMap::new();
            let (mut ended, mut charged): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
            for _ in 0..60 {
                let id = roll(8);
                let name = format!("{round}-{id}");
                if roll(3) == 0 {
                    let spent = [u128::from(roll(4)) * scale, u128::from(roll(4)) * scale];
                    let places = leases.get(&id).map_or(vec![0, 1, 2], |(places, ..)| places.clone());
                    let told: Vec<(Place, Amount)> =
                        places.iter().map(|at| (all[*at].clone(), amount(spent[0], spent[1]))).collect();
                    for _ in 0..=roll(2) {
                        counters.settle(&name, &told).await.unwrap();
                    }
                    // One of no counters spent nothing: what it spent may still be told.
                    if charged.contains(&id) || ended.contains(&id) && told.is_empty() {
                        continue;
                    }
                    ended.push(id);
                    charged.extend((!told.is_empty()).then_some(id));
                    if let Some((places, held, open)) = leases.remove(&id) {
                        for at in places {
                            for (total, held) in model[at].held.iter_mut().zip(held) {
                                *total -= held;
                            }
                            model[at].open -= open;
                        }
                    }
                    for at in places {
                        for (total, spent) in model[at].spent.iter_mut().zip(spent) {
                            *total = (*total + spent).min(MOST);
                        }
                    }
                } else {
                    let whole = u128::from(roll(2));
                    let first: Vec<usize> = (0..3).filter(|_| roll(3) > 0).collect();
                    let (places, old, was) = leases.get(&id).cloned().unwrap_or((first, [0; 2], 0));
                    let offers: Vec<[u128; 2]> = [4, 2, 1]
                        .map(|n| {
                            [
                                u128::from(n * roll(3)) * scale + u128::from(roll(3)),
                                u128::from(n * roll(3)) * scale,
                            ]
                        })
                        .to_vec();
                    let fits = |offer: &[u128; 2]| {
                        places.iter().all(|at| {
                            let model = model[*at];
                            (0..2)
                                .all(|u| model.spent[u] + model.held[u] - old[u] + offer[u] <= limits[*at][u])
                        })
                    };
                    let want = offers.iter().position(fits);
                    let sent: Vec<Amount> = offers.iter().map(|offer| amount(offer[0], offer[1])).collect();
                    let keys: Vec<Place> = places.iter().map(|at| all[*at].clone()).collect();
                    let bounds: Vec<Bound> = places
                        .iter()
                        .map(|at| {
                            let [usd, tokens] =
                                pair(amount(limits[*at][0], limits[*at][1])).map(|n| u64::try_from(n).ok());
                            Bound { usd, tokens }
                        })
                        .collect();
                    let again = roll(2);
                    let mut got = Held::Ended;
                    for _ in 0..=again {
                        got = counters
                            .hold(&name, &AtomicBool::new(false), whole == 1, &keys, &bounds, &sent)
                            .await
                            .unwrap();
                    }
                    if ended.contains(&id) {
                        assert_eq!(got, Held::Ended);
                        continue;
                    }
                    match (&got, want) {
                        (Held::Taken(at, _), Some(want)) => {
                            // A second time an earlier offer may be the one in place; none larger fits.
                            assert_eq!(*at, want, "round {round}");
                            taken += 1;
                            for at in &places {
                                for unit in 0..2 {
                                    model[*at].held[unit] =
                                        model[*at].held[unit] + offers[want][unit] - old[unit];
                                }
                                model[*at].open = model[*at].open + whole - was;
                            }
                            leases.insert(id, (places.clone(), offers[want], whole));
                        }
                        (Held::Full(_), None) => full += 1,
                        (got, want) => panic!("{got:?} instead of {want:?} in round {round}"),
                    }
                    let (Held::Taken(_, seen) | Held::Full(seen)) = got else { continue };
                    for (at, seen) in places.iter().zip(seen) {
                        assert_eq!((pair(seen.spent), pair(seen.held)), (model[*at].spent, model[*at].held));
                        assert_eq!(u128::from(seen.open), model[*at].open);
                    }
                }
            }
            for (seen, model) in counters.read(&all).await.unwrap().into_iter().zip(model) {
                assert_eq!((pair(seen.spent), pair(seen.held)), (model.spent, model.held), "round {round}");
            }
        }
        assert!(taken > 100 && full > 100, "{taken} taken, {full} full");
    };
    tokio::select! {
        () = work => {}
        () = counters.link().keep(|_| {}) => {}
    }
}

#[tokio::test]
async fn a_lease_that_was_given_back_may_be_told_once_what_was_spent() {
    let Some(server) = server() else { return };
    let counters = counters(server.1);
    let place = counters.place("global", "daily", 0, 4_102_444_800_000);
    let spent = [(place.clone(), amount(5, 7))];
    let work = async {
        // In a process before this one; then its row is found open.
        counters.settle("a:1", &[]).await.unwrap();
        for told in [&spent[..], &spent, &[]] {
            counters.settle("a:1", told).await.unwrap();
        }
        let held = counters
            .hold("a:1", &AtomicBool::new(false), false, std::slice::from_ref(&place), &[], &[amount(1, 1)])
            .await;
        assert_eq!(held, Ok(Held::Ended));
        let seen = counters.read(&[place]).await.unwrap();
        assert_eq!((seen[0].spent, seen[0].held), (amount(5, 7), amount(0, 0)));
    };
    tokio::select! {
        () = work => {}
        () = counters.link().keep(|_| {}) => {}
    }
}

/// As many as the longest request for embeddings has parts, and more.
#[tokio::test]
async fn many_answers_are_put_there_and_looked_for_together() {
    let Some(server) = server() else { return };
    let yaml = format!("state: redis://127.0.0.1:{}\nshared_state: {{ timeout: 10s }}", server.1);
    let config = Config::from_text("test", &yaml, &|_| None).unwrap();
    let shared = config.state().shared().unwrap();
    let host = || Answers::new(Link::new(shared).unwrap(), &shared.name);
    let (one, other) = (host(), host());
    let key = |number: u64| KeyBuilder::default().part("n", number.to_le_bytes()).finish();
    let entry = |number: u64, size: usize| {
        let given =
            Given { request: number.to_string(), created: 1, model: None, provider: None, score: None };
        let chunk = Chunk { wire: Some(vec![b'x'; size].into()), ..Chunk::default() };
        Arc::new(Entry::new(given, Kept::Stream(vec![chunk]), Instant::now()))
    };
    let most = 2_049;
    for number in 0..most + 2 {
        // One is too large to be looked for with others.
        one.put(
            key(number),
            entry(number, if number == 1 { 300 << 10 } else { 100 }),
            Duration::from_secs(60),
        );
    }
    let keys: Vec<CacheKey> = (0..most + 2).map(key).collect();
    let last = keys[keys.len() - 1];
    let work = async {
        while other.get(&last, Instant::now()).await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut found = HashMap::new();
        other.get_all(&keys, Instant::now(), |key, entry| drop(found.insert(key, entry))).await;
        assert_eq!(found.len() as u64, most - 1, "but for the large one, and what is beyond the bound");
        assert!((2..most).all(|number| found[&key(number)].given().request == number.to_string()));
        assert!(other.get(&key(1), Instant::now()).await.is_some());
    };
    tokio::select! {
        () = work => {}
        () = one.serve() => {}
        () = other.serve() => {}
    }
}

/// What waits is bounded by what it takes: the oldest are not put there.
#[tokio::test]
async fn what_waits_to_be_put_there_is_bounded_by_its_bytes() {
    let Some(server) = server() else { return };
    let yaml = format!("state: redis://127.0.0.1:{}\nshared_state: {{ timeout: 10s }}", server.1);
    let config = Config::from_text("test", &yaml, &|_| None).unwrap();
    let shared = config.state().shared().unwrap();
    let answers = Answers::new(Link::new(shared).unwrap(), &shared.name);
    let key = |number: u64| KeyBuilder::default().part("n", number.to_le_bytes()).finish();
    let chunk = || Chunk { wire: Some(vec![b'x'; 900 << 10].into()), ..Chunk::default() };
    let given = Given { request: "r".into(), created: 1, model: None, provider: None, score: None };
    // 72 of 900 KiB fit into 64 MiB, and what they take besides.
    for number in 0..75 {
        let entry = Entry::new(given.clone(), Kept::Stream(vec![chunk()]), Instant::now());
        answers.put(key(number), Arc::new(entry), Duration::from_secs(60));
    }
    let work = async {
        while answers.get(&key(74), Instant::now()).await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut there = Vec::new();
        for number in 0..75 {
            there.push(answers.get(&key(number), Instant::now()).await.is_some());
        }
        let left = there.iter().take_while(|there| !**there).count();
        assert_eq!((left, there.iter().filter(|there| **there).count()), (3, 72), "{there:?}");
    };
    tokio::select! {
        () = work => {}
        () = answers.serve() => {}
    }
}

//! What holds for any order of events.

use std::thread;

use jackfield_core::catalogue::TokenPrice;
use jackfield_core::config::{Limits, Window};
use jackfield_core::contract::Usage;

use jackfield_core::config::{OnExceeded, Synchronous};
use proptest::prelude::*;

use crate::database::{Job, Opening};

use super::*;

/// A dollar for a million tokens in, ten for a million out.
fn price() -> Price {
    let usd = |n: u64| TokenPrice::from_pico_usd(n * 1_000_000).unwrap();
    Price { input: usd(1), output: usd(10), cached_input: None, cache_write: None }
}

/// A day's limit of so many thousandths of a dollar.
fn daily(milli_usd: u64) -> Budgets {
    let mut limits = Limits::default();
    limits.usd[Window::Day.index()] = Some(NanoUsd::new(milli_usd * 1_000_000));
    Budgets::default().with_everyone(limits)
}

fn ask(caller: &Caller) -> Ask<'_> {
    Ask {
        request: RequestId::generate(),
        attempt: 1,
        caller,
        run: None,
        task: None,
        model: "m",
        provider: "p",
        simulated: false,
        price: Some(price()),
        input_tokens: 100,
        most_output: None,
        streamed: false,
        hidden: false,
    }
}

fn used(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage { input_tokens, output_tokens, ..Usage::default() }
}

#[tokio::test]
async fn a_call_near_the_limit_is_told_to_stop_and_the_next_is_refused() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    assert!(ledger.is_idle());
    ledger.configure(&daily(10));
    assert!(!ledger.is_idle());
    // 10 000 µ$ less 100 for the prompt, at 10 µ$ a token.
    let whole = ledger.reserve(ask(&caller)).unwrap();
    assert_eq!(whole.output_bound(), Some(990));
    let refused = ledger.reserve(ask(&caller)).unwrap_err();
    assert_eq!((refused.left, refused.window, refused.unit), (0, Some(Window::Day), LimitUnit::Usd));
    assert!(refused.to_string().contains("the daily limit of $0.01 has $0.00 left"), "{refused}");
    assert_eq!(whole.settle(used(100, 490)).await, Ok(NanoUsd::new(5_000_000)));
    assert_eq!(ledger.reserve(ask(&caller)).unwrap().output_bound(), Some(490));
}

#[tokio::test]
async fn shares_of_one_call_are_charged_before_any_of_them_is_waited_for() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    ledger.configure(&daily(10));
    let small = || Ask { most_output: Some(0), ..ask(&caller) };
    let (one, other) = (ledger.reserve(small()).unwrap(), ledger.reserve(small()).unwrap());
    let written = [one, other].map(|share| share.settle_at(used(100, 0), NanoUsd::new(4_500_000)));
    // 10 000 µ$ less 9 000 that nobody has waited for yet, and 100 for the prompt, at 10 µ$ a token.
    assert_eq!(ledger.reserve(ask(&caller)).unwrap().output_bound(), Some(90));
    for written in written {
        assert_eq!(written.await, Ok(NanoUsd::new(4_500_000)));
    }
}

#[test]
fn a_stream_is_topped_up_until_the_limit() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    ledger.configure(&daily(20));
    let mut stream = ledger.reserve(Ask { streamed: true, ..ask(&caller) }).unwrap();
    assert_eq!((stream.covered_output(), stream.output_bound()), (1_024, Some(1_990)));
    let mut last = 0;
    let refused = loop {
        match stream.grow(last + 1) {
            Ok(()) => last += 1,
            Err(refused) => break refused,
        }
        assert!(stream.covered_output() >= last);
    };
    assert_eq!((last, refused.left), (1_990, 0));
}

#[test]
fn an_unknown_price_under_a_dollar_limit_is_refused_and_simulated_calls_cost_nothing() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    ledger.configure(&daily(1));
    let refused = ledger.reserve(Ask { price: None, ..ask(&caller) }).unwrap_err();
    assert!(refused.to_string().contains("models: { \"m\": { price:"), "{refused}");
    assert!(ledger.reserve(Ask { price: None, simulated: true, ..ask(&caller) }).is_ok());
}

#[test]
fn dropping_releases_what_was_not_sent_and_settles_what_was() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    ledger.configure(&daily(1_000));
    let left = || ledger.headroom(&caller, BudgetScope::Global).unwrap().remaining_usd;
    drop(ledger.reserve(ask(&caller)).unwrap());
    assert_eq!(left(), 1.0);
    let mut sent = ledger.reserve(ask(&caller)).unwrap();
    sent.sent();
    sent.seen(990);
    drop(sent);
    assert_eq!(left(), 0.99);
}

#[test]
fn two_hundred_threads_never_exceed_a_nearly_spent_budget() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    ledger.configure(&daily(100));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let runtime = runtime.handle();
    // All ask before anybody uses what it got.
    let barrier = std::sync::Barrier::new(200);
    thread::scope(|scope| {
        for n in 0..200_u64 {
            let (ledger, caller, barrier) = (&ledger, &caller, &barrier);
            scope.spawn(move || {
                let streamed = n % 2 == 0;
                barrier.wait();
                let held = ledger.reserve(Ask { streamed, ..ask(caller) });
                barrier.wait();
                let Ok(mut held) = held else { return };
                held.sent();
                // As long as is allowed.
                let mut output = held.output_bound().unwrap_or(super::accounts::LONGEST);
                if streamed {
                    output = (1..=output).take_while(|n| held.grow(*n).is_ok()).count() as u64;
                }
                runtime.block_on(held.settle(used(100, output))).unwrap();
            });
        }
    });
    let headroom = ledger.headroom(&caller, BudgetScope::Global).unwrap();
    let spent = ledger.shared.accounts().spent(&LimitScope::Everyone, Window::Day);
    assert!(spent.usd <= NanoUsd::new(100_000_000), "{spent:?}");
    assert!(headroom.remaining_usd < 0.001, "what could be used was: {headroom:?}");
}

/// A ledger in a file, under this limit of a month.
fn in_file(path: &std::path::Path, milli_usd: u64) -> Ledger {
    let mut opening = Opening::open(path, Synchronous::Normal, &[TABLES]).unwrap();
    let budgets = monthly(milli_usd);
    let restored = Restored::read(&mut opening, &budgets).unwrap();
    let ledger = Ledger::written_down(opening.start().unwrap(), restored);
    ledger.configure(&budgets);
    ledger
}

fn monthly(milli_usd: u64) -> Budgets {
    let mut limits = Limits::default();
    limits.usd[Window::Month.index()] = Some(NanoUsd::new(milli_usd * 1_000_000));
    Budgets::default().with_everyone(limits).with_project("*", limits)
}

/// What the rows say: settled, and reserved of those that are open.
fn rows_say(ledger: &Ledger) -> (u64, u64) {
    let database = ledger.shared.database.get().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(database.write_owed(Job::one(|_| Ok(()))).committed()).unwrap();
    let sums = "SELECT coalesce(sum(settled_nanousd), 0),
        coalesce(sum(reserved_nanousd) FILTER (WHERE state = 'open'), 0) FROM charges";
    let (settled, open): (i64, i64) =
        database.read_now(|c| c.query_row(sums, (), |row| Ok((row.get(0)?, row.get(1)?)))).unwrap();
    (settled.unsigned_abs(), open.unsigned_abs())
}

fn counted(ledger: &Ledger) -> u64 {
    ledger.shared.accounts().spent(&LimitScope::Everyone, Window::Month).usd.nanos()
}

#[derive(Clone, Debug)]
enum Event {
    Reserve { streamed: bool, most: Option<u64> },
    Grow(usize, u64),
    Settle(usize, u64),
    Release(usize),
    Drop { which: usize, sent: bool, seen: Option<u64> },
    Reopen,
}

fn event() -> impl Strategy<Value = Event> {
    let (which, tokens) = (0..8_usize, 0..3_000_u64);
    prop_oneof![
        4 => (any::<bool>(), proptest::option::of(0..3_000_u64))
            .prop_map(|(streamed, most)| Event::Reserve { streamed, most }),
        4 => (which.clone(), tokens.clone()).prop_map(|(which, tokens)| Event::Grow(which, tokens)),
        3 => (which.clone(), tokens.clone()).prop_map(|(which, tokens)| Event::Settle(which, tokens)),
        1 => which.clone().prop_map(Event::Release),
        1 => (which, any::<bool>(), proptest::option::of(tokens))
            .prop_map(|(which, sent, seen)| Event::Drop { which, sent, seen }),
        1 => Just(Event::Reopen),
    ]
}

/// A reservation, and how long its answer may be.
struct Held {
    reservation: Reservation,
    streamed: bool,
    most: u64,
}

impl Held {
    /// As much of an answer as a pipeline lets through that obeys the ledger.
    fn obey(&mut self, tokens: u64) -> u64 {
        match self.streamed {
            true if self.reservation.grow(tokens).is_ok() => tokens,
            true => tokens.min(self.reservation.covered_output()),
            false => tokens.min(self.reservation.output_bound().unwrap_or(self.most)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn counters_are_the_sum_of_the_rows_and_never_above_a_limit(events in proptest::collection::vec(event(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let caller = Caller { project: Some("search".into()), ..Caller::default() };
        let limit = 40;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut generation = 0;
        let file = |n: u32| folder.path().join(format!("{n}.db"));
        let mut ledger = in_file(&file(0), limit);
        let mut held: Vec<Held> = Vec::new();
        for event in events {
            match event {
                Event::Reserve { streamed, most } => {
                    if let Ok(reservation) = ledger.reserve(Ask { streamed, most_output: most, ..ask(&caller) }) {
                        held.push(Held { reservation, streamed, most: most.unwrap_or(super::accounts::LONGEST) });
                    }
                }
                Event::Grow(which, tokens) => {
                    if let Some(one) = held.get_mut(which) {
                        one.obey(tokens);
                    }
                }
                Event::Settle(which, tokens) if which < held.len() => {
                    let mut one = held.swap_remove(which);
                    let tokens = one.obey(tokens);
                    let cost = runtime.block_on(one.reservation.settle(used(100, tokens))).unwrap();
                    prop_assert_eq!(cost.nanos(), 100_000 + tokens * 10_000);
                }
                Event::Release(which) if which < held.len() => held.swap_remove(which).reservation.release(),
                Event::Drop { which, sent, seen } if which < held.len() => {
                    let mut one = held.swap_remove(which);
                    if sent {
                        one.reservation.sent();
                    }
                    if let Some(seen) = seen {
                        let seen = one.obey(seen);
                        one.reservation.seen(seen);
                    }
                }
                Event::Reopen => {
                    // What a killed process leaves: the files as they are.
                    let (settled, open) = rows_say(&ledger);
                    for end in ["", "-wal"] {
                        let from = format!("{}{end}", file(generation).display());
                        std::fs::copy(from, format!("{}{end}", file(generation + 1).display())).unwrap();
                    }
                    held.clear();
                    generation += 1;
                    ledger = in_file(&file(generation), limit);
                    prop_assert_eq!(counted(&ledger), settled + open);
                    prop_assert_eq!(rows_say(&ledger), (settled + open, 0));
                }
                _ => {}
            }
            let (settled, _) = rows_say(&ledger);
            prop_assert_eq!(counted(&ledger), settled);
            prop_assert!(settled <= limit * 1_000_000, "{settled} is above the limit");
        }
    }
}

#[tokio::test]
async fn a_run_has_a_budget_of_its_own_and_goes_on_with_what_it_spent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let run = |id: &str| Arc::new(RunScope::new(id, "w", Some(NanoUsd::new(10_000_000))));
    let caller = Caller::default();
    let first = run("a");
    let ledger = in_file(&path, 1_000);
    let held = ledger.reserve(Ask { run: Some(&first), most_output: Some(600), ..ask(&caller) }).unwrap();
    held.settle(used(100, 600)).await.unwrap();
    assert_eq!(ledger.run_spent("a"), NanoUsd::new(6_100_000));
    drop(ledger);
    let ledger = in_file(&path, 1_000);
    let again = run("a");
    assert_eq!(ledger.recall_run(&again).await, Ok(NanoUsd::new(6_100_000)));
    let last = ledger.reserve(Ask { run: Some(&again), ..ask(&caller) }).unwrap();
    assert_eq!(last.output_bound(), Some(380));
    let refused = ledger.reserve(Ask { run: Some(&again), ..ask(&caller) }).unwrap_err();
    assert_eq!(
        (refused.to_string().as_str(), refused.on_exceeded),
        (
            "the budget of $0.01 of the run `a` has $0.00 left, and this request needs at least $0.00026",
            OnExceeded::Reject,
        )
    );
    let other = run("b");
    assert!(ledger.reserve(Ask { run: Some(&other), ..ask(&caller) }).is_ok());
}

#[test]
fn a_workflow_in_a_run_is_held_from_its_own_budget_and_from_the_runs() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    let run = Arc::new(RunScope::new("a", "w", Some(NanoUsd::new(10_000_000))));
    let nested = Arc::new(run.nested("part[0]", NanoUsd::new(7_000_000)));
    let wanted = |run| Ask { run: Some(run), most_output: Some(600), ..ask(&caller) };
    // $0.0061 of each.
    let held = ledger.reserve(wanted(&nested)).unwrap();
    let refused =
        ledger.reserve(Ask { most_output: Some(600), input_tokens: 1_000, ..wanted(&nested) }).unwrap_err();
    assert!(refused.to_string().contains("of the run `a/part[0]`"), "{refused}");
    assert_eq!(ledger.reserve(wanted(&run)).unwrap().output_bound(), Some(380));
    held.release();
    // What was spent before the process began counts, and what is counted already stays.
    let again = Ledger::default();
    again.recall_nested(&nested, NanoUsd::new(6_100_000));
    again.recall_nested(&nested, NanoUsd::new(1));
    assert_eq!(again.reserve(wanted(&nested)).unwrap().output_bound(), Some(80));
}

#[tokio::test]
async fn a_run_that_goes_on_keeps_what_it_spent_however_many_others_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = in_file(&folder.path().join("state.db"), 1_000_000);
    let run = |id: String| Arc::new(RunScope::new(id, "w", Some(NanoUsd::new(10_000_000))));
    let caller = Caller::default();
    let spend = async |run: &Arc<RunScope>| {
        let held = ledger.reserve(Ask { run: Some(run), most_output: Some(600), ..ask(&caller) }).unwrap();
        held.settle(used(100, 600)).await.unwrap();
    };
    spend(&run("a".into())).await;
    let again = run("a".into());
    ledger.recall_run(&again).await.unwrap();
    for other in 0..600 {
        spend(&run(format!("other-{other}"))).await;
    }
    assert_eq!(ledger.run_spent("a"), NanoUsd::new(6_100_000));
}

#[test]
fn a_stream_that_may_think_unseen_is_held_as_a_whole_answer_is() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    ledger.configure(&daily(10));
    let asked = Ask { streamed: true, ..ask(&caller) };
    let seen = ledger.reserve(asked).unwrap();
    assert_eq!((seen.output_bound(), seen.covered_output()), (Some(990), 990));
    drop(seen);
    ledger.configure(&daily(1_000));
    let (seen, hidden) =
        (ledger.reserve(asked).unwrap(), ledger.reserve(Ask { hidden: true, ..asked }).unwrap());
    assert!(seen.output_bound().is_some() && hidden.covered_output() > seen.covered_output());
    assert_eq!(hidden.output_bound(), Some(hidden.covered_output()), "it is told where to stop");
}

#[tokio::test]
async fn figures_beyond_reason_do_not_keep_the_ledger_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let (ledger, caller) = (in_file(&path, 1_000), Caller::default());
    for attempt in 1..=3 {
        let held = ledger.reserve(Ask { attempt, most_output: Some(10), ..ask(&caller) }).unwrap();
        if attempt < 3 {
            drop(held);
            continue;
        }
        held.settle(used(u64::MAX, u64::MAX)).await.unwrap();
    }
    drop(ledger);
    let ledger = in_file(&path, 1_000);
    assert!(ledger.reserve(Ask { most_output: Some(10), ..ask(&caller) }).is_err(), "all of it is spent");
}

#[tokio::test]
async fn a_row_says_what_a_charge_was() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = in_file(&folder.path().join("state.db"), 1_000);
    let caller = Caller {
        project: Some("search".into()),
        user: Some("ana".into()),
        key: Some("k".into()),
        ..Caller::default()
    };
    let asked = Ask { task: Some("t"), simulated: true, price: None, ..ask(&caller) };
    let held = ledger.reserve(asked).unwrap();
    held.committed().await.unwrap();
    let read = |sql: &'static str| {
        let database = ledger.shared.database.get().unwrap();
        database.read_now(|c| c.query_row(sql, (), |row| row.get::<_, String>(0))).unwrap()
    };
    let row = "SELECT concat_ws('|', state, model, provider, project, user, key, task, simulated, priced,
        settled_nanousd, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens, estimated) FROM charges";
    assert_eq!(read(row), "open|m|p|search|ana|k|t|1|1|100|1024|0|0|1");
    let usage = Usage { cached_input_tokens: 7, reasoning_tokens: 3, ..used(90, 5) };
    assert_eq!(held.settle(usage).await, Ok(NanoUsd::ZERO));
    assert_eq!(read(row), "settled|m|p|search|ana|k|t|1|1|0|90|5|7|3|0");
    // Named by request and attempt: the same one again changes nothing.
    let twice = ledger.reserve(asked).unwrap();
    twice.settle(used(1_000, 1_000)).await.unwrap();
    assert_eq!(read(row), "settled|m|p|search|ana|k|t|1|1|0|90|5|7|3|0");
}

/// What waits to be told, as the thresholds of whose limits.
async fn told(ledger: &Ledger, count: usize) -> Vec<(String, u32, u64)> {
    let mut all = Vec::new();
    for _ in 0..count {
        let alert = ledger.next_alert().await;
        all.push((alert.scope.to_string(), alert.threshold, alert.spent));
        ledger.told(&alert);
    }
    assert!(ledger.shared.alerts.is_empty(), "more is told");
    all
}

#[tokio::test]
async fn each_threshold_is_told_once_in_its_window_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut budgets = monthly(100);
    budgets.thresholds = vec![500_000, 800_000, 1_000_000];
    let caller = Caller { project: Some("search".into()), ..Caller::default() };
    let open = || {
        let mut opening = Opening::open(&path, Synchronous::Normal, &[TABLES]).unwrap();
        let restored = Restored::read(&mut opening, &budgets).unwrap();
        let ledger = Ledger::written_down(opening.start().unwrap(), restored);
        ledger.configure(&budgets);
        ledger
    };
    let spend = async |ledger: &Ledger, milli_usd: u64| {
        let held = ledger.reserve(Ask { most_output: Some(milli_usd * 100), ..ask(&caller) }).unwrap();
        held.settle(used(0, milli_usd * 100)).await.unwrap();
    };
    let one = |scope: &str, threshold, milli_usd: u64| (scope.to_owned(), threshold, milli_usd * 1_000_000);
    let ledger = open();
    spend(&ledger, 49).await;
    assert!(ledger.shared.alerts.is_empty());
    spend(&ledger, 1).await;
    let half = [one("global", 500_000, 50), one("project `search`", 500_000, 50)];
    assert_eq!(told(&ledger, 2).await, half);
    spend(&ledger, 31).await;
    drop(ledger);
    // What nobody was told is told by the next process, and what was told is not.
    let ledger = open();
    let eighty = [one("global", 800_000, 81), one("project `search`", 800_000, 81)];
    assert_eq!(told(&ledger, 2).await, eighty);
    spend(&ledger, 1).await;
    assert!(ledger.shared.alerts.is_empty());
    drop(ledger);
    let ledger = open();
    assert!(ledger.shared.alerts.is_empty());
    let limits = ledger.limits();
    let shown: Vec<_> = limits.iter().map(|l| (l.scope.to_string(), l.spent, l.reserved, l.left)).collect();
    let stands = |scope: &str| (scope.to_owned(), 82_000_000, 0, 18_000_000);
    assert_eq!(shown, [stands("global"), stands("project `search`")]);
}

#[tokio::test]
async fn usage_is_summed_while_the_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let ledger = in_file(&path, 1_000);
    let caller = |project: &str| Caller { project: Some(project.into()), ..Caller::default() };
    for (project, model, output) in [("a", "m", 10), ("b", "m", 20), ("a", "n", 5), ("a", "m", 10)] {
        let caller = caller(project);
        let held = ledger.reserve(Ask { model, ..ask(&caller) }).unwrap();
        held.settle(used(100, output)).await.unwrap();
    }
    let none = Caller::default();
    let open = ledger.reserve(Ask { streamed: true, most_output: Some(0), ..ask(&none) }).unwrap();
    open.committed().await.unwrap();
    let sums = |by: &[By]| {
        let rows = usage(&path, by, std::time::UNIX_EPOCH, &jiff::tz::TimeZone::UTC).unwrap();
        let row = |row: UsageRow| (row.of, row.calls, row.open, row.output_tokens, row.cost.nanos());
        rows.into_iter().map(row).collect::<Vec<_>>()
    };
    let of = |names: &[&str]| -> Vec<Option<String>> {
        names.iter().map(|name| Some((*name).to_owned())).collect()
    };
    assert_eq!(
        sums(&[By::Project, By::Model]),
        [
            (of(&["a", "m"]), 2, 0, 20, 400_000),
            (of(&["b", "m"]), 1, 0, 20, 300_000),
            (of(&["a", "n"]), 1, 0, 5, 150_000),
            (vec![None, Some("m".into())], 1, 1, 0, 100_000),
        ]
    );
    let days = sums(&[By::Day]);
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    assert_eq!(days.iter().map(|day| day.1).sum::<u64>(), 5);
    assert_eq!(days.last().unwrap().0, [Some(today)]);
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    assert!(usage(&path, &[By::Model], later, &jiff::tz::TimeZone::UTC).unwrap().is_empty());
}

#[tokio::test]
async fn what_is_settled_before_its_reservation_was_written_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = in_file(&folder.path().join("state.db"), 1_000);
    let (caller, database) = (Caller::default(), ledger.shared.database.get().cloned().unwrap());
    // Rows that were changed since the file was opened, as the writer counts them.
    let changes = async || {
        let (tell, told) = tokio::sync::oneshot::channel();
        let _ = database.write(Job::one(move |connection| {
            let _ =
                tell.send(connection.query_row("SELECT total_changes()", (), |row| row.get::<_, i64>(0))?);
            Ok(())
        }));
        told.await.unwrap()
    };
    let before = changes().await;
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begin, began) = std::sync::mpsc::channel::<()>();
    let _ = database.write(Job::one(move |_| {
        begin.send(()).unwrap();
        let _ = wait.recv();
        Ok(())
    }));
    began.recv().unwrap();
    // All of this happens while the writer is busy.
    let mut grown = ledger.reserve(Ask { streamed: true, ..ask(&caller) }).unwrap();
    grown.grow(2_000).unwrap();
    let (settled, released) = (ledger.reserve(ask(&caller)).unwrap(), ledger.reserve(ask(&caller)).unwrap());
    let reserved = settled.ticket.clone().unwrap();
    let mut settling = std::pin::pin!(settled.settle(used(100, 50)));
    let settling_now =
        std::future::poll_fn(|context| std::task::Poll::Ready(settling.as_mut().poll(context)));
    assert!(settling_now.await.is_pending(), "it is settled before it is written down");
    released.release();
    drop(go);
    assert_eq!(settling.await, Ok(NanoUsd::new(600_000)));
    // Whoever waits for the reservation is told of the same write.
    assert_eq!(reserved.committed().await, Ok(()));
    assert_eq!(changes().await - before, 2, "one row is open, one is settled, and there was never a third");
    // What was written before is written again.
    let again = ledger.reserve(ask(&caller)).unwrap();
    again.committed().await.unwrap();
    again.settle(used(100, 50)).await.unwrap();
    assert_eq!(changes().await - before, 4);
    let rows =
        "SELECT group_concat(state || ' ' || output_tokens, ', ' ORDER BY time, output_tokens) FROM charges";
    let rows = database.read_now(|c| c.query_row(rows, (), |row| row.get::<_, String>(0))).unwrap();
    assert_eq!(rows.matches("settled 50").count(), 2, "{rows}");
    assert!(rows.contains(&format!("open {}", grown.covered_output())), "{rows}");
}

#[tokio::test]
async fn a_charge_whose_first_write_was_dropped_is_written_when_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let (ledger, caller) = (in_file(&path, 1_000), Caller::default());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = ledger.reserve(Ask { most_output: Some(600), ..ask(&caller) }).unwrap();
    let late = held.committed().await.unwrap_err().to_string();
    assert!(late.contains("locked"), "{late}");
    assert!(held.refused().is_some());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(held.settle(used(100, 600)).await, Ok(NanoUsd::new(6_100_000)));
    let row = "SELECT state || settled_nanousd FROM charges";
    assert_eq!(other.query_row(row, (), |row| row.get::<_, String>(0)), Ok("settled6100000".into()));
}

#[tokio::test]
async fn a_reservation_that_nobody_takes_says_so_at_once_and_its_end_waits_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, caller) = (in_file(&folder.path().join("state.db"), 1_000), Caller::default());
    let database = ledger.shared.database.get().unwrap();
    let gone = database.write(Job::one(|_| panic!("a job that panics")));
    assert!(gone.committed().await.is_err());
    // The writer tells of it, and then that it is gone itself.
    while !database.write(Job::one(|_| Ok(()))).is_refused() {
        std::thread::yield_now();
    }
    let held = ledger.reserve(ask(&caller)).unwrap();
    let refused = held.refused().unwrap().to_string();
    assert!(refused.contains("the writer is gone"), "{refused}");
    held.release();
    assert_eq!(counted(&ledger), 0);
}

#[test]
fn what_is_held_alone_stays_held_when_the_servers_numbers_are_taken() {
    let (ledger, caller) = (Ledger::default(), Caller::default());
    ledger.configure(&daily(10));
    let asked = Ask { most_output: Some(590), ..ask(&caller) };
    let (tariff, wish) = asked.wish();
    let mut accounts = ledger.shared.accounts();
    let mut alone = accounts.reserve(&wish).unwrap();
    accounts.alone(&mut alone.charged, &tariff, alone.held);
    let bound = |accounts: &Accounts| {
        let sights = accounts.sights(&alone.charged);
        sights.iter().find_map(|sight| sight.bound.usd).unwrap()
    };
    assert_eq!(bound(&accounts), 4_000_000);
    let nothing = vec![crate::shared::Seen::default(); accounts.sights(&alone.charged).len()];
    accounts.adopt(&alone.charged, &nothing);
    let next = accounts.reserve(&wish).unwrap();
    assert_eq!(next.bound, Some(390));
    let _ = accounts.settle(&next.charged, tariff.most(next.held), Amount::default());
    let _ = accounts.settle(&alone.charged, tariff.most(alone.held), Amount::default());
    assert_eq!(bound(&accounts), 10_000_000);
    accounts.adopt(&alone.charged, &nothing);
    assert_eq!(accounts.reserve(&wish).unwrap().bound, None);
}

#[tokio::test]
async fn a_top_up_that_is_given_up_holds_nothing_more_and_one_that_is_refused_twice_is_exceeded() {
    use crate::shared::tests::{counters, server};
    let Some(server) = server() else { return };
    let on_error = jackfield_core::config::OnStoreError::Fail;
    let leases = Arc::new(Leases::new(counters(server.1), on_error));
    let (ledger, caller) = (Ledger::default().sharing(&leases, &[]), Caller::default());
    ledger.configure(&daily(20));
    let link = leases.counters().link();
    let work = async {
        let asked = Ask { streamed: true, ..ask(&caller) };
        let mut stream = ledger.reserve_across(asked).await.unwrap();
        assert_eq!(stream.covered_output(), 1_024);
        let left = || ledger.headroom(&caller, BudgetScope::Global).unwrap().remaining_usd;
        let before = left();
        {
            let mut asking = std::pin::pin!(stream.cover(1_100));
            let mut once = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(asking.as_mut().poll(&mut once).is_pending(), "the server is not waited for");
            assert!(left() < before);
        }
        assert_eq!(left(), before);
        // The server forgets the lease, and not what is held for it.
        let key = format!("jackfield:{{jackfield}}:lease:{}:1", asked.request);
        let forget = |mut connection| {
            let mut command = redis::cmd("DEL");
            command.arg(&key);
            async move { command.query_async::<i64>(&mut connection).await }
        };
        assert_eq!(link.ask(forget).await, Ok(1));
        match stream.cover(1_100).await {
            Err(Unreserved::Exceeded(exceeded)) => assert_eq!(exceeded.window, Some(Window::Day)),
            other => panic!("{other:?}"),
        }
        assert_eq!(stream.covered_output(), 1_024);
    };
    tokio::select! {
        () = work => {}
        () = link.keep(|_| {}) => {}
    }
}

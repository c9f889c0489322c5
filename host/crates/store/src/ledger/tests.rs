//! What holds for any order of events.

use std::thread;

use jackfield_core::catalogue::TokenPrice;
use jackfield_core::config::{Limits, Window};
use jackfield_core::contract::Usage;

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
    assert!(refused.to_string().contains("models: { m: { price:"), "{refused}");
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
    thread::scope(|scope| {
        for n in 0..200_u64 {
            let (ledger, caller) = (&ledger, &caller);
            scope.spawn(move || {
                let streamed = n % 2 == 0;
                let Ok(mut held) = ledger.reserve(Ask { streamed, ..ask(caller) }) else { return };
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

//! Many at once on a budget that is nearly spent, and many who leave at any moment: the limit holds, and nothing stays
//! reserved.

use jackfield_tests::upstream::{Answer, openai};
use serde_json::json;

use super::{ANSWER, body, daily, nanos, start, used};
use crate::world::World;

/// A piece of the streams here, and what it costs: five tokens.
const WORDS: &str = "four words and a dot.";
const PIECE: u64 = 5 * 10_000;

#[tokio::test]
async fn two_hundred_at_once_never_spend_more_than_there_is() {
    // Room for a tenth of the whole answers, and for two and a half of the streams, which nobody tells to stop in time.
    for (stream, limit) in [(false, 20 * ANSWER), (true, 750 * PIECE)] {
        let world = start(&daily(limit)).await;
        let frames = openai::stream_frames(&[WORDS; 300]);
        world.upstream.always(match stream {
            // Without usage.
            true => Answer::sse([&frames[..302], &frames[303..]].concat()),
            false => openai::chat("fine"),
        });
        let ask = body(&json!({ "stream": stream }));
        let one = async || world.gateway.stream(ask.clone()).await;
        let got = futures_of(200, one).await;
        let answered = got.iter().filter(|status| **status == 200).count();
        assert!(got.iter().all(|status| [200, 402].contains(status)), "{got:?}");
        assert!((1..200).contains(&answered), "{answered}");
        let used = used(&world.gateway).await;
        assert!(used <= limit + PIECE, "{used} of {limit}, stream {stream}");
        settled(&world).await;
    }
}

/// The statuses of so many requests at once.
async fn futures_of<F: Future<Output = jackfield_tests::gateway::Streamed>>(
    count: usize,
    one: impl Fn() -> F,
) -> Vec<u16> {
    let mut all: Vec<_> = (0..count).map(|_| Box::pin(one())).collect();
    let mut got = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(reply) => {
                got.push(reply.status);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    got
}

/// Waits until what is used is what the requests that are over cost: nothing is reserved any more.
async fn settled(world: &World) {
    let last = std::sync::Mutex::new((0, 0));
    let settled = async {
        loop {
            let lines = world.gateway.log().requests();
            let sum: u64 = lines.iter().filter_map(|line| line.get("cost_usd").as_str().map(nanos)).sum();
            let used = used(&world.gateway).await;
            if used == sum {
                return;
            }
            *last.lock().unwrap() = (used, sum);
        }
    };
    let ended = tokio::time::timeout(jackfield_tests::PATIENCE, settled).await;
    assert!(ended.is_ok(), "used, and the sum of what requests cost: {:?}", last.lock().unwrap());
}

/// Clients that leave before, while and after they are answered, at moments that a fixed seed picks.
async fn cancels(count: u32) {
    let world = start(&daily(1_000_000_000_000)).await;
    world.upstream.always(openai::stream(&["one ", "two ", "three ", "four"]));
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let ask = body(&json!({ "stream": true }));
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let whole = format!("{head}content-length: {}\r\n\r\n{ask}", ask.len());
    for _ in 0..count {
        match roll(3) {
            // Anywhere in its request, or right after it.
            0 => {
                let mut client = world.gateway.raw().await;
                let much = roll(whole.len() as u64 + 1) as usize;
                client.send(&whole[..if roll(2) == 0 { much } else { whole.len() }]).await;
                for _ in 0..roll(20) {
                    tokio::task::yield_now().await;
                }
            }
            // After some frames.
            1 => {
                let mut stream = world.gateway.open_stream(ask.clone()).await;
                for _ in 0..roll(8) {
                    stream.next_frame().await;
                }
            }
            // While its answer's head is on the way.
            _ => {
                let patience = roll(40);
                let open = world.gateway.open_stream(ask.clone());
                let gone = async {
                    for _ in 0..patience {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! { _ = open => {} () = gone => {} }
            }
        }
    }
    settled(&world).await;
    assert!(used(&world.gateway).await > 0);
}

#[tokio::test]
async fn clients_that_leave_at_any_moment_leak_no_reservation() {
    cancels(800).await;
}

#[tokio::test]
async fn ten_thousand_random_cancels_leak_no_reservation() {
    cancels(10_000).await;
}

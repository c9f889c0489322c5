//! Stopping: nothing new is taken, what is open finishes, and past the deadline it is cut and said so.

use std::io;

use jackfield::app::Stopped;
use jackfield_tests::gateway::{Ending, Gateway};
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, openai};
use tokio::net::TcpStream;

use crate::world::{BASE, PLAIN, STREAM, World};

/// Waits until the gateway takes no new connection.
async fn refuses(gateway: &Gateway) {
    let address = gateway.address();
    soon("connections to be refused", async {
        loop {
            match TcpStream::connect(address).await {
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => return,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
}

fn half_a_stream() -> Answer {
    let frames = openai::stream_frames(&["Hel", "lo"]);
    let (before, after) = frames.split_at(2);
    after.iter().cloned().fold(Answer::sse(before.to_vec()).gate("rest"), Answer::bytes)
}

#[tokio::test]
async fn a_stream_under_way_finishes_while_new_connections_are_refused() {
    let World { upstream, mut gateway, .. } = World::base().await;
    upstream.push(half_a_stream());
    let mut stream = gateway.open_stream(STREAM).await;
    stream.next_frame().await.unwrap();
    gateway.ask_to_stop();
    refuses(&gateway).await;
    upstream.open("rest");
    let rest = stream.collect().await;
    assert_eq!(rest.ending, Ending::Whole);
    assert_eq!(rest.text(), "Hello");
    assert_eq!(rest.frames.last().unwrap(), openai::DONE);
    let stopped = gateway.stopped().await;
    assert_eq!(stopped, Stopped::Drained);
}

#[tokio::test]
async fn past_the_deadline_it_is_cut_and_the_end_says_so() {
    let world = World::start(&format!("server: {{ listen: 127.0.0.1:0, drain: 150ms }}\n{BASE}")).await;
    world.upstream.push(half_a_stream());
    let mut stream = world.gateway.open_stream(STREAM).await;
    stream.next_frame().await.unwrap();
    let stopped = world.gateway.stop().await;
    assert_eq!(stopped, Stopped::Cut(1));
    let rest = stream.collect().await;
    assert!(!String::from_utf8_lossy(&rest.body).contains("[DONE]"), "{rest:?}");
    // A well-formed end, with the reason as its last event.
    assert_eq!(rest.error().code.as_deref(), Some("stopping"), "{rest:?}");
    assert_ne!(rest.ending, Ending::Broken, "{rest:?}");
    world.upstream.disconnected(0).await;
}

#[tokio::test]
async fn an_idle_connection_holds_nothing_up() {
    let World { upstream, gateway, .. } = World::base().await;
    upstream.push(openai::chat("ok"));
    let silent = gateway.raw().await;
    let mut kept = gateway.raw().await;
    kept.send(format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{PLAIN}", PLAIN.len())).await;
    assert_eq!(kept.reply().await.unwrap().status, 200);
    // The drain deadline is 30 s, beyond this suite's patience.
    let stopped = gateway.stop().await;
    assert_eq!(stopped, Stopped::Drained);
    for client in [silent, kept] {
        assert!(client.closed().await.0.is_empty());
    }
}

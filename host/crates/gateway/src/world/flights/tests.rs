//! Flights at their boundary: who waits for what, and how each ends.

use futures_util::FutureExt;

use super::*;
use jackfield_store::cache::KeyBuilder;

fn key() -> CacheKey {
    KeyBuilder::default().finish()
}

fn open(flights: &Arc<Flights>, most: usize, fresh: bool) -> (Reader, Departure) {
    match flights.join(key(), "req_1", most, fresh, || None::<()>) {
        Joined::Opens(reader, departure) => (reader, departure),
        _ => panic!("nobody asks the same"),
    }
}

fn follow(flights: &Arc<Flights>) -> Reader {
    match flights.join(key(), "req_2", 1 << 20, false, || -> Option<()> { panic!("it is under way") }) {
        Joined::Follows(reader) => reader,
        _ => panic!("it is under way"),
    }
}

fn begun() -> Begun {
    let given = Given { request: "req_1".into(), created: 1, model: None, provider: None, score: None };
    Begun { given, whole: None, waited: Duration::ZERO, age: None, own: false }
}

fn chunk(size: usize) -> Chunk {
    Chunk { wire: Some(vec![b'x'; size].into()), ..Chunk::default() }
}

fn later(seconds: u64) -> Instant {
    tokio::time::Instant::now().into_std() + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_its_own_time() {
    let flights = Arc::<Flights>::default();
    let (opener, departure) = open(&flights, 1 << 20, false);
    let follower = follow(&flights);
    assert_eq!(follower.opener(), "req_1");
    let (one, ten) = (later(1), later(10));
    assert_eq!(follower.begun(one).await.err().unwrap().kind, FaultKind::UpstreamTimeout);
    assert_eq!(tokio::time::Instant::now().into_std(), one);
    departure.begin(begun());
    assert!(opener.begun(ten).await.is_ok());
    let mut chunks = opener.chunks(ten);
    assert!(departure.push(chunk(1)).await);
    assert!(chunks.next().await.unwrap().is_ok());
    assert_eq!(chunks.next().await.unwrap().err().unwrap().kind, FaultKind::UpstreamTimeout);
    assert!(chunks.next().await.is_none());
    assert_eq!(tokio::time::Instant::now().into_std(), ten);
}

#[tokio::test]
async fn whoever_comes_while_it_can_be_kept_gets_all_of_it() {
    let flights = Arc::<Flights>::default();
    let (opener, departure) = open(&flights, 64 << 10, false);
    departure.begin(begun());
    for size in [1, 2, 3] {
        assert!(departure.push(chunk(size)).await);
    }
    drop(opener);
    let follower = follow(&flights);
    assert_eq!(departure.all().unwrap().len(), 3);
    departure.land();
    assert_eq!(flights.under_way(), 0);
    let sizes: Vec<usize> =
        follower.chunks(later(10)).map(|chunk| chunk.unwrap().wire.unwrap().len()).collect().await;
    assert_eq!(sizes, [1, 2, 3]);
}

#[tokio::test]
async fn one_that_cannot_be_kept_waits_for_the_slowest_and_holds_no_more_than_it_lacks() {
    let flights = Arc::<Flights>::default();
    let (opener, departure) = open(&flights, 64 << 10, false);
    let follower = follow(&flights);
    departure.begin(begun());
    for _ in 0..3 {
        assert!(departure.push(chunk(16 << 10)).await);
    }
    assert!(departure.push(chunk(16 << 10)).now_or_never().is_none(), "both have all of it to read");
    assert_eq!((flights.under_way(), departure.all().is_none()), (0, true), "no more readers, and not kept");
    for _ in 0..4 {
        opener.next().await.unwrap().unwrap();
    }
    assert!(departure.push(chunk(1)).now_or_never().is_none(), "the slower has not read");
    follower.next().await.unwrap().unwrap();
    follower.next().await.unwrap().unwrap();
    assert!(departure.push(chunk(1)).await);
    let held = lock(&departure.tail.state).size;
    assert!((32 << 10..40 << 10).contains(&held), "{held}");
    drop(follower);
    assert!(lock(&departure.tail.state).size < 2_048, "nobody lacks it any more");
    drop(opener);
    assert!(!departure.push(chunk(1)).await, "nobody reads it");
}

#[tokio::test]
async fn a_flight_that_ends_without_a_word_is_told_and_the_next_begins_anew() {
    let flights = Arc::<Flights>::default();
    let (opener, departure) = open(&flights, 1 << 20, false);
    drop(departure);
    assert_eq!(opener.begun(later(10)).await.err().unwrap().kind, FaultKind::Stopping);
    assert_eq!(flights.under_way(), 0);
    let (_opener, departure) = open(&flights, 1 << 20, false);
    // Who wants a new answer does not follow, and takes the older one's place.
    let (_fresh, newer) = open(&flights, 1 << 20, true);
    departure.land();
    assert_eq!((flights.under_way(), follow(&flights).opener()), (1, "req_1"));
    newer.fail(Fault::new(FaultKind::UpstreamFailed, "no"));
    assert_eq!(flights.under_way(), 0);
}

#[tokio::test]
async fn the_end_cuts_what_is_under_way_and_lets_nothing_begin() {
    let flights = Arc::<Flights>::default();
    let (opener, departure) = open(&flights, 1 << 20, false);
    flights.launch(async move {
        departure.begin(begun());
        std::future::pending::<()>().await;
    });
    assert!(opener.begun(later(10)).await.is_ok());
    flights.end().await;
    assert_eq!(opener.next().await.unwrap().err().unwrap().kind, FaultKind::Stopping);
    let (opener, departure) = open(&flights, 1 << 20, false);
    flights.launch(async move { departure.begin(begun()) });
    assert_eq!(opener.begun(later(10)).await.err().unwrap().kind, FaultKind::Stopping);
}

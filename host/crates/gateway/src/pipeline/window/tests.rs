//! What goes through a window: nothing is lost, cut or moved, whatever its validators say.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;

use jackfield_core::base::RequestId;
use jackfield_core::contract::{
    Ask, BoxFuture, Chunk, Delta, FinishReason, Held, Piece, PluginFault, StreamValidator, StreamWatch,
    ToolCallDelta, Usage,
};

use super::queue::Queue;
use super::watching::{Stop, Watching};

fn text(choice: u32, text: &str) -> Chunk {
    let delta = Delta { index: choice, text: Some(text.to_owned()), ..Delta::default() };
    Chunk { deltas: vec![delta], wire: Some(text.to_owned().into()), ..Chunk::default() }
}

fn finish(choice: u32) -> Chunk {
    let finish_reason = Some(FinishReason::Stop);
    Chunk {
        deltas: vec![Delta { index: choice, finish_reason, finished: true, ..Delta::default() }],
        ..Chunk::default()
    }
}

fn done() -> Chunk {
    Chunk { done: true, ..Chunk::default() }
}

fn mark(number: u64) -> Chunk {
    Chunk { usage: Some(Usage { input_tokens: number, ..Usage::default() }), ..Chunk::default() }
}

/// Chunks in a form to compare: texts as `choice:text`, with a `~` where they are to be rendered, marks as `#n`.
fn shown(chunks: &[Chunk]) -> Vec<String> {
    let show = |chunk: &Chunk| {
        let deltas = chunk.deltas.iter().map(|delta| {
            let text = delta.text.as_deref().unwrap_or_default();
            let end = if delta.finished { "." } else { "" };
            format!("{}:{text}{end}", delta.index)
        });
        let mark = chunk.usage.map(|usage| format!("#{}", usage.input_tokens));
        let done = chunk.done.then(|| "done".to_owned());
        let changed =
            if chunk.wire.is_none() && chunk.deltas.iter().any(|d| d.text.is_some()) { "~" } else { "" };
        format!("{changed}{}", deltas.chain(mark).chain(done).collect::<Vec<_>>().join(" "))
    };
    chunks.iter().map(show).collect()
}

fn all(queue: &mut Queue) -> Vec<Chunk> {
    std::iter::from_fn(|| queue.pop()).collect()
}

#[test]
fn chunks_leave_whole_and_as_they_came_or_in_parts_to_be_rendered() {
    let mut queue = Queue::default();
    [text(0, ""), text(0, "one"), mark(1), text(0, "zw\u{f6}lf"), finish(0), mark(2)]
        .into_iter()
        .for_each(|chunk| queue.push(chunk));
    assert_eq!(queue.held(), BTreeMap::from([(0, 9)]));
    assert_eq!(shown(&all(&mut queue)), ["0:"]);
    queue.release(0, 3);
    assert_eq!(shown(&all(&mut queue)), ["0:one", "#1"]);
    // The third byte is within the third character.
    queue.release(0, 3);
    assert_eq!((shown(&all(&mut queue)), queue.held()), (vec!["~0:zw".to_owned()], BTreeMap::from([(0, 3)])));
    queue.release(0, 1);
    assert_eq!(shown(&all(&mut queue)), ["~0:\u{f6}"], "the byte that was owed was counted");
    queue.release(0, 99);
    assert_eq!(shown(&all(&mut queue)), ["~0:lf", "0:.", "#2"]);
    assert_eq!(queue.weight(), 0);
}

#[test]
fn a_text_in_the_place_of_others_stands_where_the_first_of_them_stood() {
    let mut queue = Queue::default();
    [text(0, "abc"), text(1, "other"), mark(1), text(0, "def"), finish(0)]
        .into_iter()
        .for_each(|chunk| queue.push(chunk));
    queue.release(0, 1);
    assert!(queue.replace(0, "XY"));
    assert_eq!(shown(&all(&mut queue)), ["~0:aXY"]);
    queue.release(1, 5);
    assert_eq!(shown(&all(&mut queue)), ["1:other", "#1", "0:."]);
    // The same text is no change, and a text for nothing goes behind the last of its choice.
    queue.push(text(0, "same"));
    assert!(!queue.replace(0, "same"));
    assert_eq!(shown(&all(&mut queue)), ["0:same"]);
    [text(0, "a"), text(0, "b")].into_iter().for_each(|chunk| queue.push(chunk));
    queue.release(0, 2);
    assert!(queue.replace(0, "c"));
    assert_eq!(shown(&all(&mut queue)), ["0:a", "~0:bc"]);
}

/// What is done after a piece of text.
#[derive(Clone, Debug)]
enum Act {
    Nothing,
    Release(u32, usize),
    Replace(String),
    Mark,
}

fn acts() -> impl Strategy<Value = Vec<(u32, String, Act)>> {
    let act = prop_oneof![
        2 => Just(Act::Nothing),
        5 => (0..3u32, 0..24usize).prop_map(|(choice, bytes)| Act::Release(choice, bytes)),
        1 => ".{0,6}".prop_map(Act::Replace),
        2 => Just(Act::Mark),
    ];
    prop::collection::vec((0..3u32, "[a\u{e9}\u{20ac}\u{1f600}\\PC]{0,9}", act), 0..40)
}

/// One choice as a single text, of which so many bytes may go.
#[derive(Debug, Default)]
struct Model {
    text: String,
    freed: usize,
}

proptest! {
    #[test]
    fn what_leaves_and_what_is_held_is_what_came(acts in acts()) {
        let (mut queue, mut models) = (Queue::default(), BTreeMap::<u32, Model>::new());
        let (mut left, mut marks, mut marked) = (BTreeMap::<u32, String>::new(), 0, 0);
        let mut leave = |queue: &mut Queue, models: &BTreeMap<u32, Model>| {
            for chunk in all(queue) {
                for delta in &chunk.deltas {
                    left.entry(delta.index).or_default().push_str(delta.text.as_deref().unwrap_or_default());
                }
                if let Some(usage) = chunk.usage {
                    // In order, and every mark after the texts that came before it.
                    prop_assert_eq!(usage.input_tokens, marked);
                    marked += 1;
                }
            }
            for (choice, model) in models {
                let out = left.get(choice).map_or("", String::as_str);
                prop_assert!(model.text[..model.text.floor_char_boundary(model.freed)].starts_with(out));
            }
            Ok(left.clone())
        };
        for (choice, piece, act) in acts {
            queue.push(text(choice, &piece));
            models.entry(choice).or_default().text.push_str(&piece);
            match act {
                Act::Nothing => {}
                Act::Release(choice, bytes) => {
                    queue.release(choice, bytes);
                    let model = models.entry(choice).or_default();
                    model.freed = (model.freed + bytes).min(model.text.len());
                }
                Act::Replace(with) => {
                    queue.replace(choice, &with);
                    let model = models.entry(choice).or_default();
                    model.text.truncate(model.text.floor_char_boundary(model.freed));
                    model.text.push_str(&with);
                    model.freed = model.text.len();
                }
                Act::Mark => {
                    queue.push(mark(marks));
                    marks += 1;
                }
            }
            leave(&mut queue, &models)?;
            let held: BTreeMap<u32, usize> = models.iter().map(|(choice, m)| (*choice, m.text.len() - m.freed)).filter(|(_, held)| *held > 0).collect();
            prop_assert_eq!(queue.held(), held);
        }
        queue.release_all();
        models.values_mut().for_each(|model| model.freed = model.text.len());
        let left = leave(&mut queue, &models)?;
        for (choice, model) in models {
            prop_assert_eq!(left.get(&choice).map_or("", String::as_str), model.text);
        }
        prop_assert_eq!(marked, marks);
        prop_assert_eq!(queue.weight(), 0);
    }
}

/// Says what is written down, and notes what it was shown.
#[derive(Clone)]
struct Scripted(Vec<Held>);

struct Script {
    says: VecDeque<Held>,
    shown: Vec<String>,
}

impl StreamValidator for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn open(&self, _: Ask) -> BoxFuture<'_, Result<Box<dyn StreamWatch>, PluginFault>> {
        let script = Script { says: self.0.clone().into(), shown: Vec::new() };
        Box::pin(async move { Ok(Box::new(script) as Box<dyn StreamWatch>) })
    }
}

impl StreamWatch for Script {
    fn push(&mut self, choice: u32, piece: Piece) -> BoxFuture<'_, Result<Held, PluginFault>> {
        self.shown.push(format!("{choice} {piece:?}"));
        let held = match self.says.pop_front().unwrap() {
            // What it was shown so far, as issues.
            Held::Reject(_) => Held::Reject(std::mem::take(&mut self.shown)),
            held => held,
        };
        Box::pin(async move { Ok(held) })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Held, PluginFault>> {
        let held = self.says.pop_front().unwrap();
        Box::pin(async move { Ok(held) })
    }
}

/// What comes out of these chunks when the watch says this: the chunks, or why it stopped.
async fn watched(chunks: Vec<Chunk>, says: Vec<Held>) -> Result<Vec<String>, String> {
    let check: Arc<dyn StreamValidator> = Arc::new(Scripted(says));
    let mut watching = Watching::open(&check, ask(), 1 << 20).await.unwrap();
    let mut out = Vec::new();
    for chunk in chunks {
        match watching.take(chunk, &mut out).await {
            Ok(()) => {}
            Err(Stop::Rejected(issues)) => return Err(issues.join(", ")),
            Err(Stop::Failed(fault)) => return Err(fault.to_string()),
        }
    }
    Ok(shown(&out))
}

fn ask() -> Ask {
    let world = super::super::tests::world(Vec::new(), &Arc::default());
    let incoming = super::super::tests::incoming();
    let facts = super::super::explain::first_ask(&world, incoming, "w").facts;
    assert_ne!(facts.id, RequestId::generate());
    Ask { facts, labels: Arc::from([]), view: Arc::clone(world.view()), completer: None }
}

#[tokio::test]
async fn every_piece_is_shown_in_order_and_what_says_nothing_is_not() {
    let call =
        |arguments: &str| ToolCallDelta { arguments: arguments.to_owned(), ..ToolCallDelta::default() };
    let tools = Delta { tool_calls: vec![call(""), call("{"), call("}")], ..Delta::default() };
    let chunks = vec![
        text(0, ""),
        text(1, "one"),
        Chunk { deltas: vec![tools], ..Chunk::default() },
        mark(0),
        finish(0),
        finish(1),
    ];
    let says = [vec![Held::Hold; 4], vec![Held::Reject(Vec::new())]].concat();
    let told = watched(chunks, says).await.unwrap_err();
    assert_eq!(
        told,
        r#"1 Text("one"), 0 ToolCall("{"), 0 ToolCall("}"), 0 Finish(Some(Stop)), 1 Finish(Some(Stop))"#
    );
}

#[tokio::test]
async fn at_its_end_everything_held_goes_or_is_replaced_or_it_is_the_validators_fault() {
    let two = || vec![text(0, "one"), text(1, "two"), done()];
    let one = || vec![text(0, "one"), finish(0), done()];
    let hold = || vec![Held::Hold, Held::Hold];
    let ends = |last: Held| [hold(), vec![last]].concat();
    type Row = (Vec<Chunk>, Vec<Held>, Result<Vec<&'static str>, &'static str>);
    let rows: Vec<Row> = vec![
        (one(), ends(Held::Release(3)), Ok(vec!["0:one", "0:.", "done"])),
        (one(), ends(Held::Release(usize::MAX)), Ok(vec!["0:one", "0:.", "done"])),
        (one(), ends(Held::Replace("1".into())), Ok(vec!["~0:1", "0:.", "done"])),
        (one(), ends(Held::Replace(String::new())), Ok(vec!["~0:", "0:.", "done"])),
        (one(), ends(Held::Release(2)), Err("that 3 bytes stay held, and the stream is over")),
        (one(), ends(Held::Hold), Err("that 3 bytes stay held")),
        (two(), ends(Held::Release(3)), Ok(vec!["0:one", "1:two", "done"])),
        (two(), ends(Held::Replace("1".into())), Err("one text for several choices")),
        (two(), ends(Held::Hold), Err("that 6 bytes stay held")),
        (one(), vec![Held::Release(9), Held::Hold, Held::Hold], Ok(vec!["0:one", "0:.", "done"])),
        (
            one(),
            vec![Held::Release(9), Held::Replace(" more".into()), Held::Hold],
            Ok(vec!["0:one", "~0: more.", "done"]),
        ),
        (
            one(),
            vec![Held::Release(9), Held::Hold, Held::Replace("late".into())],
            Err("a text for nothing that is held"),
        ),
        (one(), ends(Held::Reject(vec!["no".into()])), Err("no")),
    ];
    for (chunks, says, want) in rows {
        let name = format!("{says:?}");
        match (watched(chunks, says).await, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{name}"),
            (Err(got), Err(want)) => assert!(got.contains(want), "{name}: {got}"),
            (got, want) => panic!("{name}: {got:?} instead of {want:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_held_is_bounded_and_is_not_lost_with_its_validator() {
    let check: Arc<dyn StreamValidator> = Arc::new(Scripted(vec![Held::Hold; 9]));
    let mut watching = Watching::open(&check, ask(), 1 << 20).await.unwrap();
    let (half, mut out) = ("x".repeat(1 << 18), Vec::new());
    assert!(watching.take(text(0, &half), &mut out).await.is_ok());
    let Err(Stop::Failed(fault)) = watching.take(text(0, &half), &mut out).await else {
        panic!("it held more")
    };
    assert_eq!(fault.to_string(), "memory_limit: it holds back more than 1 MiB of one answer");
    assert!(out.is_empty());
    let held: Vec<Chunk> = watching.into_held().collect();
    assert_eq!(shown(&held), [format!("0:{half}"), format!("0:{half}")]);
}

/// One choice's text holds up all that came after it, and what a validator puts in the place of that weighs too.
#[tokio::test]
async fn what_replaces_a_text_and_waits_is_bounded_too() {
    let half = "x".repeat(1 << 19);
    let says = vec![Held::Hold, Held::Replace(half.clone()), Held::Replace(half.clone())];
    let check: Arc<dyn StreamValidator> = Arc::new(Scripted(says));
    let mut watching = Watching::open(&check, ask(), 1 << 20).await.unwrap();
    let mut out = Vec::new();
    assert!(watching.take(text(0, "a"), &mut out).await.is_ok());
    assert!(watching.take(text(1, "b"), &mut out).await.is_ok());
    assert!(matches!(watching.take(text(1, "c"), &mut out).await, Err(Stop::Failed(_))));
    let held: Vec<Chunk> = watching.into_held().collect();
    assert_eq!(shown(&held), ["0:a".to_owned(), format!("~1:{half}"), format!("~1:{half}")]);
}

//! One validator's watch over one stream: each piece is shown to it in order, and what it lets go leaves the queue.
//!
//! What it says at the end is about everything still held: to let all of it go, a text in its place, or a rejection. To
//! hold on, or to let only a part go, has no meaning then and counts as its failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_core::contract::{
    Ask, Chunk, Held, Piece, PluginFault, PluginFaultKind, StreamValidator, StreamWatch,
};

use super::queue::Queue;

/// A watch and what it holds back.
pub(in super::super) struct Watching {
    watch: Box<dyn StreamWatch>,
    queue: Queue,
    /// What it may hold back, in bytes.
    most: usize,
    changed: bool,
    took: Duration,
}

/// Why a watch goes no further.
pub(in super::super) enum Stop {
    /// It does not let the answer through, for these issues.
    Rejected(Vec<String>),
    /// It failed.
    Failed(PluginFault),
}

impl Watching {
    /// Begins to watch. It may hold back so many bytes.
    pub(in super::super) async fn open(
        check: &Arc<dyn StreamValidator>,
        ask: Ask,
        most: usize,
    ) -> Result<Self, PluginFault> {
        let began = Instant::now();
        let watch = check.open(ask).await?;
        Ok(Self { watch, queue: Queue::default(), most, changed: false, took: began.elapsed() })
    }

    /// Shows it a chunk, and puts out what it lets go.
    pub(in super::super) async fn take(&mut self, chunk: Chunk, out: &mut Vec<Chunk>) -> Result<(), Stop> {
        let (pieces, done) = (pieces(&chunk), chunk.done);
        self.queue.push(chunk);
        let began = Instant::now();
        let asked = self.ask(pieces, done).await;
        self.took += began.elapsed();
        asked?;
        out.extend(std::iter::from_fn(|| self.queue.pop()));
        if self.queue.weight() > self.most {
            let message = format!("it holds back more than {} MiB of one answer", self.most >> 20);
            return Err(Stop::Failed(PluginFault { kind: PluginFaultKind::MemoryLimit, message }));
        }
        Ok(())
    }

    /// Whether it changed the text.
    pub(in super::super) fn changed(&self) -> bool {
        self.changed
    }

    /// How long it took so far.
    pub(in super::super) fn took(&self) -> Duration {
        self.took
    }

    /// Everything that is held, for going on without it.
    pub(in super::super) fn into_held(mut self) -> impl Iterator<Item = Chunk> {
        self.queue.release_all();
        std::iter::from_fn(move || self.queue.pop())
    }

    async fn ask(&mut self, pieces: Vec<(u32, Piece)>, done: bool) -> Result<(), Stop> {
        for (choice, piece) in pieces {
            match self.watch.push(choice, piece).await.map_err(Stop::Failed)? {
                Held::Hold => {}
                Held::Release(bytes) => self.queue.release(choice, bytes),
                Held::Replace(text) => self.changed |= self.queue.replace(choice, &text),
                Held::Reject(issues) => return Err(Stop::Rejected(issues)),
            }
        }
        if !done {
            return Ok(());
        }
        let held = self.queue.held();
        match self.watch.finish().await.map_err(Stop::Failed)? {
            Held::Reject(issues) => Err(Stop::Rejected(issues)),
            Held::Release(bytes) if held.values().all(|left| bytes >= *left) => {
                self.queue.release_all();
                Ok(())
            }
            Held::Hold if held.is_empty() => Ok(()),
            Held::Replace(text) => match held.keys().collect::<Vec<_>>()[..] {
                [choice] => {
                    self.changed |= self.queue.replace(*choice, &text);
                    Ok(())
                }
                [] if text.is_empty() => Ok(()),
                [] => Err(nonsense("a text for nothing that is held at the stream's end")),
                _ => Err(nonsense("one text for several choices that are held at the stream's end")),
            },
            Held::Hold | Held::Release(_) => {
                let left: usize = held.values().sum();
                Err(nonsense(&format!("that {left} bytes stay held, and the stream is over")))
            }
        }
    }
}

fn nonsense(what: &str) -> Stop {
    let message = format!("the plugin answered {what}");
    Stop::Failed(PluginFault { kind: PluginFaultKind::InvalidDecision, message })
}

/// What a chunk adds, piece by piece. What says nothing is not shown.
fn pieces(chunk: &Chunk) -> Vec<(u32, Piece)> {
    let mut pieces = Vec::new();
    for delta in &chunk.deltas {
        let text = delta.text.iter().filter(|text| !text.is_empty());
        pieces.extend(text.map(|text| (delta.index, Piece::Text(text.clone()))));
        let calls = delta.tool_calls.iter().filter(|call| !call.arguments.is_empty());
        pieces.extend(calls.map(|call| (delta.index, Piece::ToolCall(call.arguments.clone()))));
        if delta.finished {
            pieces.push((delta.index, Piece::Finish(delta.finish_reason)));
        }
    }
    pieces
}

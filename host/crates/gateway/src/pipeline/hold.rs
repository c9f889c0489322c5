//! A stream that is held until it can be judged as a whole. It is delivered as the very chunks it came in, or not at all.
//! Bounded by `MAX_HELD`; the provider's own deadlines bound the time.

use std::collections::BTreeMap;

use futures_util::StreamExt;

use jackfield_core::contract::{
    Choice, Chunk, ChunkStream, Delta, Fault, FaultKind, FinishReason, Picture, Reply, ToolCall,
    ToolCallDelta, Usage,
};

/// What is held of one answer, by whoever holds it back, in bytes.
pub(super) const MAX_HELD: usize = 8 << 20;
/// What a chunk takes besides its texts, roughly, in bytes: a stream of empty ones is bounded too.
const CHUNK: usize = 64;

/// A stream that has ended.
pub(super) struct Held {
    pub chunks: Vec<Chunk>,
    pub reply: Reply,
}

/// Reads a stream to its end.
pub(super) async fn hold(held: Vec<Chunk>, mut rest: ChunkStream) -> Result<Held, Fault> {
    let (mut whole, mut chunks, mut size) = (Whole::default(), Vec::new(), 0);
    let mut held = held.into_iter();
    loop {
        let chunk = match held.next() {
            Some(chunk) => chunk,
            None => match rest.next().await {
                Some(chunk) => chunk?,
                None => break,
            },
        };
        size += weight(&chunk);
        if size > MAX_HELD {
            let most = MAX_HELD >> 20;
            let message =
                format!("the answer is larger than the {most} MiB that are held for its validators");
            return Err(Fault::new(FaultKind::AnswerRejected, message));
        }
        whole.add(&chunk);
        let done = chunk.done;
        chunks.push(chunk);
        if done {
            break;
        }
    }
    Ok(Held { chunks, reply: whole.into_reply() })
}

/// What a chunk takes, in bytes, roughly.
pub(super) fn weight(chunk: &Chunk) -> usize {
    let delta = |delta: &Delta| {
        let calls: usize = delta.tool_calls.iter().map(|call| CHUNK + texts(call)).sum();
        let pictures: usize = delta.pictures.iter().map(drawn).sum();
        let said: usize = [&delta.text, &delta.refusal].into_iter().flatten().map(String::len).sum();
        CHUNK + said + pictures + calls
    };
    let parts: usize = chunk.deltas.iter().map(delta).sum();
    CHUNK + parts + chunk.wire.as_ref().map_or(0, |wire| wire.len())
}

/// What the texts of a part of a call take.
fn texts(call: &ToolCallDelta) -> usize {
    let named = [&call.id, &call.name].into_iter().flatten().map(String::len);
    call.arguments.len() + named.sum::<usize>()
}

/// What a picture takes.
fn drawn(picture: &Picture) -> usize {
    CHUNK + picture.media_type.len() + picture.data.len()
}

/// An answer as it grows.
#[derive(Default)]
pub(super) struct Whole {
    choices: BTreeMap<u32, Growing>,
    size: usize,
    usage: Option<Usage>,
    model: Option<String>,
}

#[derive(Default)]
struct Growing {
    text: Option<String>,
    refusal: Option<String>,
    pictures: Vec<Picture>,
    calls: BTreeMap<u32, ToolCall>,
    finish_reason: Option<FinishReason>,
}

impl Whole {
    /// What it takes, in bytes, roughly.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The next chunk of it.
    pub(super) fn add(&mut self, chunk: &Chunk) {
        self.usage = chunk.usage.or(self.usage);
        if self.model.is_none() {
            self.model.clone_from(&chunk.model);
        }
        for delta in &chunk.deltas {
            let choice = self.choices.entry(delta.index).or_insert_with(|| {
                self.size += CHUNK;
                Growing::default()
            });
            if let Some(text) = &delta.text {
                self.size += text.len();
                choice.text.get_or_insert_default().push_str(text);
            }
            if let Some(refusal) = &delta.refusal {
                self.size += refusal.len();
                choice.refusal.get_or_insert_default().push_str(refusal);
            }
            self.size += delta.pictures.iter().map(drawn).sum::<usize>();
            choice.pictures.extend_from_slice(&delta.pictures);
            for part in &delta.tool_calls {
                self.size += texts(part);
                let call = choice.calls.entry(part.index).or_insert_with(|| {
                    self.size += CHUNK;
                    ToolCall { id: String::new(), name: String::new(), arguments: String::new() }
                });
                if let Some(id) = &part.id {
                    call.id.clone_from(id);
                }
                call.name.push_str(part.name.as_deref().unwrap_or_default());
                call.arguments.push_str(&part.arguments);
            }
            choice.finish_reason = delta.finish_reason.or(choice.finish_reason);
        }
    }

    /// All of it.
    pub(super) fn into_reply(mut self) -> Reply {
        // An answer has at least one choice, if only an empty one.
        self.choices.entry(0).or_default();
        let choices = self.choices.into_values().map(|choice| Choice {
            text: choice.text,
            refusal: choice.refusal,
            pictures: choice.pictures,
            tool_calls: choice.calls.into_values().collect(),
            finish_reason: choice.finish_reason,
        });
        Reply {
            id: "chatcmpl-held".to_owned(),
            model: self.model.unwrap_or_default(),
            created: super::attempt::now().as_secs(),
            choices: choices.collect(),
            usage: self.usage,
            wire: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// A chunk that says nothing but how a call, or another answer, is called.
    fn named(index: u32, name: &str) -> Chunk {
        let call = ToolCallDelta { index, name: Some(name.to_owned()), ..ToolCallDelta::default() };
        let delta = Delta { index, tool_calls: vec![call], ..Delta::default() };
        Chunk { deltas: vec![delta], ..Chunk::default() }
    }

    #[tokio::test]
    async fn names_of_calls_weigh_as_texts_do() {
        let name = "n".repeat(1 << 20);
        let rest = stream::iter((0..9).map(move |_| Ok(named(0, &name)))).boxed();
        assert_eq!(hold(Vec::new(), rest).await.err().unwrap().kind, FaultKind::AnswerRejected);
    }

    #[test]
    fn a_held_answer_keeps_what_is_beside_its_text() {
        let picture = Picture { media_type: "image/png".into(), data: "AAAA".into() };
        let choice = Choice {
            text: Some("a".into()),
            refusal: Some("no".into()),
            pictures: vec![picture.clone(), picture],
            finish_reason: Some(FinishReason::Stop),
            ..Choice::default()
        };
        let mut reply = super::super::attempt::text_reply("m", String::new());
        reply.choices = vec![choice.clone(), Choice { text: None, ..choice }];
        let mut whole = Whole::default();
        super::super::whole::chunks_of(&reply).iter().for_each(|chunk| whole.add(chunk));
        assert!(whole.size() > 2 * (2 * 4 + 2), "it weighs");
        assert_eq!(whole.into_reply().choices, reply.choices);
    }

    #[test]
    fn a_stream_of_nothing_but_new_answers_and_calls_has_a_size() {
        let mut whole = Whole::default();
        (0..1_000).for_each(|index| whole.add(&named(index, "")));
        assert_eq!(whole.size(), 2_000 * CHUNK);
        (0..1_000).for_each(|index| whole.add(&named(index, "ab")));
        assert_eq!(whole.size(), 2_000 * CHUNK + 2_000, "what is there already adds its texts alone");
    }
}

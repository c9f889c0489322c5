//! A kept answer as bytes, for other hosts: a digest of its key and of all that follows, then its parts, each with its length.
//!
//! What does not fit to the last byte is no answer: damaged, cut off, or kept under another key. The layout has a version, which
//! is in the names under which answers are kept; a change of it changes that. Bounded: nothing is taken for longer than what
//! is there.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use jackfield_core::contract::{
    Choice, Chunk, Delta, FinishReason, Picture, Reply, ToolCall, ToolCallDelta, Usage,
};

use super::{CacheKey, Entry, Given, Kept};

/// The version of the layout: a letter and a number in the key's name.
pub(crate) const LAYOUT: &str = "a1";
const DIGEST: usize = 32;

/// An answer as bytes; `at` is when it was given, in milliseconds since 1970.
pub(crate) fn encode(key: &CacheKey, entry: &Entry, at: u64) -> Vec<u8> {
    let mut to = Writer(vec![0; DIGEST]);
    let given = entry.given();
    to.number(at);
    to.text(&given.request);
    to.number(given.created);
    to.maybe(given.model.as_ref(), |to, text| to.text(text));
    to.maybe(given.provider.as_ref(), |to, text| to.text(text));
    to.maybe(given.score, |to, score| to.number(score.to_bits()));
    match entry.kept() {
        Kept::Whole(reply) => {
            to.byte(0);
            to.reply(reply);
        }
        Kept::Stream(chunks) => {
            to.byte(1);
            to.all(chunks, Writer::chunk);
        }
    }
    let digest = digest(key, &to.0[DIGEST..]);
    to.0[..DIGEST].copy_from_slice(&digest);
    to.0
}

/// The answer, and when it was given; `None`: it is none, or another key's.
pub(crate) fn decode(key: &CacheKey, bytes: &[u8]) -> Option<(Given, Kept, u64)> {
    let (said, rest) = bytes.split_at_checked(DIGEST)?;
    if *said != digest(key, rest) {
        return None;
    }
    let mut from = Reader(rest);
    let at = from.number()?;
    let given = Given {
        request: from.text()?,
        created: from.number()?,
        model: from.maybe(Reader::text)?,
        provider: from.maybe(Reader::text)?,
        score: from.maybe(Reader::number)?.map(f64::from_bits),
    };
    let kept = match from.byte()? {
        0 => Kept::Whole(from.reply()?),
        1 => Kept::Stream(from.all(Reader::chunk)?),
        _ => return None,
    };
    from.0.is_empty().then_some((given, kept, at))
}

fn digest(key: &CacheKey, rest: &[u8]) -> [u8; DIGEST] {
    Sha256::new().chain_update(LAYOUT).chain_update(key).chain_update(rest).finalize().into()
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn maybe<T>(&mut self, value: Option<T>, write: impl Fn(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn all<T>(&mut self, values: &[T], write: impl Fn(&mut Self, &T)) {
        self.number(values.len() as u64);
        values.iter().for_each(|value| write(self, value));
    }

    fn texts(&mut self, texts: [&Option<String>; 2]) {
        texts.into_iter().for_each(|text| self.maybe(text.as_ref(), |to, text| to.text(text)));
    }

    fn reply(&mut self, reply: &Reply) {
        self.text(&reply.id);
        self.text(&reply.model);
        self.number(reply.created);
        self.all(&reply.choices, Self::choice);
        self.maybe(reply.usage, Self::usage);
        self.maybe(reply.wire.as_deref(), |to, wire| to.bytes(wire));
    }

    fn choice(&mut self, choice: &Choice) {
        self.texts([&choice.text, &choice.refusal]);
        self.all(&choice.pictures, Self::picture);
        self.all(&choice.tool_calls, |to, call: &ToolCall| {
            to.text(&call.id);
            to.text(&call.name);
            to.text(&call.arguments);
        });
        self.finish(choice.finish_reason);
    }

    fn chunk(&mut self, chunk: &Chunk) {
        self.all(&chunk.deltas, Self::delta);
        self.maybe(chunk.usage, Self::usage);
        self.maybe(chunk.model.as_ref(), |to, text| to.text(text));
        self.byte(u8::from(chunk.done));
        self.maybe(chunk.wire.as_deref(), |to, wire| to.bytes(wire));
    }

    fn delta(&mut self, delta: &Delta) {
        self.number(delta.index.into());
        self.texts([&delta.text, &delta.refusal]);
        self.all(&delta.pictures, Self::picture);
        self.all(&delta.tool_calls, |to, call: &ToolCallDelta| {
            to.number(call.index.into());
            to.texts([&call.id, &call.name]);
            to.text(&call.arguments);
        });
        self.byte(u8::from(delta.other));
        self.number(delta.thought);
        self.finish(delta.finish_reason);
        self.byte(u8::from(delta.finished));
    }

    fn picture(&mut self, picture: &Picture) {
        self.text(&picture.media_type);
        self.text(&picture.data);
    }

    fn usage(&mut self, usage: Usage) {
        let Usage { input_tokens, output_tokens, cached_input_tokens, .. } = usage;
        let more = [usage.cache_write_tokens, usage.reasoning_tokens];
        let all = [input_tokens, output_tokens, cached_input_tokens].into_iter().chain(more);
        all.for_each(|tokens| self.number(tokens));
        self.byte(u8::from(usage.estimated));
    }

    fn finish(&mut self, reason: Option<FinishReason>) {
        self.byte(match reason {
            None => 0,
            Some(FinishReason::Stop) => 1,
            Some(FinishReason::Length) => 2,
            Some(FinishReason::ToolCalls) => 3,
            Some(FinishReason::ContentFilter) => 4,
        });
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn index(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?.try_into().ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    fn maybe<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.flag()? {
            true => read(self).map(Some),
            false => Some(None),
        }
    }

    fn all<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = usize::try_from(self.number()?).ok()?;
        // Each takes a byte at least.
        if length > self.0.len() {
            return None;
        }
        (0..length).map(|_| read(self)).collect()
    }

    fn reply(&mut self) -> Option<Reply> {
        Some(Reply {
            id: self.text()?,
            model: self.text()?,
            created: self.number()?,
            choices: self.all(Self::choice)?,
            usage: self.maybe(Self::usage)?,
            wire: self.maybe(Self::bytes)?.map(Bytes::copy_from_slice),
        })
    }

    fn choice(&mut self) -> Option<Choice> {
        Some(Choice {
            text: self.maybe(Self::text)?,
            refusal: self.maybe(Self::text)?,
            pictures: self.all(Self::picture)?,
            tool_calls: self.all(|from| {
                Some(ToolCall { id: from.text()?, name: from.text()?, arguments: from.text()? })
            })?,
            finish_reason: self.finish()?,
        })
    }

    fn chunk(&mut self) -> Option<Chunk> {
        Some(Chunk {
            deltas: self.all(Self::delta)?,
            usage: self.maybe(Self::usage)?,
            model: self.maybe(Self::text)?,
            done: self.flag()?,
            wire: self.maybe(Self::bytes)?.map(Bytes::copy_from_slice),
        })
    }

    fn delta(&mut self) -> Option<Delta> {
        Some(Delta {
            index: self.index()?,
            text: self.maybe(Self::text)?,
            refusal: self.maybe(Self::text)?,
            pictures: self.all(Self::picture)?,
            tool_calls: self.all(|from| {
                Some(ToolCallDelta {
                    index: from.index()?,
                    id: from.maybe(Self::text)?,
                    name: from.maybe(Self::text)?,
                    arguments: from.text()?,
                })
            })?,
            other: self.flag()?,
            thought: self.number()?,
            finish_reason: self.finish()?,
            finished: self.flag()?,
        })
    }

    fn picture(&mut self) -> Option<Picture> {
        Some(Picture { media_type: self.text()?, data: self.text()? })
    }

    fn usage(&mut self) -> Option<Usage> {
        Some(Usage {
            input_tokens: self.number()?,
            output_tokens: self.number()?,
            cached_input_tokens: self.number()?,
            cache_write_tokens: self.number()?,
            reasoning_tokens: self.number()?,
            estimated: self.flag()?,
        })
    }

    fn finish(&mut self) -> Option<Option<FinishReason>> {
        Some(match self.byte()? {
            0 => None,
            1 => Some(FinishReason::Stop),
            2 => Some(FinishReason::Length),
            3 => Some(FinishReason::ToolCalls),
            4 => Some(FinishReason::ContentFilter),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::cache::KeyBuilder;

    fn usage() -> impl Strategy<Value = Option<Usage>> {
        proptest::option::of((any::<[u64; 5]>(), any::<bool>()).prop_map(|(n, estimated)| Usage {
            input_tokens: n[0],
            output_tokens: n[1],
            cached_input_tokens: n[2],
            cache_write_tokens: n[3],
            reasoning_tokens: n[4],
            estimated,
        }))
    }

    fn finish() -> impl Strategy<Value = Option<FinishReason>> {
        proptest::option::of(prop_oneof![
            Just(FinishReason::Stop),
            Just(FinishReason::Length),
            Just(FinishReason::ToolCalls),
            Just(FinishReason::ContentFilter),
        ])
    }

    fn maybe() -> impl Strategy<Value = Option<String>> {
        proptest::option::of(".{0,12}")
    }

    fn wire() -> impl Strategy<Value = Option<Bytes>> {
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from))
    }

    fn pictures() -> impl Strategy<Value = Vec<Picture>> {
        let picture = (".{0,5}", ".{0,9}")
            .prop_map(|(media_type, data): (String, String)| Picture { media_type, data });
        proptest::collection::vec(picture, 0..2)
    }

    fn kept() -> impl Strategy<Value = Kept> {
        let call = (".{0,5}", ".{0,5}", ".{0,9}")
            .prop_map(|(id, name, arguments): (String, String, String)| ToolCall { id, name, arguments });
        let choice = (maybe(), maybe(), pictures(), proptest::collection::vec(call, 0..3), finish())
            .prop_map(|(text, refusal, pictures, tool_calls, finish_reason)| Choice {
                text,
                refusal,
                pictures,
                tool_calls,
                finish_reason,
            });
        let whole =
            (".{0,9}", ".{0,9}", any::<u64>(), proptest::collection::vec(choice, 0..3), usage(), wire())
                .prop_map(|(id, model, created, choices, usage, wire): (String, String, _, _, _, _)| {
                    Kept::Whole(Reply { id, model, created, choices, usage, wire })
                });
        let call = (any::<u32>(), maybe(), maybe(), ".{0,9}").prop_map(
            |(index, id, name, arguments): (_, _, _, String)| ToolCallDelta { index, id, name, arguments },
        );
        let delta = (
            (any::<u32>(), maybe(), maybe(), pictures()),
            proptest::collection::vec(call, 0..3),
            (any::<bool>(), any::<u64>(), finish(), any::<bool>()),
        )
            .prop_map(
                |(
                    (index, text, refusal, pictures),
                    tool_calls,
                    (other, thought, finish_reason, finished),
                )| {
                    Delta {
                        index,
                        text,
                        refusal,
                        pictures,
                        tool_calls,
                        other,
                        thought,
                        finish_reason,
                        finished,
                    }
                },
            );
        let chunk = (proptest::collection::vec(delta, 0..3), usage(), maybe(), any::<bool>(), wire())
            .prop_map(|(deltas, usage, model, done, wire)| Chunk { deltas, usage, model, done, wire });
        prop_oneof![whole, proptest::collection::vec(chunk, 0..5).prop_map(Kept::Stream)]
    }

    fn given() -> impl Strategy<Value = Given> {
        (".{0,9}", any::<u64>(), maybe(), maybe(), proptest::option::of(0.0..1.0)).prop_map(
            |(request, created, model, provider, score): (String, _, _, _, _)| Given {
                request,
                created,
                model,
                provider,
                score,
            },
        )
    }

    fn key(of: &str) -> CacheKey {
        KeyBuilder::default().part("of", of).finish()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_anything_else_is_none(
            given in given(), kept in kept(), at in any::<u64>(), hit in any::<prop::sample::Index>(), bit in 0_u8..8,
        ) {
            let (mine, other) = (key("mine"), key("other"));
            let entry = Entry::new(given.clone(), kept.clone(), Instant::now());
            let bytes = encode(&mine, &entry, at);
            let (read, same, when) = decode(&mine, &bytes).unwrap();
            prop_assert_eq!((&read, when), (&given, at));
            prop_assert_eq!(format!("{same:?}"), format!("{:?}", entry.kept()));
            prop_assert!(decode(&other, &bytes).is_none(), "another key's answer");
            let place = hit.index(bytes.len());
            prop_assert!(decode(&mine, &bytes[..place]).is_none(), "cut off");
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << bit;
            prop_assert!(decode(&mine, &damaged).is_none(), "damaged");
            let mut longer = bytes;
            longer.push(0);
            prop_assert!(decode(&mine, &longer).is_none(), "something behind it");
        }

        /// Also with a digest that fits: whoever writes there is not believed to write well.
        #[test]
        fn no_bytes_make_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mine = key("mine");
            let mut whole = digest(&mine, &bytes).to_vec();
            whole.extend(&bytes);
            let _ = decode(&mine, &whole);
            let _ = decode(&mine, &bytes);
        }
    }
}

//! One call that identical requests share, as a task of its own: the walk over the candidates, with what it brings handed to
//! whoever tails it, and kept when it is whole. It is charged to the request that opened it, whose trail hears of every
//! step, and runs to its end whoever leaves.

use std::sync::Arc;

use futures_util::StreamExt;

use jackfield_core::contract::{Chunk, Delta, Fault, Target};
use jackfield_store::cache::{Entry, Given, Kept};

use super::attempt;
use super::cached::{is_stopped, now};
use super::delivery::{Body, ReplyStream};
use super::judge::Judge;
use super::left::UnderWay;
use super::settle::Closing;
use super::vectors;
use crate::world::{Begun, Departure, World};

/// A call on its way.
pub(super) struct Flight {
    world: Arc<World>,
    closing: Closing,
    departure: Departure,
    /// Dropped last, when all that it costs is known.
    under_way: UnderWay,
}

impl Flight {
    /// A call on behalf of the request whose exchange this is.
    pub(super) fn new(
        world: &Arc<World>,
        closing: Closing,
        departure: Departure,
        under_way: UnderWay,
    ) -> Self {
        Self { world: Arc::clone(world), closing, departure, under_way }
    }

    /// Makes the call.
    pub(super) async fn fly(self, targets: Vec<Target>, judge: Judge) {
        let Self { world, mut closing, departure, under_way: _under_way } = self;
        let answered = match vectors::walk(&world, &mut closing, targets, judge).await {
            Ok(answered) => answered,
            Err(fault) => {
                closing.fail(fault.clone());
                departure.fail(fault);
                return;
            }
        };
        let began = now();
        let (key, spoiled) = closing.cached.keeps();
        let (model, provider, score, waited) = closing.told();
        let age = closing.cached.age;
        // Whose answer was there is told by what was kept.
        let given = closing.cached.given.clone().unwrap_or_else(|| Given {
            request: departure.opener().to_owned(),
            created: attempt::now().as_secs(),
            model,
            provider,
            score,
        });
        let begun = |whole, own| Begun { given: given.clone(), whole, waited, age, own };
        let keep = |kept| {
            if let Some(key) = key.filter(|_| !spoiled.is_set()) {
                world.store().cache().keep(key, Entry::new(given.clone(), kept, began));
            }
        };
        let (clamped, downgraded) = (closing.was_clamped(), closing.exchange.trail.downgrade().is_some());
        match closing.deliver(answered).body {
            Body::Whole(reply) => {
                let stopped = |clamped| {
                    reply.choices.iter().any(|c| is_stopped(c.finish_reason, c.refusal.as_deref(), clamped))
                };
                if !stopped(clamped) {
                    keep(Kept::Whole(reply.clone()));
                }
                let own = downgraded || (clamped && stopped(true));
                departure.close();
                departure.begin(begun(Some(reply), own));
            }
            Body::Stream(stream) => {
                let own = downgraded || clamped;
                if own {
                    // Who followed asks again, and must not find this one.
                    departure.close();
                }
                departure.begin(begun(None, own));
                if let Err(fault) =
                    tell(*stream, &departure, clamped, |chunks| keep(Kept::Stream(chunks))).await
                {
                    departure.fail(fault);
                    return;
                }
            }
        }
        departure.land();
    }
}

/// Tells the readers all of a stream. It is kept before they hear that it is over: who then asks again finds it, or finds
/// nothing.
async fn tell(
    mut stream: ReplyStream,
    departure: &Departure,
    clamped: bool,
    keep: impl FnOnce(Vec<Chunk>),
) -> Result<(), Fault> {
    let mut filtered = false;
    let stopped = |delta: &Delta| is_stopped(delta.finish_reason, delta.refusal.as_deref(), clamped);
    while let Some(next) = stream.next().await {
        let chunk = next?;
        filtered |= chunk.deltas.iter().any(stopped);
        if chunk.done {
            if let Some(mut chunks) = departure.all().filter(|_| !filtered) {
                chunks.push(chunk.clone());
                keep(chunks);
            }
            departure.close();
            departure.push(chunk).await;
            return Ok(());
        }
        if !departure.push(chunk).await {
            // Too large to be kept, and nobody reads it: dropped, the call ends.
            return Ok(());
        }
    }
    Ok(())
}

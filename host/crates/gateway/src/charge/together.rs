//! One call for several requests: each has a charge of its own, reserved before, and pays its share of what the call consumed.
//!
//! Shares go by the tokens that each was estimated at; they add up to what the provider said, and what they cost to what the
//! call costs, to the nano-dollar. A call that fails is settled or released for each as if it had been its own.

use futures_util::future::join_all;

use jackfield_core::base::NanoUsd;
use jackfield_core::contract::{Answer, Call, Fault, FaultKind, Provider, Reply, Usage};

use super::Charge;
use super::estimate::Output;

/// Makes a call that these pay together. Gives what each of them pays; nothing for one whose share could not be written down.
pub(crate) async fn call_together(
    provider: &dyn Provider,
    call: Call,
    mut charges: Vec<Charge>,
) -> Result<(Reply, Vec<Option<Usage>>), Fault> {
    charges.iter_mut().for_each(Charge::sent);
    let reply = match provider.call(call).await {
        Ok(Answer::Whole { reply, .. }) => reply,
        // Dropped, each is settled at its estimate.
        Ok(Answer::Stream { .. }) => {
            return Err(Fault::new(FaultKind::UpstreamBroken, "the provider streams what is no stream"));
        }
        Err(fault) => {
            charges.into_iter().for_each(|charge| charge.failed(&fault));
            return Err(fault);
        }
    };
    let weights: Vec<u64> = charges.iter().map(|charge| charge.input_tokens.max(1)).collect();
    let estimated = || Usage {
        input_tokens: weights.iter().fold(0, |sum: u64, one| sum.saturating_add(*one)),
        output_tokens: Output::of(&reply),
        estimated: true,
        ..Usage::default()
    };
    let usages = divided(&reply.usage.unwrap_or_else(estimated), &weights);
    let (mut settling, mut before, mut so_far) = (Vec::new(), NanoUsd::ZERO, Usage::default());
    for (charge, usage) in charges.into_iter().zip(usages) {
        so_far = so_far.and(usage);
        // What all so far cost together, less what those before paid: rounded once, whoever pays the rest.
        let cost = charge.price.map(|price| {
            let all = so_far.cost(&price);
            let own = all.less(before);
            before = all;
            own
        });
        let written = charge.settle_at(usage, cost);
        settling.push(async move { written.await.is_ok().then_some(usage) });
    }
    // All are charged by now: nobody waits for the file, or for other hosts, on another's account.
    Ok((reply, join_all(settling).await))
}

/// What was consumed in parts as large as these, which add up to it.
fn divided(whole: &Usage, weights: &[u64]) -> Vec<Usage> {
    let all: u128 = weights.iter().map(|one| u128::from(*one)).sum::<u128>().max(1);
    let part = |of: u64, until: u128| u64::try_from(u128::from(of) * until / all).unwrap_or(of);
    let mut until = 0;
    let share = |weight: &u64| {
        let from = until;
        until += u128::from(*weight);
        let of = |of: u64| part(of, until) - part(of, from);
        Usage {
            input_tokens: of(whole.input_tokens),
            output_tokens: of(whole.output_tokens),
            cached_input_tokens: of(whole.cached_input_tokens),
            cache_write_tokens: of(whole.cache_write_tokens),
            reasoning_tokens: of(whole.reasoning_tokens),
            estimated: whole.estimated,
        }
    };
    weights.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_add_up(tokens in 0..u64::from(u32::MAX), weights in proptest::collection::vec(1..10_000_u64, 1..20)) {
            let whole = Usage { input_tokens: tokens, cached_input_tokens: tokens / 3, ..Usage::default() };
            let parts = divided(&whole, &weights);
            prop_assert_eq!(parts.len(), weights.len());
            prop_assert_eq!(parts.into_iter().fold(Usage::default(), Usage::and), whole);
        }
    }
}

//! A validator asked about a text that nobody is waiting for: whether a step's answer is good enough (`repeat.until`).

use std::sync::Arc;

use jackfield_core::contract::{Ask, Draft, Fault, FaultKind, Review, Validation};
use jackfield_dialect::openai::render_reply;

use super::attempt::text_reply;
use super::{Incoming, admit, whole};
use crate::world::World;

/// What the validator of this request's step finds of the text.
pub(crate) async fn review(world: &World, incoming: Incoming, text: String) -> Result<Validation, Fault> {
    let (exchange, _place) = admit(world, incoming);
    let Some(slot) = world.policy().until_of(&exchange.facts) else {
        return Err(Fault::new(FaultKind::Internal, "the step goes by no validator"));
    };
    let mut slot = slot.clone();
    slot.equip(world, &exchange);
    let ask = Ask {
        facts: Arc::clone(&exchange.facts),
        labels: Arc::from([]),
        view: Arc::clone(world.view()),
        completer: None,
    };
    let draft = Arc::new(Draft::new(text_reply("", text), String::new(), 1, render_reply));
    whole::ask(&slot, &Review { ask, draft }).await.map(|found| found.validation).map_err(|fault| {
        Fault::new(FaultKind::PluginFailed, format!("the validator `{}` failed: {fault}", slot.name()))
    })
}

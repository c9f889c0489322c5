//! What routing changes of a request, as far as the model that is called can do with it: many refuse what they do not know,
//! and a row's settings go with its fallback models too.

use jackfield_core::catalogue::Capability;
use jackfield_core::config::ResolvedModel;
use jackfield_core::contract::Overrides;

/// The changes without those that this model is not to be asked for. Only a model that is known to keep to a schema is
/// asked for JSON; only one that is known not to think is not told how much.
pub fn fitted(overrides: &Overrides, model: &ResolvedModel) -> Overrides {
    let asked = model.capabilities.contains(&Capability::ResponseSchema);
    let told = !model.is_known_to_lack(Capability::Reasoning);
    Overrides {
        answer_format: overrides.answer_format.clone().filter(|_| asked),
        reasoning: overrides.reasoning.filter(|_| told),
        ..overrides.clone()
    }
}

// The contract's words for a decision. An option that is absent is `null` in JavaScript, and a record
// needs all its fields.

/** A routing of this decision. */
export function answer(decision, reason, labels = []) {
  return { decision, reason, labels };
}

/** The decision for one model, with what should differ from what the client asked. */
export function toModel(model, changes = {}) {
  const asked = { temperature: null, maxOutputTokens: null, reasoning: null, promptTemplate: null };
  return { tag: "route", val: [{ model, ...asked, ...changes }] };
}

// What a plugin threw, in the contract's words.

import { InvalidConfig, InvalidInput } from "../errors.js";
import { place } from "../places.js";

/** The contract's error for what was thrown: a message, and the author's file and line. */
export function failure(thrown, bare = "internal") {
  if (thrown instanceof InvalidInput) return { tag: "invalid-input", val: thrown.message };
  if (thrown instanceof InvalidConfig) return { tag: "invalid-config", val: thrown.message };
  return { tag: bare, val: described(thrown) };
}

function described(thrown) {
  if (!(thrown instanceof Error)) return typeof thrown === "string" ? thrown : `it threw ${JSON.stringify(thrown) ?? String(thrown)}`;
  const told = thrown.name === "Error" ? thrown.message : `${thrown.name}: ${thrown.message}`;
  const where = place(thrown.stack);
  return where ? `${told} (${where})` : told;
}

/** A promise cannot be waited for: the host's functions answer at once, and there is nothing else to wait for. */
export function settled(returned, what) {
  if (typeof returned?.then === "function") {
    throw new TypeError(`${what} returned a promise: leave out \`async\`; whatever the host is asked, it answers at once`);
  }
  return returned;
}

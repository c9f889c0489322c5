// Arguments on their way to the host. The component's runtime ends a call without a word when it is given another
// type than the contract's, so nothing goes there that was not looked at.

import { nearest } from "./nearest.js";

/** What a value is, in words. */
export function kind(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return { string: "a text", number: "a number", boolean: "a boolean", object: "an object", undefined: "undefined" }[typeof value] ?? `a ${typeof value}`;
}

/** A text, or a `TypeError` that says what is wrong with `what`. */
export function text(value, what) {
  if (typeof value !== "string") throw new TypeError(`${what} must be a text, not ${kind(value)}`);
  return value;
}

/** A whole number from `low` to `high`, and small enough to be exact. */
export function whole(value, what, low, high = Number.MAX_SAFE_INTEGER) {
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    throw new TypeError(`${what} must be a whole number from ${low} to ${high}, not ${shown(value)}`);
  }
  return value;
}

/** A finite number, or null where there is none. */
export function optionalNumber(value, what) {
  if (value === null || value === undefined) return null;
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TypeError(`${what} must be a number, not ${shown(value)}`);
  return value;
}

/** One of these words. */
export function word(value, what, words) {
  if (!words.includes(value)) throw new TypeError(`${what} must be one of ${words.join(", ")}, not ${shown(value)}`);
  return value;
}

/** Refuses keys that nobody reads: a misspelt one would otherwise be as good as none. */
export function keys(object, what, known) {
  for (const key in object) {
    if (!known.includes(key)) {
      const near = nearest(key, known);
      throw new TypeError(`${what} has no \`${key}\`${near ? `; did you mean \`${near}\`?` : `: there are ${known.join(", ")}`}`);
    }
  }
}

function shown(value) {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : typeof value === "number" ? String(value) : kind(value);
}

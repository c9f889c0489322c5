// What routings and validations have in common.

import { kind, text } from "../check.js";

/** A reason: a text, or nothing. */
export const reason = (given) => (given === undefined || given === null ? "" : text(given, "`reason`"));

/** Labels: an object of texts, or a list of pairs. Numbers and booleans are written out. */
export function labels(given) {
  if (given === undefined || given === null) return [];
  if (typeof given !== "object") throw new TypeError(`\`labels\` must be an object, not ${kind(given)}`);
  return (Array.isArray(given) ? given : Object.entries(given)).map((pair) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw new TypeError("`labels` must be an object, or a list of pairs of name and value");
    const [name, value] = pair;
    const plain = typeof value === "number" || typeof value === "boolean";
    return [text(name, "the name of a label"), plain ? String(value) : text(value, `the label \`${name}\``)];
  });
}

// The contract's `stream-validation`, around a plugin's class `Stream`. One instance lives as long as one stream.

import { keys, kind, text, whole } from "../check.js";
import { asRequest } from "../request.js";
import { length } from "../utf8.js";
import { failure, settled } from "./failure.js";
import { texts } from "./validation.js";

/** More than any window holds. */
const ALL = 0xffffffff;

/** The export `stream-validation` of a plugin with this class, whose constructor is given the settings as well. */
export function streamValidation(Stream, settings) {
  let stream;
  const told = (call) => {
    try {
      return call();
    } catch (thrown) {
      throw failure(thrown);
    }
  };
  return {
    open: (summary) => told(() => void (stream = new Stream(asRequest(summary), settings()))),
    push: (delta) => told(() => toStep(stream.push(toDelta(delta)), "push")),
    finish: () => told(() => (stream.finish ? toStep(stream.finish(), "finish") : { tag: "release", val: ALL })),
  };
}

const NAMES = { text: "text", "tool-call": "toolCall", finish: "finish" };

function toDelta({ choice, piece }) {
  return { choice, [NAMES[piece.tag]]: piece.val };
}

/** What `push` or `finish` returned, in the contract's words. */
export function toStep(given, what) {
  if (given === null || given === undefined) return { tag: "hold", val: undefined };
  if (typeof given !== "object") throw new TypeError(`${what} must return hold(), release(…), replace(…), reject(…) or null, not ${kind(given)}`);
  settled(given, what);
  keys(given, "a step", ["hold", "release", "replace", "reject"]);
  const { release, replace, reject } = given;
  if (reject !== undefined) return { tag: "reject", val: texts(reject, "what is rejected for") };
  if (replace !== undefined) return { tag: "replace", val: text(replace, "`replace`") };
  if (release === undefined) return { tag: "hold", val: undefined };
  if (release === true) return { tag: "release", val: ALL };
  if (typeof release === "string") return { tag: "release", val: length(release) };
  return { tag: "release", val: whole(release, "`release`", 0, ALL) };
}

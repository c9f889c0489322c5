// What JavaScript has everywhere and a component has not: the interpreter's own clock ends the call, and its own random
// numbers are the same in every fresh instance. `plugin build` puts these in their places, where a plugin uses them.

import { clock as host } from "#host/clock";
import { log as voice } from "#host/log";
import { decode, encode } from "./utf8.js";

const Native = globalThis.Date;

/** `Date`, with the host's time. */
export class Date extends Native {
  constructor(...given) {
    if (given.length === 0) super(host.nowMs());
    else super(...given);
  }
  static now() {
    return host.nowMs();
  }
}

/** `performance.now()`: milliseconds since some moment before the plugin was loaded. */
export const performance = { now: () => host.monotonicNs() / 1e6 };

const shown = (value) => (typeof value === "string" ? value : value instanceof Error ? `${value.name}: ${value.message}` : JSON.stringify(value) ?? String(value));
const line = (level) => (...values) => voice.write(level, values.map(shown).join(" "));

/** `console`, which speaks in the host's log. */
export const console = {
  debug: /* @__PURE__ */ line("debug"),
  log: /* @__PURE__ */ line("info"),
  info: /* @__PURE__ */ line("info"),
  warn: /* @__PURE__ */ line("warn"),
  error: /* @__PURE__ */ line("error"),
};

/** `TextEncoder`: text to UTF-8, whole. */
export class TextEncoder {
  encoding = "utf-8";
  encode(text = "") {
    return encode(String(text));
  }
}

/** `TextDecoder`: UTF-8 to text, whole; no other encoding. */
export class TextDecoder {
  encoding = "utf-8";
  constructor(label = "utf-8") {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`there is no decoder for ${label} here: only for utf-8`);
  }
  decode(bytes = new Uint8Array(0)) {
    if (bytes instanceof ArrayBuffer) return decode(new Uint8Array(bytes));
    return decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }
}

let state = null;

/** `Math.random()`: 32 bits of xorshift128 (Marsaglia), begun from the host's clocks in each instance. Not for secrets. */
export function jackfieldRandom() {
  if (state === null) {
    state = [host.nowMs() | 0, host.monotonicNs() | 0, (host.monotonicNs() / 2 ** 32) | 0, 0x9e3779b9 | 0];
    for (let i = 0; i < 20; i += 1) next();
  }
  return next() / 2 ** 32;
}

function next() {
  let last = state.pop();
  last ^= last << 11;
  last ^= last >>> 8;
  last ^= state[0] ^ (state[0] >>> 19);
  state.unshift(last);
  return last >>> 0;
}

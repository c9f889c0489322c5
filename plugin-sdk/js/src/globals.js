// What JavaScript has everywhere and a component has not: the interpreter's own clock ends the call, and its own random
// numbers are the same in every fresh instance. `plugin build` puts these in their places, where a plugin uses them.

import { clock as host } from "#host/clock";
import { log as voice } from "#host/log";

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
export const console = { debug: line("debug"), log: line("info"), info: line("info"), warn: line("warn"), error: line("error") };

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

// A small memory of the plugin's own, which outlives the call.

import { kv as host } from "#host/kv";
import { kind, text, whole } from "./check.js";
import { KvError } from "./errors.js";
import { decode, encode } from "./utf8.js";

const WHY = {
  "quota-exceeded": "the plugin's quota of keys and values is used up",
  "too-large": "the key is empty or over 256 bytes, or the value is over its limit",
  "not-a-counter": "the value there is no counter",
  "read-only": "this call may not write",
};

/** Calls the host; its refusals arrive as the `payload` of an error. */
function asked(what, call) {
  try {
    return call();
  } catch (error) {
    if (!Object.hasOwn(WHY, error?.payload)) throw error;
    throw new KvError(error.payload, `${what}: ${WHY[error.payload]}`);
  }
}

function lifetime(options) {
  const ttl = options?.ttlMs ?? null;
  return ttl === null ? null : whole(ttl, "`ttlMs`", 0);
}

export const kv = {
  get(key) {
    const bytes = host.get(text(key, "a key of kv"));
    return bytes ? decode(bytes) : null;
  },
  getBytes(key) {
    return host.get(text(key, "a key of kv")) ?? null;
  },
  set(key, value, options) {
    text(key, "a key of kv");
    const isBytes = value instanceof Uint8Array;
    if (!isBytes && typeof value !== "string") throw new TypeError(`a value of kv must be a text or a Uint8Array, not ${kind(value)}`);
    asked(`kv.set of \`${key}\``, () => host.set(key, isBytes ? value : encode(value), lifetime(options)));
  },
  delete(key) {
    asked(`kv.delete of \`${key}\``, () => host.delete(text(key, "a key of kv")));
  },
  increment(key, by = 1, options) {
    text(key, "a key of kv");
    whole(by, "what kv.increment adds", -Number.MAX_SAFE_INTEGER);
    return asked(`kv.increment of \`${key}\``, () => host.increment(key, by, lifetime(options)));
  },
};

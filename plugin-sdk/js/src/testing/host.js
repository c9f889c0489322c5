// The host's interfaces as a test plays them: what the component's imports are in a real host, read from the scene of the
// call that runs. They answer in the contract's own words, so that all above them is what a component runs.

import { encode, length } from "../utf8.js";

let playing = null;

/** Runs something with this scene as the host. */
export function play(scene, call) {
  const before = playing;
  playing = scene;
  try {
    return call();
  } finally {
    playing = before;
  }
}

const scene = () => {
  if (playing === null) throw new Error("there is no host here: ask it inside of route, validate or Stream, under Host of jackfield/testing");
  return playing;
};
const or = (value) => (value === undefined ? null : value);
const pointed = (body, pointer) => {
  if (pointer === "") return JSON.stringify(body);
  let value = body;
  for (const step of pointer.split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null;
    value = value[key];
  }
  return JSON.stringify(value);
};
const refused = (payload) => Object.assign(new Error(JSON.stringify(payload)), { payload });

export const request = {
  lastUserText: () => scene().messages.findLast((message) => message.role === "user")?.text ?? "",
  systemText: () => scene().messages.filter((message) => message.role === "system").map((message) => message.text).join("\n"),
  messageAt: (index) => or(scene().messages[index]),
  messages: () => scene().messages,
  header: (name) => or(scene().headers[name]),
  labelValue: (name) => or(scene().request.labels.findLast(([known]) => known === name)?.[1]),
  body: () => JSON.stringify(scene().body),
  bodyPointer: (pointer) => pointed(scene().body, pointer),
  contains: (needle) => request.lastUserText().includes(needle),
};

export const response = {
  text: () => scene().response.text,
  body: () => JSON.stringify(scene().response.body),
  bodyPointer: (pointer) => pointed(scene().response.body, pointer),
  toolCalls: () => scene().response.toolCalls,
  finish: () => scene().response.finish,
  usage: () => or(scene().response.usage),
  model: () => scene().response.model,
  attempt: () => scene().response.attempt,
};

export const models = {
  names: () => Object.keys(scene().models).sort(),
  info: (name) => or(scene().models[name]?.info),
  live: (name) => or(scene().models[name]?.live),
};

export const budget = { remaining: (of) => or(scene().budget[of]) };
export const load = { current: () => scene().load };
export const config = { get: () => JSON.stringify(scene().config) };
export const clock = { nowMs: () => scene().nowMs, monotonicNs: () => scene().nowMs * 1e6 };
export const log = { write: (level, line) => void scene().logged.push({ level, line }) };

/** The real host's quotas, at their defaults; a lifetime is over when the scene's time says so. */
export const kv = {
  get(key) {
    const kept = scene().kept.get(key);
    return kept && !(kept.until <= scene().nowMs) ? kept.value : null;
  },
  set(key, value, ttlMs) {
    if (key === "" || length(key) > 256 || value.length > 65536) throw refused("too-large");
    let used = length(key) + value.length;
    for (const [other, { value: kept }] of scene().kept) if (other !== key) used += length(other) + kept.length;
    if (used > 1 << 20) throw refused("quota-exceeded");
    scene().kept.set(key, { value, until: ttlMs === null ? undefined : scene().nowMs + ttlMs });
  },
  delete: (key) => void scene().kept.delete(key),
  increment(key, by, ttlMs) {
    const before = kv.get(key);
    const text = before === null ? "0" : String.fromCharCode(...before);
    if (!/^-?\d+$/.test(text)) throw refused("not-a-counter");
    const until = before === null ? undefined : scene().kept.get(key).until;
    const sum = Number(text) + by;
    kv.set(key, encode(String(sum)), before === null ? ttlMs : null);
    if (until !== undefined) scene().kept.get(key).until = until;
    return sum;
  },
};

export const llm = {
  complete(model, messages) {
    if (!scene().llm) throw refused({ tag: "failed", val: "no model is played: give the scene an `llm`" });
    return { text: scene().llm(model, messages), usage: null };
  },
  embed() {
    throw refused({ tag: "failed", val: "embeddings are not played" });
  },
};

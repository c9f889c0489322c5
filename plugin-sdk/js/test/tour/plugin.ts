// Everything of the kit that a played host cannot show, in one component: the globals it puts in, errors with their places, all
// three kinds at once. tests/kits runs its cases.

import { abstain, hold, InvalidInput, kv, load, log, reject, release, respond, type Decision, type Delta, type Request, type Response, type Step, type Verdict } from "jackfield";

import { nested } from "./lib/nested.ts";

export const settings = { shout: false, words: ["a"] };

export const info = { name: "tour-js", version: "1.0.0", description: "Goes through the kit" };

export function checkConfig(config: typeof settings) {
  if (config.words.length > 3) throw new Error("`words` are too many: three at most");
}

const stops: Record<string, (request: Request, config: typeof settings) => Decision> = {
  model: () => "fast-model",
  list: () => ["fast-model", { model: "smart-model", temperature: 0.5, maxOutputTokens: 64, reasoning: "low" }],
  nothing: () => undefined,
  abstain: () => abstain("nothing to say", { labels: { n: 1 } }),
  reject: () => reject("not today", { class: "unavailable" }),
  respond: (_request, { shout }) => respond(shout ? "É😀!" : "é😀"),
  settings: (_request, config) => ({ model: "fast-model", reason: JSON.stringify(config) }),
  date: () => ({ model: "fast-model", reason: String(new Date().getFullYear() > 2024 && Date.now() > 1.7e12 && new Date(0).toISOString() === "1970-01-01T00:00:00.000Z") }),
  random: () => {
    const dice = Array.from({ length: 64 }, () => Math.random());
    kv.set("dice", String(dice[0]));
    return { model: "fast-model", reason: String(new Set(dice).size === 64 && dice.every((die) => die >= 0 && die < 1) && Math.max(...dice) > 0.6 && Math.min(...dice) < 0.4) };
  },
  dice: () => ({ model: "fast-model", reason: String(kv.get("dice") !== null && kv.get("dice") !== String(Math.random())) }),
  clock: () => ({ model: "fast-model", reason: String(performance.now() >= 0) }),
  text: () => ({ model: "fast-model", reason: new TextDecoder().decode(new TextEncoder().encode("é😀")) }),
  kv: () => {
    kv.set("word", "é😀");
    return { model: "fast-model", reason: `${kv.get("word")} ${kv.increment("count", 2, { ttlMs: 60000 })} ${kv.get("none")}` };
  },
  refused: () => {
    kv.set("word", "é😀");
    try {
      kv.increment("word");
    } catch (error) {
      return { model: "fast-model", reason: String(error) };
    }
    return null;
  },
  console: () => {
    console.log("é😀", { a: 1 }, new Error("odd"));
    log.warn("odd");
    return "fast-model";
  },
  load: () => ({ model: "fast-model", reason: String(load.current().inFlight >= 0) }),
  body: (request) => ({ model: "fast-model", reason: `${request.bodyValue("/messages/0/role")} ${request.bodyValue("/none")} ${request.message(0)?.text} ${request.messages().length}` }),
  throws: (request) => nested(request),
  input: () => {
    throw new InvalidInput("odd request");
  },
  type: (request) => (request as any).prompt.no.such,
  wrong: () => ({ modle: "fast-model" }) as any,
  promise: (async () => "fast-model") as any,
  argument: (request) => (request.contains(5 as any), null),
};

export function route(request: Request, config: typeof settings): Decision {
  return stops[request.prompt]?.(request, config) ?? null;
}

export const validate = (_request: Request, response: Response): Verdict => {
  if (response.text === "throw") return (null as any).x;
  return response.text === "" ? (undefined as any) : !response.text.includes("bad");
};

export class Stream {
  held = "";

  push({ text }: Delta): Step {
    this.held += text ?? "";
    if (this.held.includes("bad")) return reject("it says bad");
    const safe = this.held.slice(0, Math.max(0, this.held.length - 2));
    this.held = this.held.slice(safe.length);
    return safe === "" ? hold() : release(safe);
  }

  finish(): Step {
    return release();
  }
}

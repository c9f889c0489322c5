// `jackfield/testing`: a played host for unit tests under plain Node.js. It calls a plugin through the very code that stands
// between it and a real host, and shows what came of it in plain words.

import { lifecycle } from "../guest/lifecycle.js";
import { routing } from "../guest/routing.js";
import { settings } from "../guest/settings.js";
import { streamValidation } from "../guest/stream.js";
import { validation } from "../guest/validation.js";
import { decode, encode } from "../utf8.js";
import { play } from "./host.js";
import { staged } from "./scene.js";

export class Host {
  #scene;
  #kept = new Map();
  logged = [];

  constructor(scene = {}) {
    this.#scene = scene;
    staged(scene);
  }

  load(plugin) {
    const info = { name: "plugin", version: "0.0.0", description: "", ...plugin.info };
    return this.#playing({}, (scene) => lifecycle(info, plugin.settings, plugin.checkConfig).checkConfig(JSON.stringify(scene.config)));
  }

  route(plugin, more = {}) {
    const route = exported(plugin, "route");
    const { decision, reason, labels } = this.#playing(more, (scene) => routing(route, settings(plugin.settings)).route({ ...scene.request }));
    const told = { reason, labels: Object.fromEntries(labels) };
    switch (decision.tag) {
      case "route": return { route: decision.val.map((target) => target.model), targets: decision.val, ...told };
      case "abstain": return { abstain: true, ...told };
      default: return { [decision.tag]: decision.val, ...told };
    }
  }

  validate(plugin, more = {}) {
    const validate = exported(plugin, "validate");
    const { verdict, score, issues, labels } = this.#playing(more, (scene) =>
      validation(validate, settings(plugin.settings)).validate({ ...scene.request }, summary(scene.response)));
    const { tag, val } = verdict;
    return {
      verdict: tag,
      ...(tag === "repair" ? { instruction: val } : tag === "replace" ? { text: val } : {}),
      issues: tag === "reject" ? [...val, ...issues] : issues,
      score,
      labels: Object.fromEntries(labels),
    };
  }

  stream(plugin, deltas, more = {}) {
    const check = streamValidation(exported(plugin, "Stream"), settings(plugin.settings));
    return this.#playing(more, (scene) => {
      let held = new Uint8Array(0);
      let delivered = "";
      const done = ({ tag, val }) => {
        if (tag === "reject") throw new Error(`the stream is refused: ${val.join("; ")}`);
        if (tag === "replace") [delivered, held] = [delivered + val, new Uint8Array(0)];
        if (tag !== "release") return;
        let cut = Math.min(val, held.length);
        while (cut < held.length && (held[cut] & 0xc0) === 0x80) cut -= 1;
        [delivered, held] = [delivered + decode(held.subarray(0, cut)), held.subarray(cut)];
      };
      check.open({ ...scene.request });
      for (const given of deltas) {
        const { choice = 0, text, toolCall, finish } = typeof given === "string" ? { text: given } : given;
        const piece = text !== undefined ? { tag: "text", val: text } : toolCall !== undefined ? { tag: "tool-call", val: toolCall } : { tag: "finish", val: finish };
        if (text !== undefined) held = new Uint8Array([...held, ...encode(text)]);
        done(check.push({ choice, piece }));
      }
      done(check.finish());
      if (held.length > 0) throw new Error(`the stream is over, and ${held.length} bytes stay held`);
      return delivered;
    });
  }

  /** What the contract calls an error becomes one of JavaScript's, so that a test can expect it. */
  #playing(more, call) {
    const scene = { ...staged({ ...this.#scene, ...more }), kept: this.#kept, logged: this.logged };
    try {
      return play(scene, () => call(scene));
    } catch (thrown) {
      if (thrown instanceof Error) throw thrown;
      throw new Error(`${thrown.tag}: ${thrown.val}`);
    }
  }
}

function exported(plugin, name) {
  if (typeof plugin[name] !== "function") throw new TypeError(`the plugin exports no ${name}`);
  return plugin[name];
}

function summary({ model, attempt, finish, text, toolCalls }) {
  return { model, attempt, finish, textLength: encode(text).length, toolCallCount: toolCalls.length };
}

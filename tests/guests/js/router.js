// The seed document's `MyRouter` in plain JavaScript, against the raw contract: no SDK, no bundler.
//
// It decides and refuses as plugins/urgent-router does, word for word, because one table of tests
// holds for all languages. Requests that name a task of tour.js get that instead.

import config from "jackfield:plugin/config@1.0.0";
import host from "jackfield:plugin/request@1.0.0";

import { answer, toModel } from "./answer.js";
import { tour } from "./tour.js";

const DEFAULTS = { keyword: "urgent", model: "fast-model", otherwise: null };

/** Reads the plugin's settings; every key may be left out, and no other is known. */
function settings(text) {
  const invalid = (why) => ({ tag: "invalid-config", val: why });
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw invalid(`the settings are no JSON: ${error.message}`);
  }
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULTS, key)) throw invalid(`unknown key \`${key}\``);
    if (typeof value !== "string") throw invalid(`\`${key}\` must be a text`);
  }
  return { ...DEFAULTS, ...given };
}

export const routing = {
  route(request) {
    const branch = tour[request.task];
    if (branch) return branch(request);
    const { keyword, model, otherwise } = settings(config.get());
    if (host.contains(keyword)) {
      return answer(toModel(model), `the prompt contains \`${keyword}\``);
    }
    const decision = otherwise === null ? { tag: "abstain" } : toModel(otherwise);
    return answer(decision, `the prompt does not contain \`${keyword}\``);
  },
};

export const lifecycle = {
  checkConfig(text) {
    settings(text);
    return { name: "guest-js", version: "1.0.0", description: "Sends prompts with a keyword to a fast model" };
  },
};

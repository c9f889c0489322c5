// Asking another model. Whoever imports this needs the grant `llm`.

import { llm as host } from "#host/llm";
import { keys, kind, optionalNumber, text, whole, word } from "./check.js";
import { LlmError } from "./errors.js";
import { REASONING } from "./words.js";

const WHY = {
  "unknown-model": (name) => `no model \`${name}\` may be used here`,
  "budget-exceeded": () => "the budget does not allow it",
  "timed-out": () => "it took too long",
  failed: (why) => `the provider failed: ${why}`,
};

/** Calls the host; its refusals arrive as the `payload` of an error. */
function asked(model, call) {
  try {
    return call();
  } catch (error) {
    const code = error?.payload?.tag;
    if (!Object.hasOwn(WHY, code ?? "")) throw error;
    throw new LlmError(code, `asking ${model}: ${WHY[code](error.payload.val)}`);
  }
}

function message(given) {
  if (typeof given !== "object" || given === null) throw new TypeError(`a message to a model must be { role, text }, not ${kind(given)}`);
  keys(given, "a message to a model", ["role", "text"]);
  return { role: text(given.role, "the role of a message"), text: text(given.text, "the text of a message") };
}

export const llm = {
  complete(model, prompt, options = {}) {
    text(model, "the name of a model");
    const messages = Array.isArray(prompt) ? prompt.map(message) : [{ role: "user", text: text(prompt, "the prompt") }];
    keys(options, "the options of llm.complete", ["temperature", "maxOutputTokens", "reasoning", "responseSchema"]);
    const { temperature, maxOutputTokens, reasoning, responseSchema } = options;
    const how = {
      temperature: optionalNumber(temperature, "`temperature`"),
      maxOutputTokens: maxOutputTokens == null ? null : whole(maxOutputTokens, "`maxOutputTokens`", 1, 0xffffffff),
      reasoning: reasoning == null ? null : word(reasoning, "`reasoning`", REASONING),
      responseSchema: responseSchema == null ? null : JSON.stringify(responseSchema),
    };
    return asked(model, () => host.complete(model, messages, how));
  },
  embed(model, texts) {
    text(model, "the name of a model");
    if (!Array.isArray(texts)) throw new TypeError(`the texts of llm.embed must be a list, not ${kind(texts)}`);
    for (const each of texts) text(each, "a text of llm.embed");
    return asked(model, () => host.embed(model, texts));
  },
};

// The contract's `routing`, around a plugin's `route`.

import { keys, kind, optionalNumber, text, whole, word } from "../check.js";
import { asRequest } from "../request.js";
import { REASONING, REJECT_CLASSES } from "../words.js";
import { labels, reason } from "./common.js";
import { failure, settled } from "./failure.js";

const HINTS = ["model", "temperature", "maxOutputTokens", "reasoning", "promptTemplate"];
const MORE = ["reason", "labels"];

/** The export `routing` of a plugin with this `route`, which is given the settings as well. */
export function routing(route, settings) {
  return {
    route(summary) {
      try {
        return toRouting(route(asRequest(summary), settings()));
      } catch (thrown) {
        throw failure(thrown);
      }
    },
  };
}

const plain = (model) => ({ model, temperature: null, maxOutputTokens: null, reasoning: null, promptTemplate: null });
const only = (decision) => ({ decision, reason: "", labels: [] });

/** What `route` returned, in the contract's words. */
export function toRouting(given) {
  if (typeof given === "string") return only({ tag: "route", val: [plain(given)] });
  if (given === null || given === undefined) return only({ tag: "abstain", val: undefined });
  if (Array.isArray(given)) return only(toModels(given));
  if (typeof given !== "object") throw new TypeError(`route must return a model's name, a list, an object or null, not ${kind(given)}`);
  settled(given, "route");
  return { decision: toDecision(given), reason: reason(given.reason), labels: labels(given.labels) };
}

function toDecision(given) {
  if (given.reject !== undefined) {
    keys(given, "what rejects a request", ["reject", "class", ...MORE]);
    const rejectClass = word(given.class ?? "forbidden", "the `class` of a rejection", REJECT_CLASSES);
    return { tag: "reject", val: { class: rejectClass, message: text(given.reject, "the message of a rejection") } };
  }
  if (given.respond !== undefined) {
    keys(given, "what answers a request", ["respond", ...MORE]);
    return { tag: "respond", val: text(given.respond, "the text of an answer") };
  }
  if (given.models !== undefined) {
    keys(given, "a route", ["models", ...MORE]);
    if (!Array.isArray(given.models)) throw new TypeError(`\`models\` must be a list, not ${kind(given.models)}`);
    return toModels(given.models);
  }
  keys(given, "a route", [...HINTS, ...MORE]);
  if (given.model === undefined) throw new TypeError("a route names a `model` or `models`; null is no opinion");
  if (given.model === null) return { tag: "abstain", val: undefined };
  return { tag: "route", val: [toTarget(given)] };
}

/** None at all is no opinion. */
function toModels(list) {
  if (list.length === 0) return { tag: "abstain", val: undefined };
  return {
    tag: "route",
    val: list.map((each) => {
      if (typeof each === "string") return plain(each);
      if (typeof each !== "object" || each === null) throw new TypeError(`a list of models has names and objects, not ${kind(each)}`);
      keys(each, "a model in a list", HINTS);
      return toTarget(each);
    }),
  };
}

function toTarget({ model, temperature, maxOutputTokens, reasoning: level, promptTemplate }) {
  return {
    model: text(model, "`model`"),
    temperature: optionalNumber(temperature, "`temperature`"),
    maxOutputTokens: maxOutputTokens == null ? null : whole(maxOutputTokens, "`maxOutputTokens`", 1, 0xffffffff),
    reasoning: level == null ? null : word(level, "`reasoning`", REASONING),
    promptTemplate: promptTemplate == null ? null : text(promptTemplate, "`promptTemplate`"),
  };
}

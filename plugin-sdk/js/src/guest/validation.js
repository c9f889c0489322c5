// The contract's `validation`, around a plugin's `validate`.

import { keys, kind, optionalNumber, text } from "../check.js";
import { asRequest } from "../request.js";
import { asResponse } from "../response.js";
import { labels } from "./common.js";
import { failure, settled } from "./failure.js";

const VERDICTS = ["accept", "reject", "repair", "replace"];

/** The export `validation` of a plugin with this `validate`, which is given the settings as well. */
export function validation(validate, settings) {
  return {
    validate(request, response) {
      try {
        return toValidation(validate(asRequest(request), asResponse(response), settings()));
      } catch (thrown) {
        throw failure(thrown);
      }
    },
  };
}

const only = (verdict) => ({ verdict, score: null, issues: [], labels: [] });

/** What `validate` returned, in the contract's words. Nothing at all is a mistake: it would let every answer through. */
export function toValidation(given) {
  if (given === true || given === null) return only({ tag: "accept", val: undefined });
  if (given === false) return only({ tag: "reject", val: [] });
  if (typeof given !== "object") {
    throw new TypeError(`validate must return true, false, null, accept(), reject(…), repair(…) or replace(…), not ${kind(given)}`);
  }
  settled(given, "validate");
  keys(given, "a verdict", [...VERDICTS, "score", "issues", "labels"]);
  const named = VERDICTS.filter((verdict) => given[verdict] !== undefined);
  if (named.length !== 1) throw new TypeError(`a verdict is one of ${VERDICTS.join(", ")}${named.length ? `, not ${named.join(" and ")}` : ""}`);
  const verdict = toVerdict(named[0], given[named[0]]);
  return { verdict, score: optionalNumber(given.score, "`score`"), issues: texts(given.issues ?? [], "`issues`"), labels: labels(given.labels) };
}

function toVerdict(tag, val) {
  if (tag === "accept") return { tag, val: undefined };
  if (tag === "reject") return { tag, val: texts(val, "what is rejected for") };
  return { tag, val: text(val, `\`${tag}\``) };
}

/** One text or a list of them. */
export function texts(given, what) {
  return (Array.isArray(given) ? given : [given]).map((each) => text(each, what));
}

// A plugin's settings: its `config:` section over the defaults it exports as `settings`. Read once an instance.

import { config as host } from "#host/config";
import { kind } from "../check.js";
import { InvalidConfig } from "../errors.js";
import { nearest } from "../nearest.js";

/** Gives the settings of the host's plugin; plain JSON where the plugin exports no defaults. */
export function settings(defaults) {
  let kept;
  return () => (kept ??= read(host.get(), defaults));
}

/** Settings from JSON text. They are frozen: a warm instance keeps them for the next request. */
export function read(json, defaults) {
  if (json === "{}" || json === "") return Object.freeze({ ...defaults });
  let given;
  try {
    given = JSON.parse(json);
  } catch (error) {
    throw new InvalidConfig(`the settings are no JSON: ${error.message}`);
  }
  return Object.freeze(defaults === undefined ? given : merged(given, defaults, ""));
}

function merged(given, defaults, path) {
  if (!isObject(given)) throw new InvalidConfig(`${path ? `\`${path}\`` : "the settings"} must be an object, not ${kind(given)}`);
  const all = { ...defaults };
  for (const key of Object.keys(given)) {
    const name = path ? `${path}.${key}` : key;
    if (!Object.hasOwn(defaults, key)) {
      const near = nearest(key, Object.keys(defaults));
      const known = Object.keys(defaults).join(", ");
      throw new InvalidConfig(`unknown key \`${name}\`${near ? `; did you mean \`${path ? `${path}.` : ""}${near}\`?` : known ? `: there are ${known}` : ": this plugin takes no settings"}`);
    }
    all[key] = fitted(given[key], defaults[key], name);
  }
  return all;
}

/** A value of the kind its default has. A default of null says nothing of the kind; null stands for the default. */
function fitted(value, like, name) {
  if (value === null) return like;
  if (like === null || like === undefined) return value;
  if (isObject(like)) return Object.keys(like).length === 0 && isObject(value) ? value : merged(value, like, name);
  if (kind(value) !== kind(like)) throw new InvalidConfig(`\`${name}\` must be ${kind(like)}, not ${kind(value)}`);
  if (Array.isArray(like) && like.length > 0) return value.map((each, i) => fitted(each, like[0], `${name}.${i}`));
  return value;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

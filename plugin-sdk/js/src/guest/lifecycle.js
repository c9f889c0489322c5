// The contract's `lifecycle`: run once, when the plugin is loaded.

import { keys, text } from "../check.js";
import { failure } from "./failure.js";
import { read } from "./settings.js";

/** The export `lifecycle`: checks settings against the defaults, then by the plugin's own `checkConfig` if it has one. */
export function lifecycle(info, defaults, checkConfig) {
  return {
    checkConfig(json) {
      try {
        const config = read(json, defaults);
        checkConfig?.(config);
        keys(info, "`info`", ["name", "version", "description"]);
        const { name, version, description } = info;
        return { name: text(name, "`info.name`"), version: text(version, "`info.version`"), description: text(description ?? "", "`info.description`") };
      } catch (thrown) {
        throw failure(thrown, "invalid-config");
      }
    },
  };
}

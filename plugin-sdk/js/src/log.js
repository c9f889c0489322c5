// The plugin's voice in the host's log.

import { log as host } from "#host/log";

const at = (level) => (line) => host.write(level, String(line));

export const log = {
  debug: /* @__PURE__ */ at("debug"),
  info: /* @__PURE__ */ at("info"),
  warn: /* @__PURE__ */ at("warn"),
  error: /* @__PURE__ */ at("error"),
};

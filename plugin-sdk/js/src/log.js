// The plugin's voice in the host's log.

import { log as host } from "#host/log";

const at = (level) => (line) => host.write(level, String(line));

export const log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };

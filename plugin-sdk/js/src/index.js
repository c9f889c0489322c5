// What `import … from "jackfield"` gives. Each line is a file of its own, so that a bundler leaves out what is not used.

export { budget } from "./budget.js";
export { clock } from "./clock.js";
export { InvalidConfig, InvalidInput, KvError, LlmError } from "./errors.js";
export { kv } from "./kv.js";
export { llm } from "./llm.js";
export { load } from "./load.js";
export { log } from "./log.js";
export { models } from "./models.js";
export { abstain, accept, hold, reject, release, repair, replace, respond } from "./returns.js";

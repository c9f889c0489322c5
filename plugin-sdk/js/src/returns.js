// What a rule or a check may return, made by name. They are plain objects: who prefers may write them out.

/** A router: no opinion, and why. Without a reason `null` does. */
export const abstain = (reason, more) => ({ model: null, reason, ...more });

/** A router: refuse the request and tell the client so. A check: do not deliver, for this issue or these. */
export const reject = (what, more) => ({ reject: what, ...more });

/** A router: answer with this text; no model is called. */
export const respond = (text, more) => ({ respond: text, ...more });

/** A check: deliver the answer. */
export const accept = (more) => ({ accept: true, ...more });

/** A check: ask the same model again, with this instruction. */
export const repair = (instruction, more) => ({ repair: instruction, ...more });

/** A check: deliver this text instead. A check of streams: in place of all that is held. */
export const replace = (text, more) => ({ replace: text, ...more });

/** A check of streams: keep holding. */
export const hold = () => ({ hold: true });

/** A check of streams: let so many bytes go, or as many as this text has; everything when nothing is said. */
export const release = (what) => ({ release: what ?? true });

// How a plugin says that it failed, and how the host says that it cannot.

/** The plugin's settings make no sense to it; the message says what to change. */
export class InvalidConfig extends Error {
  name = "InvalidConfig";
}

/** This request makes no sense to the plugin. */
export class InvalidInput extends Error {
  name = "InvalidInput";
}

/** The host did not keep a value; `code` is the contract's word for why. */
export class KvError extends Error {
  name = "KvError";

  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** There is no answer of a model; `code` is the contract's word for why. */
export class LlmError extends Error {
  name = "LlmError";

  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

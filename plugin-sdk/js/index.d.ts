/**
 * Routing rules and answer checks for the Jackfield LLM gateway.
 *
 * A plugin is a module that exports some of:
 *
 * | export | what it is |
 * |---|---|
 * | `route` | a routing rule: {@link Route} |
 * | `validate` | a check of whole answers: {@link Validate} |
 * | `Stream` | a check of answers while they stream: {@link StreamCheck} |
 * | `settings` | the defaults of its `config:`; a key that is not among them is refused when the plugin is loaded |
 * | `checkConfig` | a check of settings beyond that: throws when they make no sense. Run when the plugin is loaded |
 * | `info` | its {@link Info}; by default from package.json |
 *
 * The host answers at once whatever it is asked, so nothing here is asynchronous. What needs the host (all functions below
 * that are no helpers) works inside of these functions, not while the module starts.
 */

// ---------------------------------------------------------------------------------------------------------- requests

/** A label of a request: its name (at most 64 bytes of `a-z 0-9 _ - .`) and its value (at most 1 024 bytes). */
export type Label = [name: string, value: string];

/** One message of a conversation. */
export interface Message {
  /** `system`, `user`, `assistant` or `tool`. */
  role: string;
  /** Its whole text; several text parts are joined by a line feed. */
  text: string;
  /** Whether it carries an image. */
  hasImage: boolean;
}

/**
 * The request being decided about. Its fields cost nothing; texts are copied into the plugin when they are asked for, which
 * takes about ten milliseconds for a megabyte. {@link Request.contains} searches on the host's side and copies nothing.
 */
export interface Request {
  /** The host's id of the request, the same as in the response header `x-jackfield-request-id`. */
  readonly requestId: string;
  /** The task the client named. */
  readonly task: string | null;
  /** The model the client named; null when it left the choice to the gateway. */
  readonly requestedModel: string | null;
  /** The project of the client's key. */
  readonly project: string | null;
  /** The user of the client's key. */
  readonly user: string | null;
  /** Whether the answer is to be streamed. */
  readonly streaming: boolean;
  /** How many messages the conversation has; at least 1. */
  readonly messageCount: number;
  /** Input tokens, estimated from the texts' lengths. */
  readonly estimatedInputTokens: number;
  /** The bound on the answer's tokens, if the client set one. */
  readonly maxOutputTokens: number | null;
  /** Whether tools are offered to the model. */
  readonly hasTools: boolean;
  /** Whether any message carries an image. */
  readonly hasImages: boolean;
  /** Whether a JSON schema binds the answer. */
  readonly hasResponseSchema: boolean;
  /** Labels given by earlier plugins, in order. */
  readonly labels: Label[];

  /** The text of the last user message; empty when there is none. Copied when first read. */
  readonly prompt: string;
  /** All standing instructions, joined by a line feed; empty when there are none. Copied when first read. */
  readonly systemText: string;
  /** The request's body as JSON text, in the client's own dialect. Copied when first read. */
  readonly body: string;

  /** Whether the prompt contains this text, to the letter. Searched by the host: nothing is copied. */
  contains(needle: string): boolean;
  /** One message by its place, the first being 0. */
  message(index: number): Message | null;
  /** The whole conversation. */
  messages(): Message[];
  /** One request header; the name's case does not matter. Credentials are never shown. */
  header(name: string): string | null;
  /** The value of a label given by an earlier plugin; the last one given counts. */
  label(name: string): string | null;
  /** One value of the body by its JSON pointer (RFC 6901), for example `/tools/0/function/name`; undefined when there is none. */
  bodyValue<T = unknown>(pointer?: string): T | undefined;
}

/** Why a model stopped. */
export type FinishReason = "stop" | "length" | "tool-calls" | "content-filter" | "unknown";

/** A call that a model wants made. */
export interface ToolCall {
  /** The provider's id of the call. */
  id: string;
  /** The function's name. */
  name: string;
  /** The arguments as JSON text, as the model wrote them. */
  arguments: string;
}

/** Token counts of one call, as the provider reported them. */
export interface TokenUsage {
  /** Tokens of the prompt, cached ones included. */
  inputTokens: number;
  /** Tokens of the answer, reasoning included. */
  outputTokens: number;
  /** Those of the prompt that came from the provider's cache. */
  cachedInputTokens: number;
  /** Those of the answer that were spent on reasoning. */
  reasoningTokens: number;
}

/** The answer being judged. As with {@link Request}, texts are copied when they are asked for. */
export interface Response {
  /** The model that answered, by the gateway's name. */
  readonly model: string;
  /** Which attempt this is; the first is 1. */
  readonly attempt: number;
  /** Why the model stopped. */
  readonly finish: FinishReason;
  /** The length of the answer's text in bytes. */
  readonly textLength: number;
  /** How many tools it wants called. */
  readonly toolCallCount: number;

  /** The answer's text; empty when it has none. Copied when first read. */
  readonly text: string;
  /** The answer's body as JSON text. Copied when first read. */
  readonly body: string;

  /** The answer's text read as JSON. @throws SyntaxError the text is no JSON */
  json<T = unknown>(): T;
  /** One value of the body by its JSON pointer (RFC 6901); undefined when there is none. */
  bodyValue<T = unknown>(pointer?: string): T | undefined;
  /** The calls the model wants made. */
  toolCalls(): ToolCall[];
  /** What the call consumed, if the provider said. */
  usage(): TokenUsage | null;
}

// ----------------------------------------------------------------------------------------------------------- routing

/** How much a model should think before it answers. */
export type ReasoningLevel = "none" | "minimal" | "low" | "medium" | "high";

/** A model, and what to change of the client's request. What is left out stays as the client asked. */
export interface Target {
  /** The model's name: declared in the host's configuration, referenced there, or well known. */
  model: string;
  /** Sampling temperature, 0 to 2. */
  temperature?: number | null;
  /** Bound on the answer's tokens, at least 1. */
  maxOutputTokens?: number | null;
  /** How much the model should think. */
  reasoning?: ReasoningLevel | null;
  /** A template for the last user message, with `${input}` where its text goes. */
  promptTemplate?: string | null;
}

/** What may go with a decision. */
export interface Why {
  /** Why, in a few words, for the trail and the log: at most 1 024 bytes. */
  reason?: string | null;
  /** For later plugins and the log, at most 32: an object, or a list of pairs. Numbers and booleans are written out. */
  labels?: Record<string, string | number | boolean> | Label[] | null;
}

/** What kind of refusal: 400, 403, 429 or 503. */
export type RejectClass = "invalid-request" | "forbidden" | "rate-limited" | "unavailable";

/** The refusal of a request. */
export interface Rejection extends Why {
  /** What the client is told; at most 1 024 bytes. */
  reject: string;
  /** What kind of refusal; `forbidden` when it is left out. */
  class?: RejectClass;
}

/** The answer to a request, in place of any model's. */
export interface Answer extends Why {
  /** The answer's text. */
  respond: string;
}

/** No opinion, and why. */
export interface Abstention extends Why {
  model: null;
}

/**
 * What `route` may return.
 *
 * | returned | decides |
 * |---|---|
 * | a model's name | that model |
 * | a list of names and {@link Target}s | the first; the others if it fails. At most 16; none is no opinion |
 * | `{ model, temperature, …, reason, labels }` | that model, so called, and why |
 * | `{ models: […], reason, labels }` | a list, and why |
 * | `null` (or nothing) | no opinion: the next rule decides |
 * | {@link reject}`(…)`, {@link respond}`(…)`, {@link abstain}`(…)` | what they say |
 */
export type Decision =
  | string
  | readonly (string | Target)[]
  | (Target & Why)
  | ({ models: readonly (string | Target)[] } & Why)
  | Rejection
  | Answer
  | Abstention
  | null
  | undefined
  | void;

/** A routing rule: `export const route: Route = …`. */
export type Route<Settings = any> = (request: Request, settings: Settings) => Decision;

/** No opinion, and why. Where there is nothing to say, return `null`. */
export function abstain(reason: string, more?: { labels?: Why["labels"] }): Abstention;

/** Answers the request with this text; no model is called. */
export function respond(text: string, more?: Why): Answer;

/** In `route`: refuses the request, and tells the client so in at most 1 024 bytes. */
export function reject(message: string, more?: Why & { class?: RejectClass }): Rejection;

// ---------------------------------------------------------------------------------------------------------- checking

/** What may go with a verdict. */
export interface Findings {
  /** How good the answer is, 0 to 1. */
  score?: number | null;
  /** What is wrong or could be better: at most 64 issues of 1 024 bytes. */
  issues?: string[];
  /** For later plugins and the log, at most 32. */
  labels?: Why["labels"];
}

/** Deliver the answer. */
export type Accepted = Findings & { accept: true };
/** Do not deliver it, for this issue or these; the next candidate is tried. */
export type Rejected = Findings & { reject: string | string[] };
/** Ask the same model again, with this instruction. */
export type Repaired = Findings & { repair: string };
/** Deliver this text instead. */
export type Replaced = Findings & { replace: string };

/**
 * What `validate` may return: `true` and `null` accept, `false` rejects, the others say what they do. Nothing at all is a
 * mistake, and an error: it would let every answer through.
 */
export type Verdict = boolean | null | Accepted | Rejected | Repaired | Replaced;

/** A check of whole answers: `export const validate: Validate = …`. */
export type Validate<Settings = any> = (request: Request, response: Response, settings: Settings) => Verdict;

/** Delivers the answer. */
export function accept(more?: Findings): Accepted;

/** In `validate`: does not deliver the answer, for this issue or these. In `Stream`: ends the stream for them. */
export function reject(issues: string | string[], more?: Findings): Rejected;

/** Asks the same model again, with this instruction. */
export function repair(instruction: string, more?: Findings): Repaired;

/** In `validate`: delivers this text instead. In `Stream`: delivers it in place of all that is held. */
export function replace(text: string, more?: Findings): Replaced;

// --------------------------------------------------------------------------------------------------- checking streams

/** A piece of an answer, and the index of the choice it belongs to. */
export type Delta =
  | { choice: number; text: string; toolCall?: undefined; finish?: undefined }
  | { choice: number; toolCall: string; text?: undefined; finish?: undefined }
  | { choice: number; finish: FinishReason; text?: undefined; toolCall?: undefined };

/** What to do with the text held back so far, the newest delta included. `null` (or nothing) keeps holding it. */
export type Step = { hold: true } | { release: true | number | string } | { replace: string } | { reject: string | string[] } | null | undefined | void;

/**
 * A check of answers while they stream: `export class Stream implements StreamCheck { … }`. Its constructor gets the request
 * and the settings; one instance lives as long as one stream.
 */
export interface StreamCheck {
  /** A piece came. */
  push(delta: Delta): Step;
  /** The stream is over. What is still held must go or be refused: holding on is an error. Without this method it goes. */
  finish?(): Step;
}

/** Keeps holding. */
export function hold(): { hold: true };

/** Lets everything go that is held; or as many bytes of it; or as many as this text has. The rest is kept. */
export function release(what?: number | string): { release: true | number | string };

// ----------------------------------------------------------------------------------------------------------- the host

/** What a plugin says of itself when it is loaded. What is left out comes from package.json. */
export interface Info {
  /** The plugin's own name. */
  name?: string;
  /** The plugin's own version. */
  version?: string;
  /** One sentence on what it does. */
  description?: string;
}

/** What a model is. Null means: not known. */
export interface ModelInfo {
  /** The model's name. */
  name: string;
  /** The provider that serves it. */
  provider: string;
  /** The longest conversation it takes, in tokens. */
  contextWindow: number | null;
  /** The longest answer it gives, in tokens. */
  maxOutputTokens: number | null;
  /** US dollars for a million input tokens. */
  inputUsdPerMtok: number | null;
  /** US dollars for a million output tokens. */
  outputUsdPerMtok: number | null;
  /** The words the configuration marks it with. */
  tags: string[];
  /** What it can do, of: `tools`, `vision`, `response_schema`, `reasoning`. Unknown abilities are not listed. */
  capabilities: string[];
}

/**
 * How a model does at the moment, as this host sees it. Latencies are in milliseconds over the last calls (at most 256, at most
 * a minute old); null means: no call yet.
 */
export interface LiveState {
  /** Whether it answers at present, as far as this host knows. */
  healthy: boolean;
  /** Calls of it now under way from this host. */
  inFlight: number;
  /** Half of the calls took no longer. */
  p50Ms: number | null;
  /** Nineteen calls of twenty took no longer. */
  p95Ms: number | null;
  /** Half of the calls began to answer no later. */
  firstTokenP50Ms: number | null;
  /** The share of those calls that failed, 0 to 1. */
  errorRate: number;
  /** The share of its rate limit still free, 0 to 1, if the provider says. */
  rateLimitHeadroom: number | null;
}

/** The models a router may choose from. */
export const models: {
  /** The names of all models the configuration declares or refers to, in order of name. */
  names(): string[];
  /** What a model is; null when there is none of that name. */
  info(name: string): ModelInfo | null;
  /** How a model does; null when there is none of that name. */
  live(name: string): LiveState | null;
  /** What every model is, in order of name. One host call for each. */
  all(): ModelInfo[];
};

/** What may still be spent. */
export const budget: {
  /** The tightest limit of one scope (the project's by default): US dollars left, and the share used, 0 to 1; null when it has none. */
  remaining(scope?: "project" | "user" | "global"): { remainingUsd: number; usedRatio: number } | null;
};

/** How busy the host is. */
export const load: {
  /** Requests under way, plugin calls waiting, and the share of the processors in use (0 to 1; null where it is not known). */
  current(): { inFlight: number; queued: number; cpu: number | null };
};

/** The plugin's voice in the host's log: a line has at most 2 KiB, a call 64 lines. `console` does the same. */
export const log: {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
};

/** The time. `Date` and `performance.now()` work too. */
export const clock: {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Nanoseconds since some moment before the plugin was loaded; never goes back. */
  monotonicNs(): number;
};

/** How long a value is kept, in milliseconds; without it, until the host restarts. */
export interface Lifetime {
  ttlMs?: number;
}

/**
 * A small memory of the plugin's own, shared by all its calls on this host and lost at a restart. Variables are not that: by default
 * every call begins in a fresh instance. Keys have 1 to 256 bytes, values at most 64 KiB, all together 1 MiB.
 */
export const kv: {
  /** The value at a key as text; null when there is none or its time is up. */
  get(key: string): string | null;
  /** The value at a key as bytes. */
  getBytes(key: string): Uint8Array | null;
  /** Keeps a value. @throws KvError */
  set(key: string, value: string | Uint8Array, options?: Lifetime): void;
  /** Forgets a value. @throws KvError */
  delete(key: string): void;
  /** Adds to a counter (1 by default) in one step and returns its new value. A key that is not there counts from 0. @throws KvError */
  increment(key: string, by?: number, options?: Lifetime): number;
};

/** How to ask a model. What is left out is the model's own default. */
export interface LlmOptions {
  /** Sampling temperature, 0 to 2. */
  temperature?: number;
  /** Bound on the answer's tokens, at least 1. */
  maxOutputTokens?: number;
  /** How much the model should think. */
  reasoning?: ReasoningLevel;
  /** A JSON schema that the answer is to follow. */
  responseSchema?: object;
}

/**
 * Asks another model. A plugin that imports this is only loaded where it has the grant `llm`. A call is charged to the request
 * being decided about, and never enters routing again.
 */
export const llm: {
  /** Asks a model: a prompt, or messages whose roles are `system`, `user` and `assistant`. @throws LlmError */
  complete(model: string, prompt: string | { role: string; text: string }[], options?: LlmOptions): { text: string; usage: TokenUsage | null };
  /** Embeds texts; one vector for each, in order. @throws LlmError */
  embed(model: string, texts: string[]): number[][];
};

// ------------------------------------------------------------------------------------------------------------- errors

/**
 * Whatever a plugin throws, the host does what its `on_error` says, and the log has the message with the author's file and line.
 * These two say what kind of failure it is.
 */
export class InvalidInput extends Error {}

/** The settings make no sense: say what to change. */
export class InvalidConfig extends Error {}

/** The host did not keep a value. */
export class KvError extends Error {
  readonly code: "quota-exceeded" | "too-large" | "not-a-counter" | "read-only";
}

/** There is no answer of a model. */
export class LlmError extends Error {
  readonly code: "unknown-model" | "budget-exceeded" | "timed-out" | "failed";
}

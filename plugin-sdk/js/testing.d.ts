/**
 * A played host, for unit tests under plain Node.js: the plugin's functions run as the host runs them, with the same checks of what
 * they return. Limits and deadlines are the real host's: `jackfield plugin test` runs the component itself.
 */
import type { Delta, Info, LiveState, Message, ModelInfo, Request, Response, Target, TokenUsage, ToolCall } from "./index.js";

/** What a plugin's module exports. */
export interface PluginModule {
  route?: unknown;
  validate?: unknown;
  Stream?: unknown;
  settings?: unknown;
  checkConfig?: unknown;
  info?: unknown;
}

/** What the host knows of a model; `live` is how it does. What is left out is not known. */
export type PlayedModel = Partial<Omit<ModelInfo, "name">> & { live?: Partial<LiveState> };

/** What is so when the plugin is asked. */
export interface Scene {
  /** The text of the last user message. */
  prompt?: string;
  /** Standing instructions. */
  system?: string;
  /** The conversation, in place of `system` and `prompt`. */
  messages?: (Partial<Message> & { role: string; text: string })[];
  /** Anything else of the request's fields. */
  request?: Partial<Omit<Request, "prompt" | "systemText" | "body" | "contains" | "message" | "messages" | "header" | "label" | "bodyValue">>;
  /** The request's body, in place of one made of the messages. */
  body?: object;
  /** The request's headers. */
  headers?: Record<string, string>;
  /** The answer that is judged: its text, or more. */
  response?: string | (Partial<Pick<Response, "text" | "model" | "attempt" | "finish">> & { toolCalls?: ToolCall[]; usage?: TokenUsage; body?: object });
  /** The models, in any order. */
  models?: Record<string, PlayedModel>;
  /** Limits, and what is left of them. */
  budget?: Partial<Record<"project" | "user" | "global", { remainingUsd: number; usedRatio: number }>>;
  /** How busy the host is. */
  load?: { inFlight?: number; queued?: number; cpu?: number | null };
  /** The plugin's `config:`. */
  config?: object;
  /** Milliseconds since the Unix epoch; time stands still. */
  nowMs?: number;
  /** Plays every model that is asked. */
  llm?: (model: string, messages: { role: string; text: string }[]) => string;
}

/** What a router decided. */
export interface Routed {
  /** The names of the models it routes to, best first; absent when it decided otherwise. */
  route?: string[];
  /** The same with what they change. */
  targets?: Target[];
  /** It has no opinion. */
  abstain?: true;
  /** It refused, with this class. */
  reject?: { class: string; message: string };
  /** It answered. */
  respond?: string;
  reason: string;
  labels: Record<string, string>;
}

/** What a validator found. */
export interface Judged {
  verdict: "accept" | "reject" | "repair" | "replace";
  /** Of a repair. */
  instruction?: string;
  /** Of a replacement. */
  text?: string;
  /** Those of a rejection first. */
  issues: string[];
  score: number | null;
  labels: Record<string, string>;
}

/** A played host. Its key-value memory lasts from call to call. */
export class Host {
  constructor(scene?: Scene);
  /** The lines logged so far. */
  readonly logged: { level: string; line: string }[];
  /** Loads the plugin: checks its settings. @throws Error what the host would refuse it for */
  load(plugin: PluginModule): Required<Info>;
  /** Asks its `route`. @throws Error the plugin failed */
  route(plugin: PluginModule, scene?: Scene): Routed;
  /** Asks its `validate`. @throws Error the plugin failed */
  validate(plugin: PluginModule, scene?: Scene): Judged;
  /** Streams an answer through its `Stream`, a piece each; texts may be given as such. Returns what is delivered. @throws Error it is refused, or the plugin failed */
  stream(plugin: PluginModule, deltas: (string | Delta)[], scene?: Scene): string;
}

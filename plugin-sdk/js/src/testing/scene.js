// From what a test says is so to what the played host answers: everything that was left out, filled in.

import { keys } from "../check.js";
import { length } from "../utf8.js";

const KNOWN = ["prompt", "system", "messages", "request", "body", "headers", "response", "models", "budget", "load", "config", "nowMs", "llm"];

/** A whole scene. */
export function staged(given) {
  keys(given, "the scene of a test", KNOWN);
  const messages = (given.messages ?? [
    ...(given.system === undefined ? [] : [{ role: "system", text: given.system }]),
    { role: "user", text: given.prompt ?? "" },
  ]).map((message) => ({ hasImage: false, ...message }));
  const body = given.body ?? { messages: messages.map(({ role, text }) => ({ role, content: text })) };
  const request = {
    requestId: "test",
    task: null,
    requestedModel: null,
    project: null,
    user: null,
    streaming: false,
    messageCount: messages.length,
    estimatedInputTokens: messages.reduce((sum, { text }) => sum + Math.ceil(length(text) / 4), 0),
    maxOutputTokens: null,
    hasTools: false,
    hasImages: messages.some((message) => message.hasImage),
    hasResponseSchema: false,
    labels: [],
    ...given.request,
  };
  const headers = Object.fromEntries(Object.entries(given.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    messages,
    body,
    request,
    headers,
    response: answered(given.response ?? ""),
    models: Object.fromEntries(Object.entries(given.models ?? {}).map(([name, model]) => [name, known(name, model)])),
    budget: given.budget ?? {},
    load: { inFlight: 0, queued: 0, cpu: null, ...given.load },
    config: given.config ?? {},
    nowMs: given.nowMs ?? 1_700_000_000_000,
    llm: given.llm,
  };
}

function answered(given) {
  const { text, ...more } = typeof given === "string" ? { text: given } : given;
  const said = text ?? "";
  const body = { choices: [{ message: { role: "assistant", content: said } }] };
  return { text: said, model: "model", attempt: 1, finish: "stop", toolCalls: [], usage: null, body, ...more };
}

function known(name, { live, ...info }) {
  const unknown = { contextWindow: null, maxOutputTokens: null, inputUsdPerMtok: null, outputUsdPerMtok: null };
  const idle = { healthy: true, inFlight: 0, p50Ms: null, p95Ms: null, firstTokenP50Ms: null, errorRate: 0, rateLimitHeadroom: null };
  return { info: { name, provider: "provider", ...unknown, tags: [], capabilities: [], ...info }, live: { ...idle, ...live } };
}

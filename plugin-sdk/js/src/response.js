// The answer being judged: its summary as fields, its texts when asked for. What was copied once is kept.

import { response as host } from "#host/response";
import { text } from "./check.js";

const TEXT = Symbol("text");
const BODY = Symbol("body");

export class Response {
  get text() {
    return (this[TEXT] ??= host.text());
  }
  get body() {
    return (this[BODY] ??= host.body());
  }
  json() {
    return JSON.parse(this.text);
  }
  bodyValue(pointer = "") {
    const json = host.bodyPointer(text(pointer, "a JSON pointer"));
    return json == null ? undefined : JSON.parse(json);
  }
  toolCalls() {
    return host.toolCalls();
  }
  usage() {
    return host.usage() ?? null;
  }
}

/** The summary, which the host made for this call, becomes the response: nothing is copied. */
export const asResponse = (summary) => Object.setPrototypeOf(summary, Response.prototype);

// The request being decided about: its summary as fields, its texts when asked for. What was copied once is kept.

import { request as host } from "#host/request";
import { text, whole } from "./check.js";

const PROMPT = Symbol("prompt");
const SYSTEM = Symbol("systemText");
const BODY = Symbol("body");

export class Request {
  get prompt() {
    return (this[PROMPT] ??= host.lastUserText());
  }
  get systemText() {
    return (this[SYSTEM] ??= host.systemText());
  }
  get body() {
    return (this[BODY] ??= host.body());
  }
  contains(needle) {
    return host.contains(text(needle, "what request.contains looks for"));
  }
  message(index) {
    return host.messageAt(whole(index, "the index of a message", 0, 0xffffffff)) ?? null;
  }
  messages() {
    return host.messages();
  }
  header(name) {
    return host.header(text(name, "the name of a header").toLowerCase()) ?? null;
  }
  label(name) {
    return host.labelValue(text(name, "the name of a label")) ?? null;
  }
  bodyValue(pointer = "") {
    const json = host.bodyPointer(text(pointer, "a JSON pointer"));
    return json == null ? undefined : JSON.parse(json);
  }
}

/** The summary, which the host made for this call, becomes the request: nothing is copied. */
export const asRequest = (summary) => Object.setPrototypeOf(summary, Request.prototype);

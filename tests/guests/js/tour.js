// One branch a task, so that every interface, every kind of decision and every failure of the contract is
// met once in JavaScript: a clash of names or a wrong lowering shows as a wrong answer.
//
// The same tour, with the same answers, is in ../python/tour.py and ../rust-bench/src/tour.rs;
// tests/tests/all/guests.rs compares them, and tests/benches/plugins.rs times some branches.

import budget from "jackfield:plugin/budget@1.0.0";
import clock from "jackfield:plugin/clock@1.0.0";
import config from "jackfield:plugin/config@1.0.0";
import kv from "jackfield:plugin/kv@1.0.0";
import load from "jackfield:plugin/load@1.0.0";
import log from "jackfield:plugin/log@1.0.0";
import models from "jackfield:plugin/models@1.0.0";
import host from "jackfield:plugin/request@1.0.0";

import { answer, toModel } from "./answer.js";

/** How often the task `calls` calls the host; the bench divides by it. */
const CALLS = 1000;

const chosen = (reason) => answer(toModel("fast-model"), reason);
const yes = (condition) => (condition ? "yes" : "no");
const or = (value, none) => (value === null || value === undefined ? none : value);

/** The name of the error that a call of the store ends with: errors of WIT are thrown, as the `payload` of an `Error`. */
function refusal(call) {
  try {
    call();
    return "none";
  } catch (error) {
    return error.payload;
  }
}

/** What each function of `request` says. */
function readRequest() {
  const first = host.messageAt(0);
  return [
    `contains=${yes(host.contains("tour"))},${yes(host.contains("detour"))}`,
    `prompt=${[...host.lastUserText()].length}`,
    `system=${host.systemText()}`,
    `first=${first.role},${first.text},${yes(first.hasImage)}`,
    `beyond=${or(host.messageAt(9), "none")}`,
    `messages=${host.messages().map((message) => message.role).join(",")}`,
    `header=${or(host.header("x-tour"), "none")},${or(host.header("authorization"), "none")}`,
    `label=${or(host.labelValue("none-gave-it"), "none")}`,
    `body=${yes(host.body().startsWith("{"))}`,
    `pointer=${host.bodyPointer("/messages/0/role")},${or(host.bodyPointer("/nowhere"), "none")}`,
  ];
}

/** What `models`, `load` and `budget` say. */
function readHost() {
  const info = models.info("fast-model");
  const live = models.live("fast-model");
  const state = load.current();
  return [
    `names=${models.names().join(",")}`,
    `info=${info.name},${info.provider},${info.contextWindow},${info.inputUsdPerMtok * 100},${info.tags.join("+")}`,
    `unknown=${or(models.info("no-such-model"), "none")},${or(models.live("no-such-model"), "none")}`,
    `live=${yes(live.healthy)},${live.inFlight},${yes(live.errorRate === 0)}`,
    `load=${yes(state.inFlight >= 1)},${state.queued},${yes(or(state.cpu, 0) <= 1)}`,
    `budget=${["project", "user", "global"].map((scope) => yes(budget.remaining(scope) === null)).join(",")}`,
  ];
}

/** What `kv` keeps, and what it refuses. */
function useStore() {
  const text = (bytes) => String.fromCharCode(...bytes);
  kv.delete("word");
  kv.delete("count");
  const before = or(kv.get("word"), "none");
  kv.set("word", new Uint8Array([107, 101, 112, 116]), null);
  const kept = text(kv.get("word"));
  kv.increment("count", 5, 60000);
  const count = kv.increment("count", -12, 60000);
  return [
    `kv=${before},${kept},${count},${text(kv.get("count"))}`,
    `refused=${refusal(() => kv.increment("word", 1, null))},${refusal(() => kv.set("", new Uint8Array(0), null))}`,
  ];
}

/** What `config`, `clock` and `log` do. */
function readSelf() {
  const earlier = clock.monotonicNs();
  log.write("info", "the tour passed here: é😀");
  return [
    `config=${config.get()}`,
    `clock=${yes(clock.nowMs() > 1600000000000)},${yes(clock.monotonicNs() >= earlier)}`,
  ];
}

export const tour = {
  probe: () => chosen([...readRequest(), ...readHost(), ...useStore(), ...readSelf()].join("; ")),
  refuse: () => answer({ tag: "reject", val: { class: "forbidden", message: "not on the tour" } }, "refused"),
  respond: () => answer({ tag: "respond", val: "the tour answers é😀" }, "answered"),
  override: () => {
    const changes = { temperature: 0.5, maxOutputTokens: 64, reasoning: "low", promptTemplate: "In short: ${input}" };
    return answer(toModel("smart-model", changes), "changed", [["tour", "js"]]);
  },
  fail: () => {
    throw { tag: "invalid-input", val: "the tour fails" };
  },
  unread: (request) => chosen(`${request.messageCount} messages, tools: ${yes(request.hasTools)}`),
  text: () => chosen(`found: ${yes(host.lastUserText().includes("tour"))}`),
  calls: () => {
    for (let i = 0; i < CALLS; i += 1) clock.monotonicNs();
    return chosen(`called ${CALLS} times`);
  },
};

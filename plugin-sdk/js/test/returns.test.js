// What a plugin returns, throws and is told, through the code that stands between it and the host.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as jackfield from "jackfield";
import { Host } from "jackfield/testing";

const { abstain, accept, hold, kv, llm, log, reject, release, repair, replace, respond } = jackfield;
const none = { temperature: null, maxOutputTokens: null, reasoning: null, promptTemplate: null };

const decisions = [
  ["fast", { route: ["fast"] }],
  [["a", { model: "b", temperature: 0.5 }], { route: ["a", "b"], targets: [{ ...none, model: "a" }, { ...none, model: "b", temperature: 0.5 }] }],
  [[], { abstain: true }],
  [null, { abstain: true }],
  [undefined, { abstain: true }],
  [{ model: "a", maxOutputTokens: 9, reasoning: "low", reason: "why" }, { targets: [{ ...none, model: "a", maxOutputTokens: 9, reasoning: "low" }], reason: "why" }],
  [{ models: ["a", "b"], labels: { n: 1, yes: true, t: "x" } }, { route: ["a", "b"], labels: { n: "1", yes: "true", t: "x" } }],
  [{ model: "a", labels: [["n", "x"]] }, { labels: { n: "x" } }],
  [abstain("nothing to say"), { abstain: true, reason: "nothing to say" }],
  [reject("no"), { reject: { class: "forbidden", message: "no" } }],
  [reject("no", { class: "rate-limited", reason: "often" }), { reject: { class: "rate-limited", message: "no" }, reason: "often" }],
  [respond("42"), { respond: "42" }],
];

const wrong = [
  [5, "route must return a model's name, a list, an object or null, not a number"],
  [{ modle: "a" }, "a route has no `modle`; did you mean `model`?"],
  [{ reason: "why" }, "a route names a `model` or `models`; null is no opinion"],
  [{ model: 5 }, "`model` must be a text, not a number"],
  [{ model: "a", temperature: "hot" }, '`temperature` must be a number, not "hot"'],
  [{ model: "a", maxOutputTokens: 0 }, "`maxOutputTokens` must be a whole number from 1 to 4294967295, not 0"],
  [{ model: "a", reasoning: "lots" }, '`reasoning` must be one of none, minimal, low, medium, high, not "lots"'],
  [{ model: "a", labels: { x: null } }, "the label `x` must be a text, not null"],
  [["a", 5], "a list of models has names and objects, not a number"],
  [reject("no", { class: "teapot" }), 'the `class` of a rejection must be one of invalid-request, forbidden, rate-limited, unavailable, not "teapot"'],
  [Promise.resolve("a"), "route returned a promise: leave out `async`; whatever the host is asked, it answers at once"],
];

for (const [returned, expected] of decisions) {
  test(`route may return ${JSON.stringify(returned)}`, () => {
    const routed = new Host().route({ route: () => returned });
    for (const key in expected) assert.deepEqual(routed[key], expected[key], key);
  });
}

for (const [returned, message] of wrong) {
  test(`route may not return ${JSON.stringify(returned)}`, () => {
    assert.throws(() => new Host().route({ route: () => returned }), (error) => error.message.startsWith(`internal: TypeError: ${message} (`));
  });
}

const verdicts = [
  [true, { verdict: "accept" }],
  [null, { verdict: "accept" }],
  [false, { verdict: "reject", issues: [] }],
  [accept({ score: 0.5, issues: ["so so"] }), { verdict: "accept", score: 0.5, issues: ["so so"] }],
  [reject("bad"), { verdict: "reject", issues: ["bad"] }],
  [reject(["bad", "worse"], { score: 0 }), { verdict: "reject", issues: ["bad", "worse"], score: 0 }],
  [repair("again", { labels: { n: "x" } }), { verdict: "repair", instruction: "again", labels: { n: "x" } }],
  [replace("other"), { verdict: "replace", text: "other" }],
];

for (const [returned, expected] of verdicts) {
  test(`validate may return ${JSON.stringify(returned)}`, () => {
    const judged = new Host({ response: "text" }).validate({ validate: () => returned });
    for (const key in expected) assert.deepEqual(judged[key], expected[key], key);
  });
}

for (const returned of [undefined, "bad", 1, {}, { accept: true, reject: "x" }, { accept: true, scor: 1 }]) {
  test(`validate may not return ${JSON.stringify(returned)}`, () => {
    assert.throws(() => new Host().validate({ validate: () => returned }), /internal: TypeError/);
  });
}

test("errors keep their kind and tell the author's file and line", () => {
  const fails = (error) => () => new Host().route({ route: () => { throw error; } });
  assert.throws(fails(new jackfield.InvalidInput("odd")), { message: "invalid-input: odd" });
  assert.throws(fails(new jackfield.InvalidConfig("odd")), { message: "invalid-config: odd" });
  assert.throws(fails(new Error("odd")), /^Error: internal: odd \(.*returns\.test\.js:\d+\)$/);
  assert.throws(fails("odd"), { message: "internal: odd" });
});

test("settings are the defaults with what is given in their place", () => {
  const settings = { word: "x", n: 1, on: true, list: ["a"], any: null, nested: { deep: 1 }, free: {} };
  const seen = (config) => {
    let got;
    const plugin = { settings, route: (_, given) => void (got = given) };
    new Host({ config }).load(plugin);
    new Host({ config }).route(plugin);
    return got;
  };
  assert.deepEqual(seen({}), settings);
  assert.deepEqual(seen({ word: "y", nested: { deep: 2 }, free: { a: 1 }, any: [1], n: null }), { ...settings, word: "y", nested: { deep: 2 }, free: { a: 1 }, any: [1] });
  const refused = [
    [{ wrd: "y" }, "unknown key `wrd`; did you mean `word`?"],
    [{ zzzzzz: 1 }, "unknown key `zzzzzz`: there are word, n, on, list, any, nested, free"],
    [{ n: "1" }, "`n` must be a number, not a text"],
    [{ list: [1] }, "`list.0` must be a text, not a number"],
    [{ nested: { deeep: 1 } }, "unknown key `nested.deeep`; did you mean `nested.deep`?"],
    [{ nested: 1 }, "`nested` must be an object, not a number"],
    [[], "the settings must be an object, not a list"],
  ];
  for (const [config, message] of refused) assert.throws(() => seen(config), { message: `invalid-config: ${message}` });
  assert.throws(() => new Host({ config: { a: 1 } }).load({ settings: {} }), { message: "invalid-config: unknown key `a`: this plugin takes no settings" });
});

test("a plugin's own check of its settings is run at load", () => {
  const plugin = { settings: { n: 1 }, info: { name: "p" }, checkConfig: ({ n }) => { if (n > 5) throw new Error("`n` is too much"); } };
  assert.deepEqual(new Host().load(plugin), { name: "p", version: "0.0.0", description: "" });
  assert.throws(() => new Host({ config: { n: 6 } }).load(plugin), /^Error: invalid-config: `n` is too much/);
});

test("the request and the response tell what is so", () => {
  const host = new Host({
    messages: [{ role: "system", text: "be brief" }, { role: "user", text: "über 😀" }],
    body: { tools: [{ "a/b": 1 }] },
    headers: { "X-Team": "red" },
    request: { task: "t", labels: [["l", "1"], ["l", "2"]] },
    response: { text: '{"a":[1]}', toolCalls: [{ id: "1", name: "f", arguments: "{}" }], model: "m" },
  });
  const seen = host.validate({
    validate: (request, response) => {
      assert.equal(request.prompt, "über 😀");
      assert.equal(request.systemText, "be brief");
      assert.equal(request.task, "t");
      assert.equal(request.messageCount, 2);
      assert.ok(request.contains("ber 😀") && !request.contains("x"));
      assert.equal(request.message(0).role, "system");
      assert.equal(request.message(2), null);
      assert.equal(request.header("x-TEAM"), "red");
      assert.equal(request.header("other"), null);
      assert.equal(request.label("l"), "2");
      assert.equal(request.bodyValue("/tools/0/a~1b"), 1);
      assert.equal(request.bodyValue("/tools/1"), undefined);
      assert.deepEqual(request.bodyValue(), { tools: [{ "a/b": 1 }] });
      assert.throws(() => request.contains(5), { message: "what request.contains looks for must be a text, not a number" });
      assert.equal(response.model, "m");
      assert.equal(response.textLength, 9);
      assert.deepEqual(response.json(), { a: [1] });
      assert.equal(response.toolCalls()[0].name, "f");
      assert.equal(response.usage(), null);
      return true;
    },
  });
  assert.equal(seen.verdict, "accept");
});

test("kv keeps, counts and refuses", () => {
  const host = new Host();
  const run = (call, scene) => {
    let got;
    host.route({ route: () => void (got = call()) }, scene);
    return got;
  };
  run(() => kv.set("word", "é😀"));
  assert.equal(run(() => kv.get("word")), "é😀");
  assert.deepEqual(run(() => kv.getBytes("word")), new Uint8Array([0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80]));
  assert.deepEqual(run(() => [kv.increment("n"), kv.increment("n", 5), kv.get("n")]), [1, 6, "6"]);
  run(() => kv.delete("word"));
  assert.equal(run(() => kv.get("word")), null);
  const refusal = (call) => run(() => { try { call(); } catch (error) { return error.code ?? error.message; } });
  run(() => kv.set("text", "t"));
  assert.equal(refusal(() => kv.increment("text")), "not-a-counter");
  assert.equal(refusal(() => kv.set("", "t")), "too-large");
  assert.equal(refusal(() => kv.set("a", 5)), "a value of kv must be a text or a Uint8Array, not a number");
  assert.equal(refusal(() => kv.increment("n", 0.5)), "what kv.increment adds must be a whole number from -9007199254740991 to 9007199254740991, not 0.5");
  run(() => kv.set("brief", "x", { ttlMs: 10 }), { nowMs: 1000 });
  assert.equal(run(() => kv.get("brief"), { nowMs: 1009 }), "x");
  assert.equal(run(() => kv.get("brief"), { nowMs: 1010 }), null);
});

test("a model that is asked is played by the test", () => {
  const host = new Host({ llm: (model, messages) => `${model}: ${messages.at(-1).text}` });
  assert.equal(host.route({ route: () => respond(llm.complete("m", "hi").text) }).respond, "m: hi");
  assert.throws(() => host.route({ route: () => llm.complete("m", "hi", { temprature: 1 }) }), /has no `temprature`; did you mean `temperature`\?/);
  assert.throws(() => new Host().route({ route: () => llm.complete("m", "hi") }), /LlmError: asking m: the provider failed: no model is played/);
});

test("a stream is held, released, replaced and refused", () => {
  class Stream {
    constructor(_request, { word }) {
      this.word = word;
      this.held = "";
    }
    push({ text }) {
      if (text === undefined) return hold();
      this.held += text;
      if (this.held.includes(this.word)) return reject(`it says ${this.word}`);
      const safe = this.held.slice(0, Math.max(0, this.held.length - this.word.length + 1));
      this.held = this.held.slice(safe.length);
      return release(safe);
    }
    finish() {
      return release();
    }
  }
  const host = new Host();
  const plugin = { Stream, settings: { word: "böse" } };
  assert.equal(host.stream(plugin, ["das ist ", "gut 😀", { choice: 0, finish: "stop" }]), "das ist gut 😀");
  assert.throws(() => host.stream(plugin, ["das ist b", "öse"]), { message: "the stream is refused: it says böse" });
  assert.equal(host.stream({ Stream: class { push() {} } }, ["a", "b"]), "ab");
  assert.equal(host.stream({ Stream: class { push() {} finish() { return replace("c"); } } }, ["a", "b"]), "c");
  assert.throws(() => host.stream({ Stream: class { push() {} finish() {} } }, ["a"]), /1 bytes stay held/);
});

test("lines are kept, and nothing is asked outside of a call", () => {
  const host = new Host();
  host.route({ route: () => void log.warn("odd") });
  assert.deepEqual(host.logged, [{ level: "warn", line: "odd" }]);
  assert.throws(() => log.warn("odd"), /there is no host here/);
});

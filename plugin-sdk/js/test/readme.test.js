// The README's JavaScript runs as it stands.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";

import { Host } from "jackfield/testing";

const here = new URL(".", import.meta.url).pathname;
// Inside of the package, so that its own name is found.
const folder = mkdtempSync(`${here}readme-`);
after(() => rmSync(folder, { recursive: true }));

const readme = readFileSync(`${here}../README.md`, "utf8");
const blocks = [...readme.matchAll(/^```js\n(.*?)^```/gms)].map((match) => match[1]);
const block = async (word, name = "plugin.js") => {
  const found = blocks.filter((text) => text.includes(word));
  assert.equal(found.length, 1, word);
  writeFileSync(`${folder}/${name}`, found[0]);
  return import(`${folder}/${name}?${word}`);
};

test("the first rule", async () => {
  const plugin = await block("=> request.contains");
  assert.deepEqual(new Host({ prompt: "urgent" }).route(plugin).route, ["fast-model"]);
  assert.equal(new Host().route(plugin).abstain, true);
  // A test within a test runs on its own and fails by itself.
  await block("node:test", "plugin.test.js");
});

test("the check of streams", async () => {
  const plugin = await block("class Stream");
  assert.equal(new Host().stream(plugin, ["one ", "tw", "o"]), "one two");
  assert.throws(() => new Host().stream(plugin, ["one sec", "ret "]), /it tells the secret/);
});

test("the cheapest model", async () => {
  const plugin = await block("models.all()");
  const host = new Host({ models: { dear: { inputUsdPerMtok: 2 }, cheap: { inputUsdPerMtok: 1 } } });
  assert.deepEqual(host.route(plugin).route, ["cheap"]);
  assert.equal(host.route(plugin).reason, "request 2");
});

test("the versions it names are the pinned ones", () => {
  const { devDependencies } = JSON.parse(readFileSync(`${here}../tools/package.json`, "utf8"));
  for (const name of ["esbuild", "componentize-qjs"]) assert.ok(readme.includes(`${name}@${devDependencies[name]}`), name);
});

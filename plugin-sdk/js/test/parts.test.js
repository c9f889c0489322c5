// The parts that the component's runtime lacks, against Node.js's own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { place } from "../src/places.js";
import { decode, encode, length } from "../src/utf8.js";

test("UTF-8 is what Node.js says it is", () => {
  const texts = ["", "abc", "é", "€", "😀", "a\u0000b", "\ud800", "x\udc00y", "\ud83d", "\uffff", "ÿ😀".repeat(50)];
  for (const text of texts) {
    const bytes = new TextEncoder().encode(text);
    assert.deepEqual(encode(text), bytes, JSON.stringify(text));
    assert.equal(length(text), bytes.length, JSON.stringify(text));
    assert.equal(decode(bytes), new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), JSON.stringify(text));
  }
});

test("sound UTF-8 comes back, and broken UTF-8 never breaks the reader", () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
  for (let run = 0; run < 2000; run += 1) {
    const bytes = Uint8Array.from({ length: random(12) }, () => (random(2) ? random(256) : [0xf0, 0x9f, 0x98, 0x80, 0xe2, 0xc3, 0xed, 0xa0][random(8)]));
    const decoded = decode(bytes);
    let sound = true;
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      sound = false;
    }
    if (sound) assert.deepEqual(encode(decoded), bytes);
    else assert.ok(decoded.includes("\ufffd"), `${bytes}`);
  }
});

test("a place is found in the table, and frames of others are passed over", () => {
  globalThis.jackfieldPlaces = { sources: ["plugin.ts", "lib/x.ts"], lines: "\n0,,;4,0,7;20,1,3\n0,1,9" };
  const at = (...places) => place(places.map(([line, column]) => `    at f (/plugin.js:${line}:${column})\n`).join(""));
  assert.equal(at([2, 5]), "plugin.ts:7");
  assert.equal(at([2, 20]), "plugin.ts:7");
  assert.equal(at([2, 21]), "lib/x.ts:3");
  assert.equal(at([2, 1], [3, 1]), "lib/x.ts:9");
  assert.equal(at([1, 1]), undefined);
  assert.equal(at([2, 1], [99, 1]), undefined);
  delete globalThis.jackfieldPlaces;
});

// Prompts that say they are urgent go to a fast model, all others to a smart one.

import type { Route } from "jackfield";

/** The plugin's `config:`; every key may be left out, and no other is known. */
export const settings = { keyword: "urgent", model: "fast-model", otherwise: "smart-model" };

export const info = { description: "Sends prompts with a keyword to a fast model" };

export const route: Route<typeof settings> = (request, { keyword, model, otherwise }) =>
  request.contains(keyword)
    ? { model, reason: `the prompt contains \`${keyword}\`` }
    : { model: otherwise, reason: `the prompt does not contain \`${keyword}\`` };

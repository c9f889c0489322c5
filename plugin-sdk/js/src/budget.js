// What may still be spent.

import { budget as host } from "#host/budget";
import { word } from "./check.js";

export const budget = {
  remaining(scope = "project") {
    return host.remaining(word(scope, "the scope of budget.remaining", ["project", "user", "global"])) ?? null;
  },
};

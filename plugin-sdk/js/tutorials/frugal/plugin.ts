// The cheapest model that is well. When little of the budget is left, only those that are marked `cheap`.

import { budget, kv, models, type Route } from "jackfield";

/** The plugin's `config:`; without `models`, all that the host knows. */
export const settings = { models: [] as string[] };

export const info = { description: "Takes the cheapest healthy model, and only cheap ones when the budget runs out" };

/** Less than a fifth is left. */
const SHORT = 0.8;

export const route: Route<typeof settings> = (_request, config) => {
  const left = budget.remaining("project");
  const short = left !== null && left.usedRatio > SHORT;
  const names = config.models.length > 0 ? config.models : models.names();

  const [cheapest] = names
    .flatMap((name) => {
      const known = models.info(name);
      const price = known?.inputUsdPerMtok ?? null;
      const fits = known !== null && (!short || known.tags.includes("cheap")) && models.live(name)?.healthy;
      return fits && price !== null ? [{ name, price }] : [];
    })
    .sort((a, b) => a.price - b.price || (a.name < b.name ? -1 : 1));

  const labels = { frugal: short ? "yes" : "no" };
  if (cheapest === undefined) return { model: null, reason: "no model is cheap and healthy", labels };
  const { name, price } = cheapest;
  const decided = kv.increment("decided");
  return { model: name, reason: `request ${decided}: ${name} at $${price.toFixed(2)} per million`, labels };
};

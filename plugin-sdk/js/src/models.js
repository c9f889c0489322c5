// The models a router may choose from.

import { models as host } from "#host/models";
import { text } from "./check.js";

export const models = {
  names: () => host.names(),
  info: (name) => host.info(text(name, "the name of a model")) ?? null,
  live: (name) => host.live(text(name, "the name of a model")) ?? null,
  all: () => host.names().map((name) => host.info(name)).filter((info) => info),
};

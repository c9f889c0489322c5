// The time, as the host has it.

import { clock as host } from "#host/clock";

export const clock = {
  nowMs: () => host.nowMs(),
  monotonicNs: () => host.monotonicNs(),
};

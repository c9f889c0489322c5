// How busy the host is.

import { load as host } from "#host/load";

export const load = {
  current: () => host.current(),
};

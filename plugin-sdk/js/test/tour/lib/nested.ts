// A file of its own, so that an error's place is not the entry's.

import { kv, type Request } from "jackfield";

export function nested(request: Request): string {
  const key: number = request.messageCount;
  return kv.get(key as unknown as string) ?? "none";
}

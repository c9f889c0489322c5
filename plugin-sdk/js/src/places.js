// Where in the author's own files an error began. `plugin build` puts the table at the end of the bundle: one line for
// each line of the bundle, of segments `column,source,line`, the source an index into the list in front.

/** The first place of a stack in the author's files, as `file:line`; undefined when there is none. */
export function place(stack) {
  const table = globalThis.jackfieldPlaces;
  if (typeof stack !== "string") return undefined;
  if (table === undefined) return stack.match(/(?:file:\/\/)?([^\s()]+:\d+):\d+\)?$/m)?.[1];
  const lines = table.lines.split("\n");
  for (const [, line, column] of stack.matchAll(/:(\d+):(\d+)\)?$/gm)) {
    let found;
    for (const segment of (lines[line - 1] ?? "").split(";")) {
      const [from, source, at] = segment.split(",");
      if (segment === "" || Number(from) >= Number(column)) break;
      found = source === "" ? undefined : `${table.sources[source]}:${at}`;
    }
    if (found) return found;
  }
  return undefined;
}

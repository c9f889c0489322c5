/** What a component has of a browser's and Node.js's globals; for `"types": ["jackfield/globals"]` in tsconfig.json. */

interface JackfieldConsole {
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
}

/** Speaks in the host's log, as `log` of "jackfield" does. */
declare const console: JackfieldConsole;

/** Milliseconds since some moment before the plugin was loaded. */
declare const performance: { now(): number };

/** Text to UTF-8. */
declare class TextEncoder {
  encode(text?: string): Uint8Array;
}

/** UTF-8 to text; there is no other encoding. */
declare class TextDecoder {
  constructor(label?: "utf-8" | "utf8");
  decode(bytes?: ArrayBuffer | Uint8Array): string;
}

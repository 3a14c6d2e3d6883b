/** The simple kinds of value in pgmoneta's configuration files. */
import { exactBytes, exactSeconds, readBytes, readSeconds } from "./quantities.ts";
import type { Parsed, ValueKind } from "./option.ts";

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function notParsed<T>(reason?: string): Parsed<T> {
  return reason === undefined ? { ok: false } : { ok: false, reason };
}

/** Any text that is not empty. */
export const text: ValueKind<string> = {
  name: "string",
  expected: "a text that is not empty",
  parse: (input) => (input === "" ? notParsed() : parsed(input)),
  format: (value) => value,
};

/** A text of which it is better known what it is; `what` completes "expected …". */
export function named(what: string): ValueKind<string> {
  return { ...text, expected: what };
}

/** A file or directory. Relative ones are made absolute by the loader. */
export const path: ValueKind<string> = {
  name: "path",
  expected: "a path",
  parse: (input) =>
    input === "" ? notParsed() : input.includes("\0") ? notParsed("a path without zero bytes") : parsed(input),
  format: (value) => value,
};

const truths = new Map([
  ...["true", "on", "yes", "1"].map((word) => [word, true] as const),
  ...["false", "off", "no", "0"].map((word) => [word, false] as const),
]);

/** pgmoneta's spellings of a truth value. */
export const boolean: ValueKind<boolean> = {
  name: "bool",
  expected: "on, off, true, false, yes, no, 1 or 0",
  parse: (input) => {
    const value = truths.get(input.toLowerCase());
    return value === undefined ? notParsed() : parsed(value);
  },
  format: (value) => (value ? "on" : "off"),
};

/** A whole decimal number within bounds; nothing is clamped or cut to 32 bits. */
export function integer(minimum: number, maximum: number, expected?: string): ValueKind<number> {
  return {
    name: "int",
    expected: expected ?? `a whole number from ${minimum} to ${maximum}`,
    parse: (input) => {
      if (!/^[+-]?\d{1,16}$/.test(input)) return notParsed();
      const value = Number(input);
      return value >= minimum && value <= maximum ? parsed(value) : notParsed();
    },
    format: String,
  };
}

/** A TCP port on which the daemon listens; 0 is off. */
export const listeningPort: ValueKind<number> = integer(0, 65535, "a port from 1 to 65535, or 0 for off");

/** A TCP port to connect to. */
export const remotePort: ValueKind<number> = integer(1, 65535, "a port from 1 to 65535");

/** Whole seconds with pgmoneta's units. */
export const duration: ValueKind<number> = {
  name: "duration",
  expected: "a number of seconds, or a number followed by s, m, h, d or w",
  parse: (input) => {
    const value = readSeconds(input);
    return value === undefined ? notParsed() : parsed(value);
  },
  format: exactSeconds,
};

/** Two of these together fit into a timer of Node, which takes 2^31 - 1 milliseconds for one and a longer time for none. */
const longestTimeLimit = 12 * 86_400;

/** How long something may take; 0 where that means no limit. */
export const timeLimit: ValueKind<number> = {
  ...duration,
  expected: "a number of seconds, or a number followed by s, m, h, d or w, up to 12d",
  parse: (input) => {
    const value = readSeconds(input);
    return value === undefined || value > longestTimeLimit ? notParsed() : parsed(value);
  },
};

/** A time limit that must not be zero. */
export const positiveTimeLimit: ValueKind<number> = {
  ...timeLimit,
  expected: "a number of seconds above 0, or a number above 0 followed by s, m, h, d or w, up to 12d",
  parse: (input) => {
    const result = timeLimit.parse(input);
    return result.ok && result.value === 0 ? notParsed() : result;
  },
};

/** Seconds between two reports to a walsender, which may end a stream that is silent for longer (wal_sender_timeout). */
export const statusInterval: ValueKind<number> = {
  ...duration,
  expected: "1 to 10 seconds",
  parse: (input) => {
    const value = readSeconds(input);
    return value === undefined || value < 1 || value > 10 ? notParsed() : parsed(value);
  },
};

/** Bytes with pgmoneta's units, 1 K being 1024. */
export const byteSize: ValueKind<number> = {
  name: "bytes",
  expected: "a number of bytes, or a number followed by B, K, KB, M, MB, G or GB",
  parse: (input) => {
    const value = readBytes(input);
    return value === undefined ? notParsed() : parsed(value);
  },
  format: exactBytes,
};

/** One of a closed list of words; `aliases` are further spellings, all without regard to case. */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  aliases: Readonly<Record<string, Word>> = {},
): ValueKind<Word> {
  const known = new Map<string, Word>([...words.map((word) => [word, word] as const), ...Object.entries(aliases)]);
  const shown = [...known.keys()];
  return {
    name: "enum",
    expected: `${shown.slice(0, -1).join(", ")} or ${shown.at(-1) ?? ""}`,
    parse: (input) => {
      const word = known.get(input.toLowerCase());
      return word === undefined ? notParsed() : parsed(word);
    },
    format: (value) => value,
  };
}

/** A comma-separated list of words that are not empty. */
export function listOf<T>(item: ValueKind<T>): ValueKind<readonly T[]> {
  return {
    name: "list",
    expected: `a comma-separated list, each item ${item.expected}`,
    parse: (input) => {
      const values: T[] = [];
      for (const part of input.split(",")) {
        const result = item.parse(part.trim());
        if (!result.ok) return notParsed();
        values.push(result.value);
      }
      return parsed(values);
    },
    format: (values) => values.map((value) => item.format(value)).join(", "),
  };
}

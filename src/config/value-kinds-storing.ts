/** Kinds of value that say how backups are stored and kept: compression, encryption, engines, retention. */
import type { Parsed, ValueKind } from "./option.ts";
import { exactSeconds, readSeconds } from "./quantities.ts";
import { notParsed, parsed } from "./value-kinds.ts";
import type {
  CalendarChoice,
  CompressionChoice,
  EncryptionChoice,
  RetentionChoice,
  StorageEngine,
} from "./value-types.ts";

const methods: ReadonlyMap<string, CompressionChoice["method"]> = new Map([
  ["none", "none"],
  ["gzip", "gzip"],
  ["zstd", "zstd"],
  ["lz4", "lz4"],
  ["bz2", "bzip2"],
  ["bzip2", "bzip2"],
]);

/** pgmoneta's names; `bzip2`, which its manual has and its parser does not, means bzip2 here. */
export const compression: ValueKind<CompressionChoice> = {
  name: "enum",
  expected:
    "none, gzip, zstd, lz4, bz2, bzip2, client-gzip, client-zstd, client-lz4, client-bz2, client-bzip2, server-gzip, server-zstd or server-lz4",
  parse: (input) => {
    const match = /^(?:(client|server)-)?(\w+)$/.exec(input.toLowerCase());
    const method = methods.get(match?.[2] ?? "");
    if (method === undefined) return notParsed();
    const where = match?.[1] === "server" ? "server" : "client";
    if (match?.[1] !== undefined && method === "none") return notParsed();
    if (where === "server" && method === "bzip2")
      return notParsed("a method that PostgreSQL has: server-gzip, server-zstd or server-lz4");
    return parsed({ method, where });
  },
  format: ({ method, where }) => `${where === "server" ? "server-" : ""}${method === "bzip2" ? "bz2" : method}`,
};

const ciphers: ReadonlyMap<string, EncryptionChoice> = new Map([
  ["none", "none"],
  ...["aes", "aes-256", "aes-256-gcm"].map((word) => [word, "aes-256-gcm"] as const),
  ...["aes-192", "aes-192-gcm"].map((word) => [word, "aes-192-gcm"] as const),
  ...["aes-128", "aes-128-gcm"].map((word) => [word, "aes-128-gcm"] as const),
]);

/** AES-GCM only, as in pgmoneta since 0.21. */
export const encryption: ValueKind<EncryptionChoice> = {
  name: "enum",
  expected: "none, aes, aes-256, aes-256-gcm, aes-192, aes-192-gcm, aes-128 or aes-128-gcm",
  parse: (input) => {
    const cipher = ciphers.get(input.toLowerCase());
    return cipher === undefined ? notParsed() : parsed(cipher);
  },
  format: (value) => value,
};

const engines: readonly StorageEngine[] = ["local", "ssh", "s3", "azure"];

/** A list without repetition; an unknown name is an error, not dropped. */
export const storageEngines: ValueKind<readonly StorageEngine[]> = {
  name: "list",
  expected: "a comma-separated list of local, ssh, s3 and azure",
  parse: (input) => {
    const chosen = new Set<StorageEngine>();
    for (const word of input.split(",")) {
      const engine = engines.find((name) => name === word.trim().toLowerCase());
      if (engine === undefined || chosen.has(engine)) return notParsed();
      chosen.add(engine);
    }
    return parsed([...chosen]);
  },
  format: (value) => value.join(", "),
};

/** True for the spellings of a field that is not set: the manual's placeholders, zero, and blanks. */
function isUnset(field: string): boolean {
  return field === "" || field === "-" || field.toLowerCase() === "x" || /^0+$/.test(field);
}

/**
 * `D[, W[, M[, Y]]]`. Unlike pgmoneta's parser, which refuses the placeholders of its own manual and lets an
 * empty field shift the following ones, every field counts at its place.
 */
function readCalendar(input: string): Parsed<CalendarChoice> {
  const fields = input.split(",").map((field) => field.trim());
  if (fields.length > 4 || input.trim() === "") return notParsed();
  const numbers: (number | undefined)[] = [];
  for (const field of fields) {
    if (!isUnset(field) && !/^\d{1,9}$/.test(field)) return notParsed();
    numbers.push(isUnset(field) ? undefined : Number(field));
  }
  const [days, weeks, months, years] = numbers;
  if (Math.max(...numbers.map((number) => number ?? 0)) > mostPeriods) return notParsed(`numbers up to ${mostPeriods}`);
  if (months !== undefined && weeks !== undefined && weeks > 4)
    return notParsed("weeks from 1 to 4 when months are set");
  if (years !== undefined && months !== undefined && months > 12)
    return notParsed("months from 1 to 12 when years are set");
  return parsed({ kind: "calendar", days, weeks, months, years });
}

/** A century of days; no calendar goes on as far as the number of digits would. */
const mostPeriods = 36_525;
const longestWindow = mostPeriods * 86_400;
const mostCopies = 10_000;

/** How long backups are kept: pgmoneta's calendar, and two ways of ours. */
export const retention: ValueKind<RetentionChoice> = {
  name: "list",
  expected:
    "days[, weeks[, months[, years]]], each a whole number from 1 or one of -, x, X, 0 for not set; window:<duration>; or count:<copies>",
  parse: (input) => {
    const [, form, text = ""] = /^(window|count)\s*:\s*(.*)$/i.exec(input.trim()) ?? [];
    if (form === undefined) return readCalendar(input);
    if (form.toLowerCase() === "count") {
      const copies = /^\d{1,9}$/.test(text) ? Number(text) : 0;
      if (copies < 1 || copies > mostCopies) return notParsed(`count: with a number of copies from 1 to ${mostCopies}`);
      return parsed({ kind: "count", copies });
    }
    const seconds = readSeconds(text);
    if (seconds === undefined || seconds < 1 || seconds > longestWindow)
      return notParsed(
        "window: with a number of seconds above 0, or a number above 0 followed by s, m, h, d or w, at most a century",
      );
    return parsed({ kind: "window", seconds });
  },
  format: (choice) => {
    if (choice.kind === "count") return `count:${choice.copies}`;
    if (choice.kind === "window") return `window:${exactSeconds(choice.seconds)}`;
    return [choice.days, choice.weeks, choice.months, choice.years]
      .map((field) => field ?? "-")
      .join(", ")
      .replace(/(, -)+$/, "");
  },
};

/**
 * Secrets never reach a line. What a process learns as a secret (a password, a key, a pass phrase) it registers
 * here, and every text is cleaned of it before it is formatted; connection strings are cleaned by their form too,
 * because servers repeat them in messages.
 */
import { isOwnWord } from "./own-words.ts";
import type { LogFields, LogRecord } from "./logger.ts";

/** Stands where a secret was. */
export const redacted = "***";

/**
 * The shortest registered text that is taken out. A shorter one protects nothing, since it can be guessed at once,
 * and would tear ordinary words apart.
 */
const shortestSecret = 4;

/** How often each secret is registered: two servers may have the same password. */
const registrations = new Map<string, number>();
let patterns: readonly string[] = [];

/** The forms in which a secret can turn up: as it is, as a quoted SQL literal, in JSON, in a URI. */
function spellings(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  return [
    secret,
    secret.replaceAll("'", "''"),
    secret.replaceAll("\\", "\\\\").replaceAll("'", "\\'"),
    json,
    encodeURIComponent(secret),
  ];
}

/** Longest first, so that a secret within another one leaves no remainder of the longer behind. */
const patternsOf = (secrets: Iterable<string>): readonly string[] =>
  [...new Set([...secrets].flatMap(spellings))].toSorted((a, b) => b.length - a.length);

/** Whether the text is one that can be taken out: long enough, and no half of a character. */
const canBeTakenOut = (secret: string): boolean => secret.length >= shortestSecret && !/\p{Cs}/u.test(secret);

function refresh(): void {
  patterns = patternsOf(registrations.keys());
}

/**
 * Takes a text out of every later line of this process. Returns the function that forgets it again;
 * texts of fewer than four characters are not taken out.
 */
export function registerSecret(secret: string): () => void {
  if (!canBeTakenOut(secret)) return () => undefined;
  registrations.set(secret, (registrations.get(secret) ?? 0) + 1);
  refresh();
  let registered = true;
  return () => {
    if (!registered) return;
    registered = false;
    const left = (registrations.get(secret) ?? 1) - 1;
    if (left === 0) registrations.delete(secret);
    else registrations.set(secret, left);
    refresh();
  };
}

/** `password=…` of a connection string or option, and the password of a URI. */
const passwordAssignment = /(\bpass(?:word|phrase)?\s*=\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&]+)/gi;
const uriPassword = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]+:)[^\s@/]+(?=@)/gi;

function takeOut(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const pattern of secrets) {
    clean = clean.replaceAll(pattern, (found: string, at: number, text: string) =>
      isOwnWord(text, at, at + found.length) ? found : redacted,
    );
  }
  return clean;
}

/** The text without the registered secrets and without passwords in the form of connection strings. */
export function redact(text: string): string {
  return takeOut(text, patterns).replace(passwordAssignment, `$1${redacted}`).replace(uriPassword, `$1${redacted}`);
}

/** The same for these secrets besides the registered ones, which stay as they are: for a text that leaves the machine. */
export function createRedactor(secrets: Iterable<string>): (text: string) => string {
  const own = patternsOf([...secrets].filter(canBeTakenOut));
  return (text) => redact(takeOut(text, own));
}

/** The same for every text of a line. */
export function redactRecord(record: LogRecord): LogRecord {
  const fields: LogFields = Object.fromEntries(
    Object.entries(record.fields).map(([name, value]) => [name, typeof value === "string" ? redact(value) : value]),
  );
  return { ...record, message: redact(record.message), fields };
}

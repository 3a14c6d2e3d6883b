/**
 * Nothing secret leaves in a bundle. What is known as a secret is taken out wherever it stands and however it is spelled;
 * what has the form of one is taken out too, because a log repeats what servers and operators wrote.
 */
import { createRedactor, redacted } from "../log/index.ts";
import type { BundlePart } from "./part.ts";
import { secretForms } from "./secret-forms.ts";

/** The words by which keys of configurations, headers and options call a secret; at the end of the key. */
const secretWord = "(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key|access[-_]?key(?:[-_]?id)?|shared[-_]?key|private[-_]?key|credentials?)";
/** A value says where a secret is, or is none: `expected` begins what is said of a wrong one, which is never shown. */
const noSecret = "(?![\"']?(?:file|env):|\\*\\*\\*|null\\b|true\\b|false\\b|expected\\b)";

const secretKey = new RegExp(`(?:^|[\\w.-]*)${secretWord}$`, "i");

interface Rule {
  readonly name: string;
  readonly pattern: RegExp;
  readonly replacement: string;
}

/** Forms of secrets, in the order in which they are looked for. */
const rules: readonly Rule[] = [
  { name: "private keys", pattern: /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, replacement: redacted },
  // Where the lines before it went by, as at the beginning of the end of a log.
  { name: "the end of a private key", pattern: /^[^]*-----END [A-Z0-9 ]*PRIVATE KEY-----/, replacement: redacted },
  { name: "lines of base64", pattern: /^(?![0-9a-f]+$|[0-9A-F]+$)[A-Za-z0-9+/]{40,}={0,2}$/gm, replacement: redacted },
  { name: "headers of logins", pattern: /(\b(?:proxy-)?authorization\s*[:=]\s*["']?)(?!\*\*\*)(?:[A-Za-z]+ +)?[^\s"',;]+/gi, replacement: `$1${redacted}` },
  { name: "bearers", pattern: /(\bbearer\s+)(?!\*\*\*)[\w.~+/=-]{6,}/gi, replacement: `$1${redacted}` },
  {
    name: "assignments",
    pattern: new RegExp(`([\\w.-]{0,64}${secretWord}["']?[ \\t]*[:=][ \\t]*)${noSecret}("(?:[^"\\\\]|\\\\.)*"|'(?:[^'\\\\]|\\\\.)*'|[^\\s,;&"']+)`, "gi"),
    replacement: `$1${redacted}`,
  },
  { name: "options", pattern: new RegExp(`(--[\\w-]{0,64}${secretWord}[ =])${noSecret}("[^"]*"|'[^']*'|\\S+)`, "gi"), replacement: `$1${redacted}` },
  { name: "logins of addresses", pattern: /(\bhttps?:\/\/)[^\s/@"'<>]+@/gi, replacement: `$1${redacted}@` },
  { name: "addresses", pattern: /(\bhttps?:\/\/)([^\s/"'<>?#]+)[/?#][^\s"'<>]+/gi, replacement: `$1$2/${redacted}` },
  { name: "verifiers", pattern: /\bSCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+|\bmd5[0-9a-f]{32}\b/g, replacement: redacted },
  { name: "tokens", pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bxox[a-z]-[\w-]{8,}|\bgh[a-z]_\w{20,}/g, replacement: redacted },
];

/** The names of the rules, for the README and for the test that has an example of each. */
export const ruleNames: readonly string[] = rules.map(({ name }) => name);

export interface BundleRedactor {
  text(text: string): string;
  /** The same for JSON: every string by itself, so that it stays JSON; the value of a key that calls itself a secret goes whole. */
  json(text: string): string;
}

/** Nothing shorter is looked for, and most strings of a document are short. */
const shortestHidden = 4;

/** A string of JSON, with the colon that makes it a key, and the string that is its value. */
const jsonStrings = /("(?:[^"\\]|\\.)*")(?:(\s*:\s*)("(?:[^"\\]|\\.)*")?)?/g;

/** A redactor that knows these secrets, besides those that the process registered for its log. */
export function createBundleRedactor(secrets: Iterable<string>): BundleRedactor {
  const known = createRedactor(new Set([...secrets].flatMap(secretForms)));
  const text = (from: string): string => {
    let clean = known(from);
    for (const { pattern, replacement } of rules) clean = clean.replace(pattern, replacement);
    return clean;
  };
  const literal = (token: string): string => {
    let content: string;
    try {
      content = JSON.parse(token) as string;
    } catch {
      // No string of JSON after all: a text like others.
      return text(token);
    }
    if (content.length < shortestHidden) return token;
    const clean = text(content);
    return clean === content ? token : JSON.stringify(clean);
  };
  const json = (from: string): string =>
    from.replace(jsonStrings, (_, key: string, colon: string | undefined, value: string | undefined) => {
      if (colon === undefined) return literal(key);
      if (value === undefined) return `${literal(key)}${colon}`;
      return `${literal(key)}${colon}${isHidden(key.slice(1, -1), value.slice(1, -1)) ? JSON.stringify(redacted) : literal(value)}`;
    });
  return { text, json };
}

/** Whether the key calls its value a secret, and the value is one and does not say where it is. */
const isHidden = (key: string, value: string): boolean => secretKey.test(key) && value !== "" && !/^(?:file|env):/.test(value);

/** The part as it may leave. */
export function redactPart({ about, name, remark, text }: BundlePart, redactor: BundleRedactor): BundlePart {
  const clean = (part: string): string => (name.endsWith(".json") ? redactor.json(part) : redactor.text(part));
  return {
    name: redactor.text(name),
    about: redactor.text(about),
    text: text === undefined ? undefined : clean(text),
    remark: remark === undefined ? undefined : redactor.text(remark),
  };
}

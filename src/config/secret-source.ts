/**
 * Secrets that do not stand in the file themselves: `file:/path` is the content of a file, `env:NAME` a variable of the
 * environment. Only for keys whose values are secrets.
 */
import { readFileSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { messageOf } from "../common/index.ts";
import type { Parsed } from "./option.ts";

/** Whether the text says where the secret is, and is none itself: then it may be shown. */
export function namesSource(text: string): boolean {
  return text.startsWith("file:") || text.startsWith("env:");
}

const longestSecret = 65_536;

/** The secret that the text is or names. What is wrong never contains a secret. */
export function readSecret(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  userId: number,
): Parsed<string> {
  if (text.startsWith("env:")) {
    const name = text.slice("env:".length);
    const value = environment[name];
    return value === undefined || value === "" ? { ok: false, reason: `the environment variable ${name} to be set` } : { ok: true, value };
  }
  if (!text.startsWith("file:")) return { ok: true, value: text };
  const path = text.slice("file:".length);
  if (!isAbsolute(path)) return { ok: false, reason: `file: with an absolute path` };
  return secretOfFile(path, userId);
}

/** Readable by nobody else: 0600 of the own account, or at most 0640 of root. */
function secretOfFile(path: string, userId: number): Parsed<string> {
  const not = (reason: string): Parsed<string> => ({ ok: false, reason });
  try {
    const { mode, size, uid } = statSync(path);
    if (!((uid === userId && (mode & 0o077) === 0) || (uid === 0 && (mode & 0o037) === 0)))
      return not(`the file "${path}" to have mode 0600 and the account that runs the program, or at most 0640 and root`);
    if (size > longestSecret) return not(`the file "${path}" to have at most ${longestSecret} bytes`);
    const value = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path)).replace(/\r?\n$/, "");
    if (value === "" || value.includes("\0")) return not(`the file "${path}" to hold a secret in UTF-8`);
    return { ok: true, value };
  } catch (error) {
    return not(`the file "${path}" to be one that can be read (${messageOf(error)})`);
  }
}

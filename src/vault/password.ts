/** Rules for passwords and the making of new ones. */
import { randomInt } from "node:crypto";
import { vaultErrors } from "./errors.ts";

/** pgmoneta's limits: a longer password could not be read by it. */
const longestPassword = 8191;
export const longestGenerated = 1024;

/** Without quotes, backslash, space, `#`, `;`, `:` and `$`, so that a generated password survives any file and shell. */
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!%()*+,-./<=>?@[]^_{|}~";

/** Refuses what cannot be a password: nothing, too much, line ends and zero bytes, broken Unicode. */
export function checkPassword(password: string, what = "the password"): void {
  if (password === "") throw vaultErrors.passwordRefused(`${what} is empty`);
  if (/\p{Cs}/u.test(password)) throw vaultErrors.passwordRefused(`${what} is not valid UTF-8`);
  if (Buffer.byteLength(password) > longestPassword)
    throw vaultErrors.passwordRefused(`${what} is longer than ${longestPassword} bytes`);
  if (/[\0\r\n]/.test(password)) throw vaultErrors.passwordRefused(`${what} contains a line end or a zero byte`);
}

/** A random password of `length` (1 to 1024) characters, each chosen evenly. */
export function generatePassword(length: number): string {
  if (!Number.isInteger(length) || length < 1 || length > longestGenerated) {
    throw vaultErrors.passwordRefused(
      `a password of ${length} characters cannot be generated: expected a length from 1 to ${longestGenerated}`,
    );
  }
  return Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join("");
}

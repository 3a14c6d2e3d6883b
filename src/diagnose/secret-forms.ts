/**
 * The texts by which a secret gives itself away: the secret, what it holds line by line, its parts where it is an address,
 * and its spellings in base64 and in hexadecimal digits.
 */
import { isUtf8 } from "node:buffer";

/** Shorter parts are words that say nothing. */
const shortestPart = 8;

/** A word of a path that says what is there, as `services` does, is no secret; one with digits or capitals, or a long one, may be. */
const isPlainWord = (word: string): boolean => /^[a-z_-]{1,15}$/.test(word);

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // No escapes then: it stands for itself.
    return part;
  }
}

/** What is secret of an address: all of it, its path, the words of its path and of its query, and who logs in. */
function partsOfAddress(text: string): string[] {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) return [];
  const { href, pathname, password, search, searchParams, username, hash } = new URL(text);
  const words = [...pathname.split("/").filter((word) => !isPlainWord(word)), ...searchParams.values(), username, hash.slice(1)];
  const long = [href, `${pathname}${search}`, pathname, ...words, ...words.map(decoded)].filter((part) => part.length >= shortestPart);
  return [...long, password, decoded(password)];
}

/** The middle of the base64 of `secret` wherever it begins in a group of three bytes. */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64").replace(/=+$/, "");
    // What depends on the bytes before and behind it is cut off.
    return text.slice(before === 0 ? 0 : before + 1, (before + bytes.length) % 3 === 0 ? undefined : -1);
  });
}

/** What a line of base64 stands for, where that is a text: the pass phrase in the file of a master key. */
function textInBase64(line: string): string[] {
  if (!/^[A-Za-z0-9+/]{8,}={0,2}$/.test(line)) return [];
  const bytes = Buffer.from(line, "base64");
  const text = bytes.toString("utf8");
  return bytes.length >= shortestPart && isUtf8(bytes) && !/\p{Cc}/u.test(text) ? [text] : [];
}

/** Every text that must not be in a bundle when `secret` must not. */
export function secretForms(secret: string): string[] {
  const lines = secret.split(/\r?\n/).filter((line) => line.length >= shortestPart && !line.startsWith("-----"));
  const parts = partsOfAddress(secret.trim());
  const plain = [secret, secret.trim(), ...lines, ...lines.flatMap(textInBase64), ...parts];
  // What has several lines is a key: no header repeats that, and each form of each line costs a look at every text.
  const short = lines.length > 2 ? lines.flatMap(textInBase64) : plain;
  const spelled = short
    .filter((text) => text.length >= shortestPart)
    .flatMap((text) => [...base64Forms(text), Buffer.from(text).toString("hex")])
    .filter((text) => text.length >= shortestPart);
  return [...new Set([...plain, ...spelled])].filter((text) => text !== "");
}

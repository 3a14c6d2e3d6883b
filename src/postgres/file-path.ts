/**
 * File names are bytes; Moneta carries them as strings. Names in valid UTF-8 are the usual string; every byte that
 * is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte, as Python's `surrogateescape` does, so that
 * the bytes can always be had back exactly. A string made here is never shown to a person unescaped.
 */
import { isUtf8 } from "node:buffer";
import { postgresErrors } from "./errors.ts";

/** Length of the valid UTF-8 sequence at `at` (RFC 3629: shortest form, no surrogates), 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (at + length > bytes.length) return 0;
  return isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

/** The path whose bytes are given. Any bytes are accepted; `pathToBytes` gives them back. */
export function pathFromBytes(bytes: Uint8Array): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(view)) return view.toString("utf8");
  // As code units: megabytes of such bytes, which a server may send, must not become as many small strings.
  const units = Buffer.allocUnsafe(2 * view.length);
  let end = 0;
  for (let at = 0; at < view.length;) {
    const lead = view[at] ?? 0;
    const length = sequenceLength(view, at);
    if (length > 1) {
      end += units.write(view.toString("utf8", at, at + length), end, "utf16le");
    } else {
      units.writeUInt16LE(length === 1 ? lead : 0xdc00 + lead, end);
      end += 2;
    }
    at += Math.max(1, length);
  }
  return units.toString("utf16le", 0, end);
}

const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** The bytes of a path. Throws FILE_PATH_REFUSED for a surrogate that stands for no byte, which no file can have. */
export function pathToBytes(path: string): Buffer {
  if (!loneSurrogate.test(path)) return Buffer.from(path, "utf8");
  const bytes = Buffer.allocUnsafe(3 * path.length);
  let end = 0;
  for (let at = 0; at < path.length;) {
    const code = path.codePointAt(at) ?? 0;
    if (code < 0x80) bytes[end++] = code;
    else if (code >= 0xdc80 && code <= 0xdcff) bytes[end++] = code - 0xdc00;
    else if (code >= 0xd800 && code <= 0xdfff) throw postgresErrors.filePathRefused(`${printablePath(path)} stands for no file name`);
    else end += bytes.write(String.fromCodePoint(code), end, "utf8");
    at += code > 0xffff ? 2 : 1;
  }
  return Buffer.from(bytes.subarray(0, end));
}

/** A path for messages and logs: control characters and bytes outside UTF-8 are written as `\xNN`, a backslash doubled. */
export function printablePath(path: string): string {
  return path.replace(/[\\\u0000-\u001f\u007f-\u009f\ud800-\udfff]/gu, (character) => {
    if (character === "\\") return "\\\\";
    return `\\x${(character.charCodeAt(0) & 0xff).toString(16).padStart(2, "0")}`;
  });
}

/** An empty part, `.` or `..` between slashes or at either end, or a zero byte anywhere. */
const leadsElsewhere = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/**
 * Returns `path` when it leads to something below the directory it is joined to: relative, without `.`, `..`, empty
 * parts or zero bytes. Throws FILE_PATH_REFUSED otherwise; `where` says what named it.
 */
export function checkRelativePath(path: string, where: string): string {
  if (leadsElsewhere.test(path))
    throw postgresErrors.filePathRefused(`${where} names the file ${JSON.stringify(printablePath(path))}`);
  return path;
}

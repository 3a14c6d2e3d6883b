/**
 * A reader of JSON (RFC 8259) that is fed pieces and hands out tokens at once, so that a document of any size is
 * read in the memory of its longest string. It checks the grammar; what the values mean is the receiver's business.
 */
import { isUtf8 } from "node:buffer";
import type { MonetaError } from "../common/index.ts";

/** Called in the order of the document. Numbers come as written, because 64-bit ones do not fit a JavaScript number. */
export interface JsonReceiver {
  begin(kind: "object" | "array"): void;
  end(kind: "object" | "array"): void;
  /** Name of the member whose value comes next. */
  key(name: string): void;
  text(value: string): void;
  number(written: string): void;
  literal(value: boolean | null): void;
}

export interface JsonTokenReader {
  /** Reads a piece, which is not kept. Throws the error made by `refuse`. */
  write(piece: Uint8Array): void;
  /** Says that the document must be complete. */
  finish(): void;
}

export interface JsonLimits {
  /** Longest string, number or literal, in bytes as written. */
  readonly textBytes: number;
  /** Deepest nesting. */
  readonly depth: number;
}

type Expected = "value" | "first-value" | "key" | "first-key" | "colon" | "comma" | "nothing";

const quote = 0x22;
const backslash = 0x5c;
const escapes = new Map([
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
]);
const numberForm = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const literals = new Map([
  ["true", true],
  ["false", false],
  ["null", null],
]);

const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
/** Bytes that can be part of a number or a literal. */
const isWord = (byte: number) =>
  (byte >= 0x61 && byte <= 0x7a) ||
  (byte >= 0x30 && byte <= 0x39) ||
  byte === 0x2d ||
  byte === 0x2b ||
  byte === 0x2e ||
  byte === 0x45;

/** Reads tokens for `receiver`; `refuse` makes the error for a defect found `offset` bytes into the document. */
export function createJsonTokenReader(
  receiver: JsonReceiver,
  limits: JsonLimits,
  refuse: (why: string, offset: number) => MonetaError,
): JsonTokenReader {
  const nesting: ("object" | "array")[] = [];
  let expected: Expected = "value";
  let mode: "between" | "text" | "word" = "between";
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let escapePending = false;
  let offset = 0;

  const fail = (why: string, at: number): never => {
    throw refuse(why, offset + at);
  };

  function keep(piece: Buffer, at: number): void {
    keptBytes += piece.length;
    if (keptBytes > limits.textBytes) fail(`a text is longer than ${limits.textBytes} bytes`, at);
    kept.push(Buffer.from(piece));
  }

  /** What was kept together with the last piece of it. */
  function take(last: Buffer, at: number): Buffer {
    if (keptBytes + last.length > limits.textBytes) fail(`a text is longer than ${limits.textBytes} bytes`, at);
    if (kept.length === 0) return last;
    const whole = Buffer.concat([...kept, last]);
    kept = [];
    keptBytes = 0;
    return whole;
  }

  function decode(raw: Buffer, at: number): string {
    if (!isUtf8(raw)) fail("a text is not UTF-8", at);
    const text = raw.toString("utf8");
    // RFC 8259 allows these only as escapes.
    if (/[\u0000-\u001f]/.test(text)) fail("a text holds a control character", at);
    if (!text.includes("\\")) return text;
    const plain = text.replace(/\\(u[0-9A-Fa-f]{4}|[^])/g, (_all, escape: string) => {
      if (escape.length === 5) return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
      return escapes.get(escape) ?? fail("a text holds an unknown escape", at);
    });
    return /\p{Surrogate}/u.test(plain) ? fail("a text holds half of a character", at) : plain;
  }

  function valueDone(): void {
    expected = nesting.length === 0 ? "nothing" : "comma";
  }

  function textDone(text: string): void {
    if (expected === "key" || expected === "first-key") {
      expected = "colon";
      receiver.key(text);
      return;
    }
    valueDone();
    receiver.text(text);
  }

  function wordDone(raw: Buffer, at: number): void {
    const word = raw.toString("latin1");
    const literal = literals.get(word);
    if (literal === undefined && !numberForm.test(word)) fail("a value is neither a number nor a literal", at);
    valueDone();
    if (literal === undefined) receiver.number(word);
    else receiver.literal(literal);
  }

  const wantsValue = () => expected === "value" || expected === "first-value";

  function open(kind: "object" | "array", at: number): void {
    if (!wantsValue()) fail("a value stands where none can be", at);
    if (nesting.length >= limits.depth) fail(`the nesting is deeper than ${limits.depth}`, at);
    nesting.push(kind);
    expected = kind === "object" ? "first-key" : "first-value";
    receiver.begin(kind);
  }

  function close(kind: "object" | "array", at: number): void {
    const first = kind === "object" ? "first-key" : "first-value";
    if (nesting.at(-1) !== kind || (expected !== "comma" && expected !== first)) fail("a bracket closes nothing", at);
    nesting.pop();
    valueDone();
    receiver.end(kind);
  }

  function mark(byte: number, at: number): void {
    if (byte === 0x7b) open("object", at);
    else if (byte === 0x5b) open("array", at);
    else if (byte === 0x7d) close("object", at);
    else if (byte === 0x5d) close("array", at);
    else if (byte === 0x3a && expected === "colon") expected = "value";
    else if (byte === 0x2c && expected === "comma") expected = nesting.at(-1) === "object" ? "key" : "value";
    else fail("a character stands where it cannot be", at);
  }

  /** Reads on in a text from `from`; returns where the next byte is to be looked at. */
  function insideText(bytes: Buffer, from: number): number {
    let end = from;
    let plain = kept.length === 0 && !escapePending;
    if (escapePending) {
      escapePending = false;
      end += 1;
    }
    let byte = 0;
    for (; end < bytes.length; end += 1) {
      byte = bytes[end] ?? 0;
      if (byte === quote) break;
      if (byte === backslash) end += 1;
      if (byte === backslash || byte < 0x20 || byte > 0x7e) plain = false;
    }
    if (end >= bytes.length) {
      escapePending = end > bytes.length;
      keep(bytes.subarray(from), from);
      return bytes.length;
    }
    mode = "between";
    // Nearly every text is plain ASCII and lies within one piece: nothing to put together, to check or to replace.
    if (plain && end - from <= limits.textBytes) textDone(bytes.toString("latin1", from, end));
    else textDone(decode(take(bytes.subarray(from, end), end), end));
    return end + 1;
  }

  /** The same for a number or literal. */
  function insideWord(bytes: Buffer, from: number): number {
    let end = from;
    while (end < bytes.length && isWord(bytes[end] ?? 0)) end += 1;
    if (end === bytes.length) {
      keep(bytes.subarray(from), from);
    } else {
      mode = "between";
      wordDone(take(bytes.subarray(from, end), end), end);
    }
    return end;
  }

  /** Reads a byte that is outside of texts and words; returns how many it used, 0 for one that begins a word. */
  function between(byte: number, at: number): number {
    if (isSpace(byte)) return 1;
    if (byte === quote) {
      if (!wantsValue() && expected !== "key" && expected !== "first-key") fail("a text stands where none can be", at);
      mode = "text";
    } else if (isWord(byte)) {
      if (!wantsValue()) fail("a value stands where none can be", at);
      mode = "word";
      return 0;
    } else {
      mark(byte, at);
    }
    return 1;
  }

  function write(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let at = 0;
    while (at < bytes.length) {
      if (mode === "text") at = insideText(bytes, at);
      else if (mode === "word") at = insideWord(bytes, at);
      else at += between(bytes[at] ?? 0, at);
    }
    offset += bytes.length;
  }

  function finish(): void {
    if (mode === "word") {
      mode = "between";
      wordDone(take(Buffer.alloc(0), 0), 0);
    }
    if (mode === "text" || expected !== "nothing") fail("the document is cut off", 0);
  }

  return { write, finish };
}

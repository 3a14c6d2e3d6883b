/** What is said while it goes on: headings, findings and blocks to be copied, in 80 columns. */
import { printable, wrap } from "../../common/index.ts";
import { redact } from "../../log/index.ts";

/** How a finding is meant. */
export type Mark = "ok" | "note" | "stop" | "done";

const width = 80;
const words: Readonly<Record<Mark, string>> = { ok: "ok", note: "note", stop: "STOP", done: "done" };

export interface Speech {
  /** A new step. */
  heading(text: string): void;
  /** One thing that was found or done. */
  mark(mark: Mark, text: string): void;
  /** A sentence. */
  say(text: string): void;
  /** Lines to be copied as they stand: indented, never broken. */
  copy(lines: readonly string[]): void;
  /** Name and value in two columns. */
  pairs(pairs: readonly (readonly [name: string, value: string])[]): void;
  blank(): void;
}

/** The lines of one finding. */
export const markedLines = (mark: Mark, text: string): string[] => wrap(text, width, `  ${words[mark].padEnd(6)}`, " ".repeat(8));

/** Names in one column; a value that is too long goes on below itself. */
export function pairLines(pairs: readonly (readonly [name: string, value: string])[]): string[] {
  const column = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs.flatMap(([name, value]) => wrap(value, width, `  ${name.padEnd(column)}  `, " ".repeat(column + 4)));
}

/** Lines to be copied. Line ends within one stay; nothing else moves the cursor. */
export const copyLines = (lines: readonly string[]): string[] => lines.flatMap((line) => line.split("\n")).map((line) => `    ${printable(line)}`.trimEnd());

/** A voice that writes whole lines to `output`; a secret that a server repeats in a message is taken out. */
export function createSpeech(output: (line: string) => void): Speech {
  const write = (line: string): void => output(redact(line));
  const all = (lines: readonly string[]): void => {
    for (const line of lines) write(line);
  };
  return {
    heading(text) {
      write("");
      all(wrap(text, width));
    },
    mark: (mark, text) => all(markedLines(mark, text)),
    say: (text) => all(wrap(text, width, "  ", "  ")),
    copy(lines) {
      write("");
      all(copyLines(lines));
      write("");
    },
    pairs: (pairs) => all(pairLines(pairs)),
    blank: () => write(""),
  };
}

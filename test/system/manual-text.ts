/** Whether something printed is what a page of the manual shows: its numbers, times and positions are those of another day. */

const forms: readonly (readonly [RegExp, string])[] = [
  // The name of a segment, and an identifier.
  [/^[0-9A-F]{24,32}(?![0-9A-Za-z])/, "[0-9A-F]{24,32}"],
  [/^[0-9a-f]{32}(?![0-9A-Za-z])/, "[0-9a-f]{32}"],
  // A position in the WAL.
  [/^[0-9A-F]+\/[0-9A-F]+(?![0-9A-Za-z/])/, "[0-9A-F]+/[0-9A-F]+"],
  // A server that wrote something is ahead for a moment.
  [/^none(?![0-9A-Za-z])/, "(?:none|[0-9.]+ [kMGT]?B)"],
  // Sizes and times in whatever unit fits them.
  [/^[0-9.]+ [kMGT]?B(?![0-9A-Za-z])/, "[0-9.]+ [kMGT]?B"],
  [/^[0-9.]+ (?:ms|s|min|h|d)(?: [0-9]+ (?:s|min|h))?(?![0-9A-Za-z])/, "[0-9.]+ (?:ms|s|min|h|d)(?: [0-9]+ (?:s|min|h))?"],
  [/^[0-9]+(?:[.,:][0-9]+)*/, "[0-9]+(?:[.,:][0-9]+)*"],
  [/^…/, ".*"],
  // Columns are as wide as what is in them.
  [/^(?:\s|-{2,}|─{2,}|═{2,})+/, "(?:\\s|-|─|═)+"],
];

function patternOf(line: string): string {
  let pattern = "";
  for (let rest = line.trim(); rest !== "";) {
    const found = forms.find(([form]) => form.test(rest));
    const text = found?.[0].exec(rest)?.[0] ?? rest.charAt(0);
    pattern += found?.[1] ?? text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    rest = rest.slice(text.length);
  }
  return `[^\\S\\n]*${pattern}[^\\S\\n]*\\n`;
}

/** Whether `text` is what `lines` show; a line of `…` alone stands for any lines. */
export function sameText(lines: readonly string[], text: string): boolean {
  const pattern = lines.map((line) => (line.trim() === "…" ? "(?:.*\\n)*?" : patternOf(line))).join("");
  return new RegExp(`^${pattern}$`).test(text.endsWith("\n") || text === "" ? text : `${text}\n`);
}

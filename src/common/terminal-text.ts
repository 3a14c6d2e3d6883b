/** Text for a terminal: how wide it is, what of it may be shown, where its lines break. */

let segmenter: Intl.Segmenter | undefined;

/** Width on a terminal; combining marks and control characters take none, East Asian letters and emoji two cells. */
export function displayWidth(text: string): number {
  // Most of what is shown, and the segmenter takes longer to come up than all the rest of a command.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  for (const { segment } of segmenter.segment(text)) {
    const code = segment.codePointAt(0) ?? 0;
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) continue;
    const wide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      code >= 0x1f300;
    width += wide ? 2 : 1;
  }
  return width;
}

/** Control characters in a name must not move the cursor or clear the screen. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Breaks a sentence at blanks so that no line is wider than `width`; `first` stands before it, `next` before what follows. */
export function wrap(text: string, width: number, first = "", next = ""): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of printable(text).split(" ")) {
    const longer = empty ? line + word : `${line} ${word}`;
    if (!empty && displayWidth(longer) > width) {
      lines.push(line);
      line = next + word;
    } else line = longer;
    empty = false;
  }
  return [...lines, line];
}

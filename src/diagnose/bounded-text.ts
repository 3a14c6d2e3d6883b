/** Bounds on what goes into a bundle: it has to fit into a mail, whatever it was made of. */

/** What a part consists of: its text, and what was left out of it. */
export interface PartContent {
  readonly text: string;
  readonly remark?: string | undefined;
}

/** Characters of one part. */
export const largestPart = 4 * 1024 * 1024;
/** Entries of one list. */
export const longestList = 500;

/** The text itself, or its first and last lines with what was left out between them. */
export function boundedText(text: string, limit = largestPart): PartContent {
  if (text.length <= limit) return { text };
  const half = Math.floor(limit / 2);
  // At the ends of lines: half a line can be half a secret, which nobody recognises as one.
  const head = text.slice(0, text.lastIndexOf("\n", half) + 1);
  const tailAt = text.indexOf("\n", text.length - half);
  const tail = tailAt < 0 ? "" : text.slice(tailAt + 1);
  const dropped = text.length - head.length - tail.length;
  return {
    text: `${head}… ${dropped} characters are left out …\n${tail}`,
    remark: `${dropped} of ${text.length} characters are left out in the middle`,
  };
}

/** The value with the middle of every long list left out, and how many entries that is in all. */
export function boundedLists(value: unknown, limit = longestList): { readonly value: unknown; readonly dropped: number } {
  let dropped = 0;
  const bound = (part: unknown): unknown => {
    if (Array.isArray(part)) {
      if (part.length <= limit) return part.map(bound);
      const first = Math.ceil(limit / 10);
      const last = limit - first;
      const between = part.length - limit;
      dropped += between;
      return [...part.slice(0, first).map(bound), `… ${between} of ${part.length} are left out …`, ...part.slice(-last).map(bound)];
    }
    // A symbol marks what is a number to its own writer, and no list.
    if (typeof part !== "object" || part === null || Object.getOwnPropertySymbols(part).length > 0) return part;
    return Object.fromEntries(Object.entries(part).map(([key, each]) => [key, bound(each)]));
  };
  return { value: bound(value), dropped };
}

/** A value as JSON with long lists shortened, and what was left out. */
export function boundedJson(value: unknown, limit = longestList): PartContent {
  const bounded = boundedLists(value, limit);
  return {
    text: `${JSON.stringify(bounded.value, null, 2)}\n`,
    ...(bounded.dropped === 0 ? {} : { remark: `${bounded.dropped} entries of long lists are left out` }),
  };
}

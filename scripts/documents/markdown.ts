/** Pieces of Markdown. */

/** A cell of a table: no line ends, no bars, nothing that would be taken for a tag. */
export const cell = (text: string): string =>
  text
    .split("`")
    // Between backquotes brackets stand for themselves.
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll("<", "&lt;")))
    .join("`")
    .replaceAll("|", "\\|")
    .replaceAll("\n", " ");

/** A table with its head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map((row) => line(row.map(cell)))];
}

/** Text in which the pages of the project that are named become links, for a page in doc/manual. */
export const linked = (text: string): string =>
  text.replaceAll(/\bdoc\/(manual\/)?([\w-]+\.md)/g, (_whole, manual: string | undefined, name: string) =>
    manual === undefined ? `[${name}](../${name})` : `[${name}](${name})`,
  );

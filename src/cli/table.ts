/** Columns of text for a terminal: two blanks between them, headings, no lines; the last column takes what is left. */

import { displayWidth, printable } from "../common/index.ts";

export { displayWidth, printable, wrap } from "../common/index.ts";

export interface Column {
  readonly heading: string;
  readonly align?: "right";
}

function pad(text: string, width: number, right: boolean): string {
  const fill = " ".repeat(Math.max(0, width - displayWidth(text)));
  return right ? fill + text : text + fill;
}

/** Lines of a table; columns that are empty in every row are left out. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly (string | undefined)[])[]): string[] {
  const used = columns
    .map((column, index) => ({ ...column, cells: rows.map((row) => printable(row[index] ?? "")) }))
    .filter((column) => column.cells.some((cell) => cell !== ""));
  const widths = used.map((column) => Math.max(...[column.heading, ...column.cells].map(displayWidth)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => pad(cell, widths[index] ?? 0, used[index]?.align === "right"))
      .join("  ")
      .trimEnd();
  return [
    line(used.map((column) => column.heading)),
    ...rows.map((_, row) => line(used.map((column) => column.cells[row] ?? ""))),
  ];
}

/** Lines `name  value`, names in one column; values that are unknown are left out. */
export function formatPairs(pairs: readonly (readonly [string, string | undefined])[]): string[] {
  const known = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const width = Math.max(0, ...known.map(([name]) => displayWidth(name)));
  return known.map(([name, value]) => `${pad(name, width, false)}  ${printable(value)}`.trimEnd());
}

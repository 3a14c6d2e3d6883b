export type Align = "left" | "right";

export interface Column {
  readonly title: string;
  readonly align?: Align;
}

/** Lines of equal columns, a rule under the titles. Cells may be missing at the end of a row. */
export function textTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align = "left" }, index) => {
        const [cell = "", width = 0] = [cells[index], widths[index]];
        return align === "left" ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return [line(columns.map(({ title }) => title)), rule, ...rows.map(line)].join("\n");
}

/** doc/manual/configuration.md. */
import { groups, introduction } from "./manual-content.ts";
import { table } from "./markdown.ts";
import { defaultText, reloadText, remarks } from "./option-facts.ts";
import type { OptionTable } from "../../src/config/index.ts";

function keyTable(options: OptionTable): string[] {
  const rows = Object.entries(options).map(([key, option]) => {
    const description = [option.description, ...remarks(option)].join(" ");
    return [`\`${key}\``, option.kind.name, defaultText(option), reloadText(option), description];
  });
  return [...table(["Key", "Type", "Default", "Class", "Meaning"], rows), ""];
}

/** The text of the chapter. */
export function manualChapter(): string {
  const lines = [
    "# Configuration",
    "",
    "This chapter is made from the table of keys by `npm run generate:documents`.",
    "",
    ...introduction.flatMap(({ title, paragraphs }) => [
      `## ${title}`,
      "",
      ...paragraphs.flatMap((text) => [text, ""]),
    ]),
    ...groups.flatMap(({ heading, explanation, options }) => [
      `## ${heading}`,
      "",
      ...(explanation === "" ? [] : [explanation, ""]),
      ...keyTable(options),
    ]),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

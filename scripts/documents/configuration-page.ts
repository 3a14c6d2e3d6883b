/** doc/man/pgmoneta.conf.5. */
import { groups, introduction, summary } from "./manual-content.ts";
import { defaultText, reloadText, remarks } from "./option-facts.ts";
import { roffArgument, roffMarked, roffText } from "./roff.ts";
import type { OptionTable } from "../../src/config/index.ts";

function keys(options: OptionTable): string[] {
  return Object.entries(options).flatMap(([key, option]) => {
    const facts = `(${option.kind.name}; default: ${defaultText(option)}; class: ${reloadText(option)})`;
    return [
      ".TP",
      `\\fB${roffText(key)}\\fP`,
      roffText(facts),
      ".br",
      roffText([option.description, ...remarks(option)].join(" ")),
    ];
  });
}

/** The text of the manual page. */
export function configurationPage(): string {
  const lines = [
    `.TH PGMONETA.CONF 5 "" "Moneta" "Moneta manual"`,
    ".SH NAME",
    `pgmoneta.conf \\- ${roffText(summary)}`,
    ...introduction.flatMap(({ title, paragraphs }) => [
      `.SH ${roffArgument(title.toUpperCase())}`,
      ...paragraphs.flatMap((text) => [".PP", roffMarked(text)]),
    ]),
    ...groups.flatMap(({ heading, explanation, options }) => [
      `.SH ${roffArgument(heading.toUpperCase())}`,
      ...(explanation === "" ? [] : [".PP", roffMarked(explanation)]),
      ...keys(options),
    ]),
    ".SH SEE ALSO",
    "\\fBmoneta\\-admin\\fP(1)",
  ];
  return `${lines.join("\n")}\n`;
}

/** Text in the language of manual pages (man(7)). */

/** Plain text, so that troff shows it as it is: no control lines, real hyphens, quotes and backslashes. */
export function roffText(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replace(/^\./gm, "\\&.");
}

/** The same with what stands between backquotes in bold. */
export function roffMarked(text: string): string {
  return text
    .split("`")
    .map((part, index) => (index % 2 === 1 ? `\\fB${roffText(part)}\\fP` : roffText(part)))
    .join("");
}

/** A quoted argument of a macro. */
export function roffArgument(text: string): string {
  return `"${roffText(text).replaceAll('"', "\\(dq")}"`;
}

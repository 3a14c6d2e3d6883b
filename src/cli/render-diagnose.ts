/** Text of the answer of `diagnose`. */
import { formatByteSize } from "../common/index.ts";
import type { JsonObject } from "../management/index.ts";
import { numberIn, textIn, textsIn } from "./document-fields.ts";

export function renderDiagnose(response: JsonObject): string[] {
  const size = numberIn(response, "Size");
  return [
    `Written to ${textIn(response, "File") ?? "?"}`,
    `  ${numberIn(response, "Files") ?? "?"} files${size === undefined ? "" : `, ${formatByteSize(Number(size))}`}; README says what each of them is.`,
    "Secrets were taken out. Look through it before you give it to others.",
    ...textsIn(response, "Removed").map((path) => `Removed ${path}, which an earlier diagnose had left when it was killed.`),
  ];
}

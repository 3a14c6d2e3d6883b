/** Text of what became of files: conversions in place, and archives. */
import type { JsonObject } from "../management/index.ts";
import { textIn } from "./document-fields.ts";
import { sizeIn, warningLines } from "./render-backups.ts";
import { wrap } from "./table.ts";

/** `compress`, `decompress`, `encrypt`, `decrypt`; `done` is the word for it. */
export const renderConversion =
  (done: string) =>
  (response: JsonObject): string[] => {
    const [before, after] = [sizeIn(response, "SourceSize"), sizeIn(response, "DestinationSize")];
    const sizes = before === undefined || after === undefined ? "" : ` (${before} became ${after})`;
    return [`${done} to ${textIn(response, "DestinationFile") ?? "?"}${sizes}.`];
  };

/** The end of an `archive`. */
export function renderArchive(response: JsonObject): string[] {
  const [size, plain] = [sizeIn(response, "Size"), sizeIn(response, "RestoreSize")];
  const sizes = size === undefined || plain === undefined ? "" : `, ${plain} in ${size}`;
  const target = textIn(response, "Target");
  return [
    `Archived backup ${textIn(response, "Backup") ?? "?"} of ${textIn(response, "Server") ?? "?"}${sizes}.`,
    `  as      ${textIn(response, "FileName") ?? "?"}`,
    ...(target === undefined ? [] : wrap(target, 78, "  up to   ", "          ")),
    ...warningLines(response),
  ];
}

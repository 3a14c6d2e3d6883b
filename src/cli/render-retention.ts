/** Text of what stays and what goes: `retention`, `retain`, `expunge`, `annotate`. */
import { formatByteSize } from "../common/index.ts";
import type { JsonObject } from "../management/index.ts";
import { commentLines } from "./comment-lines.ts";
import { flagIn, numberIn, objectsIn, textIn, textsIn } from "./document-fields.ts";
import { sizeIn, warningLines } from "./render-backups.ts";
import { wrap } from "./table.ts";

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** `retention`: each backup with what becomes of it and why, then the WAL that goes. */
export function renderRetention(response: JsonObject): string[] {
  const dryRun = flagIn(response, "DryRun") === true;
  const backups = objectsIn(response, "Backups");
  const going = backups.filter((backup) => textIn(backup, "Action") === "delete");
  const wal = objectsIn(response, "WAL");
  const policy = textIn(response, "Policy") ?? "?";
  const minimum = Number(numberIn(response, "Minimum") ?? 1);
  const verb = dryRun ? "would go" : "gone";
  const freed = going.length === 0 ? "" : ` (${sizeIn(response, "FreedSize") ?? "?"} freed)`;
  return [
    `${textIn(response, "Server") ?? "?"}: retention ${policy}${minimum > 1 ? `, at least ${minimum} copies` : ""}`,
    "",
    ...backups.flatMap((backup) => {
      const goes = textIn(backup, "Action") === "delete";
      const word = goes ? (dryRun ? "delete " : "deleted") : "keep   ";
      const head = `  ${word}  ${textIn(backup, "Backup") ?? "?"}  `;
      return wrap(textIn(backup, "Reason") ?? "?", 78, head, " ".repeat(head.length));
    }),
    ...(backups.length === 0 ? ["  no backups"] : []),
    "",
    ...wrap(`${counted(going.length, "backup")} ${verb}${freed}, ${wal.length === 0 ? "no WAL" : walSum(wal)}${dryRun ? "; nothing was removed." : "."}`, 78),
    ...wal.map(
      (range) =>
        `  WAL of ${lineageOf(range)}timeline ${numberIn(range, "Timeline") ?? "?"} from ${textIn(range, "From") ?? "?"} to ${textIn(range, "To") ?? "?"}: ` +
        `${counted(Number(numberIn(range, "Files") ?? 0), "file")}, ${sizeIn(range, "Bytes") ?? "?"}`,
    ),
    ...warningLines(response),
  ];
}

/** Only of an earlier cluster it has to be said whose it is. */
function lineageOf(range: JsonObject): string {
  const lineage = textIn(range, "Lineage");
  return lineage === undefined ? "" : `cluster ${lineage}, `;
}

function walSum(wal: readonly JsonObject[]): string {
  const files = wal.reduce((sum, range) => sum + Number(numberIn(range, "Files") ?? 0), 0);
  const bytes = wal.reduce((sum, range) => sum + BigInt(numberIn(range, "Bytes") ?? 0), 0n);
  return `${counted(files, "file")} of WAL with ${formatByteSize(bytes)}`;
}

/** `retain` and `expunge`. */
export function renderKeep(response: JsonObject): string[] {
  const labels = textsIn(response, "Backups");
  const what = labels.length === 1 ? `Backup ${labels[0] ?? "?"}` : `Backups ${labels.join(", ")}`;
  const is = labels.length === 1 ? "is" : "are";
  const kept = flagIn(response, "Keep") === true;
  const rest = kept
    ? "retained: neither retention nor delete without --force removes"
    : "not retained any more: retention removes";
  const it = labels.length === 1 ? "it" : "them";
  return wrap(
    `${what} of ${textIn(response, "Server") ?? "?"} ${is} ${rest} ${it}${kept ? "." : " when it is due."}`,
    78,
    "",
    "  ",
  );
}

/** `annotate`: what is written to the backup now. */
export function renderAnnotation(response: JsonObject): string[] {
  const lines = commentLines(textIn(response, "Comments"));
  const backup = `Backup ${textIn(response, "Backup") ?? "?"} of ${textIn(response, "Server") ?? "?"}`;
  if (lines.length === 0) return [`${backup} has no comments.`];
  return [`${backup}:`, ...lines.flatMap((line) => wrap(line, 78, "  ", "    "))];
}

/** Text of a verification: what was read, then what was found, the worst first. */
import { formatByteSize, formatDuration } from "../common/index.ts";
import { isJsonObject } from "../management/index.ts";
import type { JsonObject } from "../management/index.ts";
import { flagIn, numberIn, objectsIn, textIn } from "./document-fields.ts";
import { warningLines } from "./render-backups.ts";
import { printable, wrap } from "./table.ts";

const countIn = (object: JsonObject, key: string): number => Number(numberIn(object, key) ?? 0);
const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

function headline(response: JsonObject): string {
  const backup = `backup ${textIn(response, "Backup") ?? "?"} of ${textIn(response, "Server") ?? "?"}`;
  const findings = countIn(response, "NumberOfFindings");
  const unread = countIn(response, "NumberOfUnread");
  const harmful = objectsIn(isJsonObject(response.Files) ? response.Files : {}, "Failed").some((finding) => flagIn(finding, "Harmful") === true);
  if (harmful || (unread === 0 && flagIn(response, "Restorable") === false)) return `DAMAGED: ${backup} cannot be restored.`;
  if (unread > 0) return `NOT VERIFIED: ${backup} could not be read whole.`;
  if (findings > 0) return `NOT CLEAN: ${backup} can be restored, but something was found.`;
  return `Verified ${backup}: every byte is as it was stored.`;
}

function findingLines(finding: JsonObject): string[] {
  const kind = (textIn(finding, "Kind") ?? "changed").padEnd(9);
  const name = `${textIn(finding, "Directory") ?? "?"}/${textIn(finding, "FileName") ?? "?"}`;
  const blocks = Array.isArray(finding.Blocks) ? finding.Blocks.map(Number) : [];
  return [
    printable(`! ${kind}  ${name}`),
    ...wrap(textIn(finding, "Reason") ?? "its digest does not match", 78, "             ", "             "),
    ...(blocks.length === 0 ? [] : wrap(`blocks ${blocks.join(", ")}`, 78, "             ", "             ")),
  ];
}

/** `verify`, whichever way it ended. */
export function renderVerify(response: JsonObject): string[] {
  const files = isJsonObject(response.Files) ? response.Files : {};
  const failed = [...objectsIn(files, "Failed")].sort((a, b) => Number(flagIn(b, "Harmful") ?? true) - Number(flagIn(a, "Harmful") ?? true));
  const findings = countIn(response, "NumberOfFindings");
  const unread = objectsIn(response, "Unread");
  const unreadCount = countIn(response, "NumberOfUnread");
  const elapsed = Number(numberIn(response, "Elapsed") ?? 0);
  const read = [
    counted(countIn(response, "NumberOfFiles"), "file", "files"),
    formatByteSize(countIn(response, "NumberOfBytes")),
    counted(countIn(response, "NumberOfSegments"), "segment of WAL", "segments of WAL"),
  ];
  return [
    headline(response),
    `  read ${read.join(", ")}${elapsed > 0 ? ` in ${formatDuration(elapsed * 1000)}` : ""}`,
    ...(findings > 0 ? [`  ${counted(findings, "finding", "findings")}:`] : []),
    ...failed.flatMap(findingLines),
    ...(findings > failed.length ? [`  … and ${findings - failed.length} more`] : []),
    ...unread.flatMap((one) => [printable(`? unread     ${textIn(one, "FileName") ?? "?"}`), ...wrap(textIn(one, "Reason") ?? "", 78, "             ", "             ")]),
    ...(unreadCount > unread.length ? [`  … and ${unreadCount - unread.length} more that could not be read`] : []),
    ...objectsIn(files, "All").map((file) => printable(`  ok  ${textIn(file, "Directory") ?? "?"}/${textIn(file, "FileName") ?? "?"}`)),
    ...warningLines(response),
  ];
}

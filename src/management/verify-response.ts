/** What a verification found as pgmoneta's document, whether it ended with yes or with no. */
import type { MonetaError } from "../common/index.ts";
import type { PlainFinding, PlainReport } from "../verify/index.ts";
import { decimal, type JsonObject } from "./json.ts";

/** Directory and name of a file of the backup, as pgmoneta takes them apart. */
function placeOf(root: string, path: string): { readonly Directory: string; readonly FileName: string } {
  const inside = /^(data|tblspc_[^/]+)\/(.+)$/s.exec(path);
  const [, directory = "", name = ""] = inside ?? [];
  return inside === null ? { Directory: root, FileName: path } : { Directory: `${root}/${directory}`, FileName: name };
}

const failedEntry = (report: PlainReport, finding: PlainFinding): JsonObject => ({
  ...placeOf(finding.place === "wal" ? report.walDirectory : report.directory, finding.path),
  Original: finding.original,
  Calculated: finding.calculated,
  HashAlgorithm: report.hash.toUpperCase(),
  Kind: finding.kind,
  Reason: finding.reason,
  Harmful: finding.harmful,
  Blocks: finding.blocks,
});

/**
 * `verify`. An entry of Failed has Calculated null where no digest of plain bytes can be had. Ours: Kind, Reason, Harmful
 * (a restore is not possible) and Blocks of an entry, Unread, the counts, Restorable (false also where not everything could be
 * read: it is not known then), Elapsed, Warnings. NumberOfAll is larger
 * than the list All where that would be too long; a warning says so.
 */
export function verifyResponse(report: PlainReport, warnings: readonly string[] = []): JsonObject {
  const hash = report.hash.toUpperCase();
  return {
    Server: report.server,
    MajorVersion: report.majorVersion,
    MinorVersion: report.minorVersion,
    Backup: report.label,
    Files: {
      All: report.all.map(({ path, digest }) => ({ ...placeOf(report.directory, path), HashAlgorithm: hash, Original: digest })),
      Failed: report.findings.map((finding) => failedEntry(report, finding)),
    },
    ...(report.allCount > 0 ? { NumberOfAll: report.allCount } : {}),
    NumberOfFiles: report.files,
    NumberOfBytes: report.bytes,
    NumberOfSegments: report.segments,
    NumberOfFindings: report.findingCount,
    NumberOfUnread: report.unreadCount,
    Unread: report.unread.map(({ path, reason }) => ({ FileName: path, Reason: reason })),
    Restorable: report.harmful === 0 && report.unreadCount === 0,
    Elapsed: decimal(report.elapsedMs / 1000),
    Warnings: [...warnings, ...cutOff(report)],
  };
}

function cutOff({ all, allCount }: PlainReport): string[] {
  if (allCount <= all.length) return [];
  return [`${allCount} files are as they were stored; an answer names ${all.length} of them, the first that were read`];
}

/** The response of a verification that could not say yes; nothing for any other error. */
export function verifyFindings({ code, details }: MonetaError): JsonObject {
  if (code !== "VERIFY_FOUND_DAMAGE" && code !== "VERIFY_INCOMPLETE") return {};
  return typeof details.report === "string" ? verifyResponse(JSON.parse(details.report) as PlainReport) : {};
}

/** A report as yes or no, and as plain values that travel to whoever asked. */
import { serverLayout, type HashAlgorithm } from "../repository/index.ts";
import { verifyErrors } from "./errors.ts";
import type { Finding, FindingPlace } from "./finding.ts";
import type { VerifiedFile, VerifyReport } from "./verify-options.ts";

/** How many files an answer names; more are only counted. */
const largestFileList = 100_000;

/** What is as it was stored, as far as an answer names it. */
export interface FileList {
  readonly named: readonly VerifiedFile[];
  /** Those that are not named as well. */
  readonly count: number;
  add(file: VerifiedFile): void;
}

export function createFileList(limit = largestFileList): FileList {
  const named: VerifiedFile[] = [];
  let count = 0;
  return {
    named,
    get count() {
      return count;
    },
    add(file) {
      count += 1;
      if (count <= limit) named.push(file);
    },
  };
}

/** A report without types of ours: JSON of it travels between processes. */
export interface PlainReport {
  readonly server: string;
  readonly majorVersion: number;
  readonly minorVersion: number;
  readonly label: string;
  /** Where the backup and the WAL of its server lie, absolute. */
  readonly directory: string;
  readonly walDirectory: string;
  readonly hash: HashAlgorithm;
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
  readonly segments: number;
  readonly elapsedMs: number;
  readonly findings: readonly PlainFinding[];
  readonly findingCount: number;
  readonly harmful: number;
  readonly unread: readonly { readonly path: string; readonly reason: string }[];
  readonly unreadCount: number;
  /** What is as it was stored, when that was asked for. */
  readonly all: readonly VerifiedFile[];
  /** How many that are; more than `all` names where they are too many for an answer. */
  readonly allCount: number;
}
export interface PlainFinding {
  readonly kind: string;
  readonly place: FindingPlace;
  readonly path: string;
  readonly reason: string;
  readonly harmful: boolean;
  readonly original: string | null;
  readonly calculated: string | null;
  readonly blocks: readonly number[];
}

/** @param root of the repository */
export function plainReport(root: string, server: string, report: VerifyReport, all: Pick<FileList, "named" | "count">): PlainReport {
  const { info, findings, walPath, ...rest } = report;
  const { label, majorVersion, minorVersion } = info;
  const layout = serverLayout(server);
  const places = { directory: `${root}/${layout.backup(label)}`, walDirectory: `${root}/${walPath}` };
  return { ...rest, server, majorVersion, minorVersion, label, ...places, findings: findings.map(plainFinding), all: all.named, allCount: all.count };
}

const plainFinding = ({ original, calculated, blocks, ...finding }: Finding): PlainFinding => ({
  ...finding,
  original: original ?? null,
  calculated: calculated ?? null,
  blocks: blocks ?? [],
});

/** Throws unless everything was read and is as it was stored: VERIFY_FOUND_DAMAGE, VERIFY_INCOMPLETE, the report in its details. */
export function requireGood(report: PlainReport): void {
  const { server, label, findingCount, harmful, unreadCount, findings, unread } = report;
  const details = { server, label, report: JSON.stringify(report) };
  // What could not be read may be worse than what was found beside it: that it can be restored is known only when all was read.
  if (harmful === 0 && unreadCount > 0) {
    const [first] = unread;
    const files = unreadCount === 1 ? "one file" : `${unreadCount} files`;
    throw verifyErrors.incomplete(`${files} of backup ${label} of ${server} could not be read: ${first?.reason ?? ""}`, details);
  }
  if (findingCount > 0) {
    const first = findings.find((one) => one.harmful === harmful > 0) ?? findings[0];
    const what = findingCount === 1 ? "one finding" : `${findingCount} findings`;
    const means = harmful > 0 ? "it cannot be restored" : "it can be restored all the same";
    const named = first === undefined ? "" : `: ${first.path} (${first.kind}): ${first.reason}`;
    throw verifyErrors.damaged(`backup ${label} of ${server} has ${what}, ${means}${named}`, details);
  }
}

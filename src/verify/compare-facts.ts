/** What the small files of a backup say of its cluster, compared with what `backup.info` says. */
import { MonetaError, throwIfAborted } from "../common/index.ts";
import { parseBackupLabel, parseControlFile, type ControlFile } from "../postgres/index.ts";
import { readBackupFile, storedFileFacts, type BackupSource, type IndexedFile } from "../repository/index.ts";
import { judge, type NewFindings } from "./finding.ts";
import type { Survey } from "./survey.ts";

/** A text of people, and `pg_control`, never have more. Bytes. */
const largestSmallFile = 16 * 1024 * 1024;

export interface FactsCheck {
  readonly source: BackupSource;
  readonly found: Pick<Survey, "controlFile" | "label">;
  /** What lies before the place where the verification goes on is read here for the last time. */
  readonly resumed: boolean;
  readonly findings: NewFindings;
}

/**
 * Finds what a restore refuses because the parts of the backup contradict one another. Gives what `pg_control` says; undefined
 * when it is not there or cannot be read, which is found as well: here, or with all the other files.
 */
export async function compareFacts(check: FactsCheck): Promise<ControlFile | undefined> {
  const { findings, found, source } = check;
  const { own, startLsn } = source.info;
  const contradiction = (path: string, reason: string): void =>
    findings.add({ kind: "changed", place: "backup", path, reason, harmful: true });
  const read = async <T>(file: IndexedFile | undefined, path: string, parse: (content: Buffer) => T): Promise<T | undefined> => {
    if (file === undefined) {
      findings.add({ kind: "missing", place: "backup", path, reason: "the backup has no such file", harmful: true });
      return undefined;
    }
    const content = await contentOf(check, file);
    try {
      return content === undefined ? undefined : parse(content);
    } catch (error) {
      if (!(error instanceof MonetaError)) throw error;
      contradiction(file.path + file.suffix, error.message);
      return undefined;
    }
  };
  const control = await read(found.controlFile, "data/global/pg_control", parseControlFile);
  const label = await read(found.label, "data/backup_label", parseBackupLabel);
  if (own !== undefined && control !== undefined && control.systemIdentifier !== own.systemIdentifier) {
    contradiction("data/global/pg_control", `it belongs to cluster ${control.systemIdentifier} instead of ${own.systemIdentifier}`);
  }
  if (own !== undefined && control !== undefined && control.segmentSize !== own.walSegmentSize) {
    contradiction("data/global/pg_control", `its WAL segments have ${control.segmentSize} bytes instead of ${own.walSegmentSize}`);
  }
  if (label !== undefined && label.startLsn !== startLsn) contradiction("data/backup_label", "it names another start of the WAL than backup.info");
  return control;
}

async function contentOf({ source, resumed, findings }: FactsCheck, file: IndexedFile): Promise<Buffer | undefined> {
  if (file.size > largestSmallFile) return undefined;
  const pieces: Buffer[] = [];
  try {
    await readBackupFile(source, file, 1, async (piece) => void pieces.push(piece));
  } catch (error) {
    throwIfAborted(source.signal);
    const { path } = storedFileFacts(source.server, source.info, file);
    const verdict = await judge(error, { storage: source.storage, path, size: file.storedSize });
    // That a later attempt succeeds makes up for nothing: what this one would have said was not looked at.
    if (!("kind" in verdict)) findings.addUnread(verdict);
    // Else it is reported with all the other files.
    else if (resumed) findings.add({ ...verdict, place: "backup", path: file.path + file.suffix, harmful: true, original: file.digest });
    return undefined;
  }
  return Buffer.concat(pieces);
}

/**
 * What a verification reads of a backup: of ours its own entries, of one that pgmoneta took also those of the backups that it
 * rests on, because a restore reads them all.
 */
import { messageOf } from "../common/index.ts";
import { encryptionErrors } from "../encryption/index.ts";
import { postgresErrors } from "../postgres/index.ts";
import {
  openBackupChain,
  readBackupChunks,
  readClusterEntries,
  readForeignBackup,
  repositoryErrors,
  type BackupSource,
  type ChunkIndexEntry,
} from "../repository/index.ts";
import type { NewFindings } from "./finding.ts";

/** An entry with the backup in which it lies. */
export type OnMember = (entry: ChunkIndexEntry, member: BackupSource) => void | Promise<void>;

/** What has to be read, always in the same order. Throws what makes it impossible to go on. */
export type WalkContents = (onMember: OnMember) => Promise<void>;

/** Of a backup of ours, whose chunk index is sound. */
export function ownContents(source: BackupSource): WalkContents {
  return async (onMember) => {
    const { storage, server, info } = source;
    await readBackupChunks(storage, server, info, { onEntry: (entry) => onMember(entry, source) });
  };
}

/** A path of one of the backups of a chain, as seen from the directory of the one that is verified. */
export function pathSeenFrom({ info }: BackupSource, member: BackupSource, path: string): string {
  return member.info.label === info.label ? path : `../${member.info.label}/${path}`;
}

/**
 * Of a backup of pgmoneta's. What is missing goes to `findings`, also what is still there at first and gone when it is to be
 * read; undefined when its own description says that no restore can be had of it, which is a finding too.
 * @param findings which take each only once: the backup is walked through several times
 */
export async function foreignContents(source: BackupSource, findings: NewFindings): Promise<WalkContents | undefined> {
  const refuse = (path: string, error: unknown): undefined => {
    if (!ofDescription(error)) throw error;
    findings.add({ kind: "changed", place: "backup", path, reason: messageOf(error), harmful: true });
    return undefined;
  };
  const described = [repositoryErrors.backupDamaged, postgresErrors.manifestDamaged, postgresErrors.filePathRefused];
  const ofDescription = (error: unknown): boolean => described.some((known) => known.is(error));
  let chain: readonly BackupSource[];
  try {
    chain = await openBackupChain(source);
  } catch (error) {
    return refuse("backup.info", error);
  }
  await requireMasterKey(source, chain);
  for (const member of chain) {
    try {
      await readMember(source, member, () => undefined, findings);
    } catch (error) {
      return refuse(pathSeenFrom(source, member, "data/backup_manifest"), error);
    }
  }
  // Each file of an incremental backup needs what it is a part of.
  if (chain.length > 1 && findings.harmful === 0) {
    try {
      await readClusterEntries(source, { onEntry: () => undefined });
    } catch (error) {
      if (!ofDescription(error) && !postgresErrors.backupLabelDamaged.is(error)) throw error;
      findings.add({ kind: "changed", place: "backup", path: "data", reason: messageOf(error), harmful: true });
    }
  }
  return async (onMember) => {
    for (const member of chain) await readMember(source, member, (entry) => onMember(entry, member), findings);
  };
}

/** With the key missing nothing can be read, and nothing is wrong with it. */
async function requireMasterKey({ info, keys, server }: BackupSource, chain: readonly BackupSource[]): Promise<void> {
  if (chain.every((member) => member.info.encryption === "none") || (await keys()).master !== undefined) return;
  throw encryptionErrors.keyUnknown(`the master key is needed to read backup ${info.label} of ${server}`, { server });
}

async function readMember(
  source: BackupSource,
  member: BackupSource,
  onEntry: (entry: ChunkIndexEntry) => void | Promise<void>,
  findings: NewFindings,
): Promise<void> {
  const { storage, server, info } = member;
  await readForeignBackup(storage, server, info, onEntry, ({ path, reason, digest }) => {
    findings.add({
      kind: "missing",
      place: "backup",
      path: pathSeenFrom(source, member, path),
      reason,
      harmful: true,
      original: digest,
    });
  });
}

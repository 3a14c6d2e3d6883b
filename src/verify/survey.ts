/** A first pass over the chunk index: what there has to be, and what is needed before the files are read. */
import { ENCRYPTION_SUFFIX } from "../encryption/index.ts";
import { createPathFingerprints, pathToBytes } from "../postgres/index.ts";
import { backupFiles, dataPath, readBackupChunks, readDigestList, serverLayout, type BackupInfo, type BackupSource, type IndexedFile } from "../repository/index.ts";
import { nameState, type Storage } from "../storage/index.ts";
import type { CheckedMetadata } from "./check-metadata.ts";
import type { WalkContents } from "./contents.ts";
import { judge, type NewFindings } from "./finding.ts";
import { createPathSum } from "./path-sum.ts";

export interface Survey {
  readonly files: number;
  /** Plain bytes. */
  readonly bytes: number;
  readonly controlFile: IndexedFile | undefined;
  readonly label: IndexedFile | undefined;
  /** Some files that are small, but not empty. */
  readonly samples: readonly IndexedFile[];
  /** False for a path in the directory of the backup that belongs to nothing in it. Asked once for each. */
  belongs(path: string): boolean;
  /** The path is that of a symbolic link, and not of a file. */
  isLink(path: string): boolean;
}

/** Surveys a backup whose chunk index is sound. Compares the list of stored digests with it, if that is sound too. */
export async function survey(storage: Storage, server: string, info: BackupInfo, metadata: CheckedMetadata, findings: NewFindings): Promise<Survey> {
  const known = createPathFingerprints();
  const links = new Set<string>();
  const due = createPathSum();
  const special = new Map<string, IndexedFile>();
  const wanted = [dataPath("global/pg_control"), dataPath("backup_label")];
  const digests: Readonly<Record<string, string>> = info.own?.digests ?? {};
  const list = info.own === undefined ? "" : backupFiles.digests(info.own.hash);
  for (const name of [backupFiles.info, ...Object.keys(digests)]) known.add(pathToBytes(name));
  for (const [name, digest] of Object.entries(digests)) if (name !== list) due.add(name, digest);
  const totals = await readBackupChunks(storage, server, info, {
    onEntry(entry) {
      if (entry.kind === "directory") return;
      const path = entry.kind === "file" ? entry.path + entry.suffix : entry.path;
      known.add(pathToBytes(path));
      if (entry.kind !== "file") {
        links.add(path);
        return;
      }
      due.add(path, entry.storedDigest);
      if (wanted.includes(entry.path)) special.set(entry.path, entry);
    },
  });
  if (metadata.list) await compareList(storage, serverLayout(server).backupFile(info.label, list), list, due.value, findings);
  return {
    files: totals.files,
    bytes: totals.bytes,
    controlFile: special.get(dataPath("global/pg_control")),
    label: special.get(dataPath("backup_label")),
    samples: [],
    belongs: (path) => !known.add(pathToBytes(path)),
    isLink: (path) => links.has(path),
  };
}

/** Small files that are looked at as samples, and what small is. */
const fewSamples = 5;
const smallFile = 64 * 1024;

/** Surveys a backup of pgmoneta's. Files that nobody listed were put there by nobody who is asked. */
export async function surveyForeign(source: BackupSource, contents: WalkContents): Promise<Survey> {
  const special = new Map<string, IndexedFile>();
  const samples: IndexedFile[] = [];
  let files = 0;
  let bytes = 0;
  await contents((entry, member) => {
    if (entry.kind !== "file") return;
    files += 1;
    bytes += entry.size;
    if (member.info.label !== source.info.label) return;
    if (entry.path === dataPath("global/pg_control") || entry.path === dataPath("backup_label")) special.set(entry.path, entry);
    const sealed = entry.suffix.endsWith(ENCRYPTION_SUFFIX);
    if (sealed && entry.size > 0 && entry.size <= smallFile && samples.length < fewSamples) samples.push(entry);
  });
  return {
    files,
    bytes,
    controlFile: special.get(dataPath("global/pg_control")),
    label: special.get(dataPath("backup_label")),
    samples,
    belongs: () => true,
    isLink: () => true,
  };
}

/** The list is what `sha256sum -c` goes by: it has to name every stored file with its digest, and no other. */
async function compareList(storage: Storage, path: string, name: string, due: string, findings: NewFindings): Promise<void> {
  const listed = createPathSum();
  try {
    const reader = await storage.openFile(path);
    try {
      for await (const { path: file, digest } of readDigestList(reader)) listed.add(file, digest);
    } finally {
      await reader.close();
    }
    if (listed.value === due) return;
    const reason = "it does not list what the backup holds";
    findings.add({ kind: "changed", place: "backup", path: name, reason, harmful: false });
  } catch (error) {
    const verdict = await judge(error, { storage, path, size: undefined });
    if ("kind" in verdict) findings.add({ ...verdict, place: "backup", path: name, harmful: true });
    else findings.addUnread(verdict);
  }
}

/** Looks through the directory of the backup for what does not belong there, and for links where files were stored. */
export async function findSurplus(storage: Storage, server: string, label: string, due: Survey, findings: NewFindings): Promise<void> {
  const root = serverLayout(server).backup(label);
  const look = async (below: string): Promise<void> => {
    for await (const { name, kind } of storage.entries(`${root}${below}`)) {
      const path = `${below}/${name}`;
      if (kind === "directory") await look(path);
      // What a crash left of a change of the metadata; the next start of the daemon removes it.
      else if (below === "" && nameState(name).state !== "visible") continue;
      else if (!due.belongs(path.slice(1))) {
        findings.add({ kind: "surplus", place: "backup", path: path.slice(1), reason: "it does not belong to the backup", harmful: false });
      } else if (kind === "symlink" && !due.isLink(path.slice(1))) {
        // What it leads to was read, and is what was stored: but it may go, or change, without anybody's knowing of the backup.
        const reason = "a symbolic link has taken the place of the stored file";
        findings.add({ kind: "changed", place: "backup", path: path.slice(1), reason, harmful: false });
      }
    }
  };
  try {
    await look("");
  } catch (error) {
    const verdict = await judge(error, { storage, path: root, size: undefined });
    if (!("kind" in verdict)) findings.addUnread(verdict);
  }
}

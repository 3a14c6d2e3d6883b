/** The backups of a server: what is there, in which order, and which of it can be trusted. */
import type { Clock } from "../common/index.ts";
import { MonetaError } from "../common/index.ts";
import type { Storage } from "../storage/index.ts";
import { nameState } from "../storage/index.ts";
import { formatBackupInfo } from "./backup-info-format.ts";
import { largestInfo, parseBackupInfo } from "./backup-info-parse.ts";
import type { BackupInfo } from "./backup-info.ts";
import { inOrder } from "./backup-order.ts";
import { repositoryErrors } from "./errors.ts";
import { nextLabelAfter } from "./label.ts";
import { backupFiles, isLabel, serverLayout } from "./layout.ts";
import type { Leftover } from "./leftovers.ts";
import { findLeftovers, removeLeftover } from "./leftovers.ts";
import { refreshForeignDigest } from "./foreign-digest-list.ts";
import { measureSharing, type BackupSharing } from "./shared-bytes.ts";
import { openVerifications, type Verification } from "./verifications.ts";

/** A directory below `backup/`. */
export interface CatalogEntry {
  readonly label: string;
  /** `damaged`: its metadata cannot be read or trusted; `invalid`: readable, but not a complete backup. */
  readonly state: "valid" | "invalid" | "damaged";
  /** Undefined when damaged. */
  readonly info?: BackupInfo | undefined;
  /** Of a damaged one: the backup that it says it rests on. No more than a reason to keep that one. */
  readonly statedParent?: string | undefined;
  /** Why it is not valid. */
  readonly problem?: string | undefined;
  /** The last time that it was read back. */
  readonly verification?: Verification | undefined;
  /** A verification of it was begun and did not come to its end. */
  readonly halfVerified?: boolean;
  /** What of its stored bytes it has alone; undefined when damaged. */
  readonly sharing?: BackupSharing | undefined;
}

export interface Catalog {
  readonly server: string;
  /** Every backup, damaged ones included (those last, by label). Leftovers are not among them. */
  entries(): Promise<CatalogEntry[]>;
  /** Every readable backup, oldest first; `valid` says whether it may be used. */
  list(): Promise<BackupInfo[]>;
  /**
   * `oldest`, `newest` or `latest` (the same) of the valid backups, else the one with this label, valid or not.
   * Throws BACKUP_NOT_FOUND, or BACKUP_DAMAGED for a label whose metadata cannot be trusted.
   */
  find(which: string): Promise<BackupInfo>;
  /** The greatest label that a backup or leftover has; empty, and so less than any, where there is none. */
  newestLabel(): Promise<string>;
  /** A label in UTC, greater than that of every backup and leftover. */
  nextLabel(clock: Clock): Promise<string>;
  /** Changes the metadata of a backup in one step and gives the result. The label stays. */
  update(label: string, change: (info: BackupInfo) => BackupInfo): Promise<BackupInfo>;
  /** Exempts a backup from deletion (`retain`), or gives it back (`expunge`). */
  setKeep(label: string, keep: boolean): Promise<BackupInfo>;
  /** What crashes left behind: unfinished and half-deleted backups, unfinished files. */
  leftovers(): Promise<Leftover[]>;
  /** Removes the leftovers and names them. Only under the owner lock, with no job of this server running. */
  removeLeftovers(): Promise<Leftover[]>;
}

const damageFound = ({ ended, reason }: Verification): string =>
  `a verification found it damaged on ${new Date(ended).toISOString().slice(0, 16).replace("T", " ")} UTC: ${reason ?? "the log says what"}`;

/** The catalog of `server` in `storage`. Nothing is read before it is asked for, and nothing is remembered. */
export function openCatalog(storage: Storage, server: string): Catalog {
  const layout = serverLayout(server);

  /** The content of a `backup.info` as it is written there. */
  async function readInfo(label: string): Promise<BackupInfo> {
    const path = layout.backupFile(label, backupFiles.info);
    if ((await storage.stat(layout.backup(label)))?.kind !== "directory") {
      throw repositoryErrors.backupNotFound(`server ${server} has no backup ${label}`, { server, label });
    }
    if ((await storage.stat(path)) === undefined) {
      throw repositoryErrors.backupDamaged(`backup ${label} of ${server} has no ${backupFiles.info}`, {
        server,
        label,
      });
    }
    return parseBackupInfo(await storage.readFile(path, largestInfo), path, label);
  }

  /** Why a readable backup must not be used; undefined when it may be. */
  async function problemOf(info: BackupInfo): Promise<string | undefined> {
    if (!info.valid) return "it was not completed, or was found faulty";
    const isThere = async (name: string): Promise<boolean> => (await storage.stat(layout.backupFile(info.label, name)))?.kind === "file";
    if (info.own === undefined) {
      for (const list of ["sha512", "sha256"] as const) if (await isThere(backupFiles.digests(list))) return undefined;
      return `its list of digests (${backupFiles.digests("sha512")}) is missing`;
    }
    const list = backupFiles.digests(info.own.hash);
    if (!(await isThere(list))) return `its list of digests (${list}) is missing`;
    // Without its index or its manifest it cannot be restored either.
    for (const name of Object.keys(info.own.digests)) if (!(await isThere(name))) return `its ${name} is missing`;
    return undefined;
  }

  async function entryOf(label: string, verification: Verification | undefined): Promise<CatalogEntry> {
    try {
      const info = await readInfo(label);
      const problem = await problemOf(info);
      if (problem === undefined) return { label, state: "valid", info, verification };
      const why = !info.valid && verification?.outcome === "bad" ? damageFound(verification) : problem;
      return { label, state: "invalid", info: { ...info, valid: false }, problem: why, verification };
    } catch (error) {
      // One damaged backup must not hide the others; a failing disk is not damage of a backup.
      const known =
        error instanceof MonetaError &&
        (repositoryErrors.backupDamaged.is(error) || repositoryErrors.formatUnsupported.is(error));
      if (!known) throw error;
      return { label, state: "damaged", problem: error.message, verification, statedParent: await statedParent(label) };
    }
  }

  /** From a `backup.info` that cannot be trusted; undefined where it does not say so, or is not there. */
  async function statedParent(label: string): Promise<string | undefined> {
    const path = layout.backupFile(label, backupFiles.info);
    const facts = await storage.stat(path);
    if (facts?.kind !== "file" || facts.size > largestInfo) return undefined;
    return /^PARENT=([0-9]{14})$/m.exec((await storage.readFile(path, largestInfo)).toString("latin1"))?.[1];
  }

  /** Undefined for a backup that went out of view while it was looked at: half of what was read of it means nothing. */
  async function entryThatStays(label: string, verification: Verification | undefined): Promise<CatalogEntry | undefined> {
    const isGone = async (): Promise<boolean> => (await storage.stat(layout.backup(label))) === undefined;
    try {
      const entry = await entryOf(label, verification);
      return entry.state !== "valid" && (await isGone()) ? undefined : entry;
    } catch (error) {
      if (await isGone()) return undefined;
      throw error;
    }
  }

  async function entries(): Promise<CatalogEntry[]> {
    const found: CatalogEntry[] = [];
    const { backups, unfinished } = await openVerifications(storage, server).read();
    for (const { name, kind } of await storage.list(layout.backups)) {
      if (!isLabel(name) || kind === "file") continue;
      const entry = await entryThatStays(name, backups.get(name));
      if (entry !== undefined) found.push({ ...entry, ...(unfinished?.label === name ? { halfVerified: true } : {}) });
    }
    const readable = inOrder(found.flatMap(({ info }) => info ?? []));
    const sharing = measureSharing(readable);
    const byLabel = new Map(found.map((entry) => [entry.label, { ...entry, sharing: sharing.get(entry.label) }]));
    return [
      ...readable.flatMap(({ label }) => byLabel.get(label) ?? []),
      ...found.filter(({ info }) => info === undefined),
    ];
  }

  async function list(): Promise<BackupInfo[]> {
    return (await entries()).flatMap(({ info }) => info ?? []);
  }

  async function find(which: string): Promise<BackupInfo> {
    if (which === "oldest" || which === "newest" || which === "latest") {
      const valid = (await list()).filter((info) => info.valid);
      const found = which === "oldest" ? valid[0] : valid.at(-1);
      if (found === undefined)
        throw repositoryErrors.backupNotFound(`server ${server} has no valid backup`, { server });
      return found;
    }
    if (!isLabel(which))
      throw repositoryErrors.backupNotFound(`server ${server} has no backup ${JSON.stringify(which)}`, { server });
    const info = await readInfo(which);
    return { ...info, valid: (await problemOf(info)) === undefined };
  }

  async function newestLabel(): Promise<string> {
    let newest = "";
    for await (const { name } of storage.entries(layout.backups)) {
      const label = nameState(name).name.slice(0, 14);
      if (isLabel(label) && label > newest) newest = label;
    }
    return newest;
  }

  async function update(label: string, change: (info: BackupInfo) => BackupInfo): Promise<BackupInfo> {
    let after = await readInfo(label);
    const path = layout.backupFile(label, backupFiles.info);
    // A backup that is marked by a verification may be retained at the same moment: neither must undo the other.
    await storage.changeFile(path, largestInfo, (content) => {
      after = { ...change(parseBackupInfo(content, path, label)), label };
      return formatBackupInfo(after);
    });
    if (after.own === undefined) await refreshForeignDigest(storage, layout.backup(label));
    return after;
  }

  async function removeLeftovers(): Promise<Leftover[]> {
    const found = await findLeftovers(storage, layout);
    for (const leftover of found) await removeLeftover(storage, leftover);
    return found;
  }

  return {
    server,
    entries,
    list,
    find,
    newestLabel,
    nextLabel: async (clock) => nextLabelAfter([await newestLabel()], clock.now()),
    update,
    setKeep: (label, keep) => update(label, (info) => ({ ...info, keep })),
    leftovers: () => findLeftovers(storage, layout),
    removeLeftovers,
  };
}

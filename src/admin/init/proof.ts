/** The first backup and its proof: a drill where PostgreSQL's programs of that major are here, else a verification, and which it was. */
import { MonetaError } from "../../common/index.ts";
import { numberIn, objectsIn, textIn, timeIn, type JsonObject } from "../../management/index.ts";
import { adminErrors } from "../errors.ts";
import { ask, runJob } from "./daemon.ts";
import type { DaemonPlace } from "./daemon-place.ts";
import type { InitSurroundings } from "./request.ts";
import type { Speech } from "./speech.ts";

/** How it is known that the backup can be restored. */
export interface Proof {
  readonly label: string;
  /** `drill`: PostgreSQL ran on it. `verify`: every stored byte was read back, and nobody has started a server on it. */
  readonly kind: "drill" | "verify";
  /** Milliseconds since 1970: the last moment that the drilled server had. */
  readonly moment: number | undefined;
  /** It was proven before this run. */
  readonly earlier: boolean;
}

export interface BackupFound {
  readonly label: string;
  /** End of the backup: the first moment that it can be brought back to. Milliseconds since 1970. */
  readonly endTime: number | undefined;
  readonly storedBytes: number;
  readonly restoredBytes: number;
  readonly provenAt: number | undefined;
  /** Why its last drill failed; an earlier one may have proven it. */
  readonly drillFailure: string | undefined;
  readonly verifiedAt: number | undefined;
  readonly verification: string | undefined;
}

export const backupIn = (entry: JsonObject): BackupFound => ({
  label: textIn(entry, "Backup") ?? "",
  endTime: timeIn(entry, "EndTime"),
  storedBytes: Number(numberIn(entry, "BackupSize") ?? 0),
  restoredBytes: Number(numberIn(entry, "RestoreSize") ?? 0),
  provenAt: timeIn(entry, "ProvenAt"),
  drillFailure: textIn(entry, "DrillFailure"),
  verifiedAt: timeIn(entry, "VerifiedAt"),
  verification: textIn(entry, "Verification"),
});

/** The valid backups of a server of which no verification found anything bad, the oldest first. */
export async function validBackups(place: DaemonPlace, surroundings: InitSurroundings, server: string): Promise<BackupFound[]> {
  return usableIn(await ask(place, surroundings, "list-backup", { Server: server }));
}

/** Those of an answer of `list-backup`. What was found bad since it was made is nothing that could be relied on, valid or not. */
export const usableIn = (response: JsonObject): BackupFound[] =>
  objectsIn(response, "Backups")
    .filter((entry) => Number(numberIn(entry, "Valid")) === 1)
    .map(backupIn)
    .filter(({ verification }) => verification !== "bad");

/** Whether the last drill of a backup proved it. */
export const isProven = ({ drillFailure, provenAt }: BackupFound): boolean => provenAt !== undefined && drillFailure === undefined;

/** Takes a backup unless there is a valid one; the newest. Throws `ADMIN_NOT_PROVEN`. */
export async function ensureBackup(place: DaemonPlace, surroundings: InitSurroundings, server: string, speech: Speech): Promise<BackupFound> {
  const there = (await validBackups(place, surroundings, server)).at(-1);
  if (there !== undefined) {
    speech.mark("ok", `the backup ${there.label} is there`);
    return there;
  }
  speech.say("Taking the first backup …");
  await provenOr("the first backup failed", () => runJob(place, surroundings, ["backup", server]));
  const made = (await validBackups(place, surroundings, server)).at(-1);
  if (made === undefined) throw adminErrors.notProven(`the daemon reported a backup of ${server} and lists none that is valid`, { server });
  return made;
}

const programsMissing = "DRILL_PROGRAMS_MISSING";

/** Proves the backup, unless that is done already. Throws `ADMIN_NOT_PROVEN`. */
export async function prove(place: DaemonPlace, surroundings: InitSurroundings, server: string, backup: BackupFound, speech: Speech): Promise<Proof> {
  const { label } = backup;
  if (isProven(backup)) return { label, kind: "drill", moment: undefined, earlier: true };
  try {
    speech.say("Proving it: restored into scratch space, started by PostgreSQL, every table looked at …");
    const response = await runJob(place, surroundings, ["drill", server, label]);
    return { label, kind: "drill", moment: timeIn(response, "ProvenMoment"), earlier: false };
  } catch (error) {
    if (!(error instanceof MonetaError) || error.code !== programsMissing) throw unproven(`the drill of ${label} failed`, error);
    speech.mark("note", error.message);
  }
  if (backup.verifiedAt !== undefined && backup.verification === "good") return { label, kind: "verify", moment: undefined, earlier: true };
  speech.say("Reading every stored byte of it back instead …");
  await provenOr(`the verification of ${label} failed`, () => runJob(place, surroundings, ["verify", server, label]));
  return { label, kind: "verify", moment: undefined, earlier: false };
}

async function provenOr<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unproven(what, error);
  }
}

/** The code and the advice of what went wrong stay in sight. */
function unproven(what: string, error: unknown): unknown {
  if (adminErrors.initInterrupted.is(error)) return error;
  if (!(error instanceof MonetaError)) return error;
  return adminErrors.notProven(`${what}: ${error.message} (${error.code}). ${error.hint}`, { code: error.code }, error);
}

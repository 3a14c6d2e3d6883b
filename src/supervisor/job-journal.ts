/**
 * Jobs over the end of a daemon. They do not come back by themselves: whoever asked is gone with the connection, and what they
 * would work with may have changed. Those that a kill or a power failure cut off, in hand or in line, are named by the next
 * daemon, each with its outcome. So that none is missing there, a job is on disk before anybody is told that it was accepted, its
 * beginning before its process is started, and its end before its outcome is told.
 */
import { messageOf, messageWithHint, type MonetaError } from "../common/index.ts";
import type { JobResult } from "../ipc/index.ts";
import type { Logger } from "../log/index.ts";
import { openJobJournal, type JobJournal, type JournalEntry } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import type { JobCommand } from "../state/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { WorkSought } from "./finished-work.ts";
import type { Job } from "./job.ts";
import { jobTraits } from "./job-table.ts";

/** A job of the daemon before this one, and what became of it. */
export interface CutOffJob {
  readonly id: number;
  readonly command: string;
  readonly outcome: { readonly state: "succeeded"; readonly label: string | null } | { readonly state: "died" | "cancelled"; readonly error: MonetaError };
}

export interface JobRecorder {
  /** Jobs of a server changed: writes down those that have no outcome, the newest state alone. Never throws. */
  note(server: string, active: readonly Job[]): void;
  /**
   * Resolves when everything that was noted of a server is on disk, or could not be written; undefined when it is already.
   * Never rejects.
   */
  behind(server: string): Promise<void> | undefined;
  /** Resolves when everything that was noted is on disk, or could not be written. Never rejects. */
  written(): Promise<void>;
}

const entryFor = ({ id, command, request, submitted, started, newestBefore }: Job): JournalEntry => ({
  id,
  command,
  backup: "backup" in request ? request.backup : null,
  submitted,
  started: started ?? null,
  newestBefore: newestBefore ?? null,
});

/** What is known of the file of one server. */
interface JournalFile {
  /** What was noted last, as JSON; undefined when it is not known to be what will be there. */
  noted: string | undefined;
  next: readonly JournalEntry[] | undefined;
  writing: Promise<void> | undefined;
}

export function createJobRecorder(storage: Storage, logger: Logger): JobRecorder {
  const files = new Map<string, JournalFile>();
  const fileOf = (server: string): JournalFile => {
    const file = files.get(server) ?? { noted: "[]", next: undefined, writing: undefined };
    files.set(server, file);
    return file;
  };

  const write = async (server: string, file: JournalFile): Promise<void> => {
    while (file.next !== undefined) {
      const entries = file.next;
      file.next = undefined;
      try {
        await openJobJournal(storage, server).write(entries);
      } catch (error) {
        // Nothing depends on it but what the next daemon could say: where the disk is full, a deletion must run all the same.
        file.noted = undefined;
        logger.warn(`which jobs of ${server} have not ended cannot be written down: ${messageOf(error)}`);
      }
    }
    file.writing = undefined;
  };
  return {
    note(server, active) {
      const entries = active.filter(({ command }) => jobTraits[command].visible).map(entryFor);
      const text = JSON.stringify(entries);
      const file = fileOf(server);
      if (file.noted === text) return;
      file.noted = text;
      file.next = entries;
      file.writing ??= write(server, file);
    },
    behind: (server) => files.get(server)?.writing,
    async written() {
      for (const { writing } of files.values()) await writing;
    },
  };
}

/** What its process did before it ended all the same; undefined when nothing of it is there. */
export type FindDone = (job: WorkSought) => Promise<JobResult | undefined>;

/** Names in the log what the daemon before this one did not come to, and forgets it. Only before any job is taken. */
export async function reportCutOff(server: string, storage: Storage, findDone: FindDone, logger: Logger): Promise<readonly CutOffJob[]> {
  const journal: JobJournal = openJobJournal(storage, server);
  const entries = await journal.read();
  if (entries.length === 0) return [];
  const found: CutOffJob[] = [];
  for (const entry of entries) found.push(await outcomeOf(server, entry, findDone));
  for (const { id, command, outcome } of found) {
    if (outcome.state === "succeeded") {
      logger.warn(`job ${id}: ${command} of ${server} had succeeded when the daemon before this one died`, { label: outcome.label });
    } else logger.error(`job ${id}: ${messageWithHint(outcome.error)}`, { code: outcome.error.code, state: outcome.state });
  }
  await journal.write([]);
  return found;
}

async function outcomeOf(server: string, entry: JournalEntry, findDone: FindDone): Promise<CutOffJob> {
  const { id, command, backup, submitted, started, newestBefore } = entry;
  const what = `the ${command}${backup === null ? "" : ` ${backup}`} of ${server}`;
  const at = (ms: number): string => new Date(ms).toISOString();
  if (started === null) {
    const error = supervisorErrors.jobNotBegun(`${what} waited in line since ${at(submitted)} and never began: the daemon died`);
    return { id, command, outcome: { state: "cancelled", error } };
  }
  const done = Object.hasOwn(jobTraits, command) ? await findDone({ command: command as JobCommand, server, started, newestBefore: newestBefore ?? undefined }) : undefined;
  if (done !== undefined) return { id, command, outcome: { state: "succeeded", label: done.label } };
  const error = supervisorErrors.jobDied(`${what}, begun at ${at(started)}, was cut off: the daemon died`);
  return { id, command, outcome: { state: "died", error } };
}

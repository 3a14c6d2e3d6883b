/**
 * The jobs of a server that an operator would ask for and that have no outcome yet: `jobs.json`. A daemon that ends in order
 * leaves none; what another one finds there at its start was cut off. One writer: the supervisor.
 */
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isCount, isMoment, isText, type JsonObject } from "./json-shape.ts";
import { serverLayout } from "./layout.ts";

/** Times are milliseconds since 1970 UTC. */
export interface JournalEntry {
  readonly id: number;
  readonly command: string;
  /** The backup as it was asked for, a label or a word; null where none was. */
  readonly backup: string | null;
  readonly submitted: number;
  /** Null while it waits for its turn. */
  readonly started: number | null;
  /** Of a backup that began: the greatest label that was there before it, empty for none; null where it is not known. */
  readonly newestBefore: string | null;
}

export interface JobJournal {
  /** As they stood in line, those that ran first. Nothing where there is no file, or one that cannot be understood. */
  read(): Promise<readonly JournalEntry[]>;
  /** Durable when it resolves. */
  write(entries: readonly JournalEntry[]): Promise<void>;
}

const largestFile = 256 * 1024;

export function openJobJournal(storage: Storage, server: string): JobJournal {
  const layout = serverLayout(server);
  return {
    async read() {
      const facts = await storage.stat(layout.jobs);
      if (facts?.kind !== "file" || facts.size > largestFile) return [];
      const document = parseChecked((await storage.readFile(layout.jobs, largestFile)).toString("utf8"));
      if (document?.version !== 1 || !Array.isArray(document.jobs)) return [];
      return (document.jobs as unknown[]).flatMap((value) => entryOf(value) ?? []);
    },
    async write(jobs) {
      await storage.makeDirectory(layout.directory);
      await storage.replaceFile(layout.jobs, `${formatChecked({ version: 1, jobs: jobs.map((job) => ({ ...job })) })}\n`);
    },
  };
}

function entryOf(value: unknown): JournalEntry | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, command, backup, submitted, started, newestBefore } = value as JsonObject;
  if (!isCount(id) || !isText(command) || !isMoment(submitted)) return undefined;
  if (!(backup === null || isText(backup)) || !(started === null || isMoment(started))) return undefined;
  return { id, command, backup, submitted, started, newestBefore: isText(newestBefore) ? newestBefore : null };
}

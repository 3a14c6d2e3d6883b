import { expect, it } from "vitest";
import { openJobJournal, type JournalEntry } from "../../../src/repository/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import type { WorkSought } from "../../../src/supervisor/finished-work.ts";
import type { Job } from "../../../src/supervisor/job.ts";
import { createJobRecorder, reportCutOff } from "../../../src/supervisor/job-journal.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRecordingLogger } from "./stand-ins.ts";

const entry = (id: number, command: string, started: number | null, backup: string | null = null, newestBefore: string | null = null): JournalEntry => ({ id, command, backup, submitted: 1000, started, newestBefore });
const job = ({ id, command, backup, submitted, started, newestBefore }: JournalEntry): Job =>
  ({ id, command, submitted, started: started ?? undefined, newestBefore: newestBefore ?? undefined, request: backup === null ? { command } : { command, backup } }) as unknown as Job;

it("writes down what an operator would ask for, the newest state alone, and nothing that did not change", async () => {
  const storage = openLocalStorage(temporaryDirectory().path);
  const { logger } = createRecordingLogger();
  const recorder = createJobRecorder(storage, logger);
  const journal = openJobJournal(storage, "primary");
  recorder.note("primary", [job(entry(1, "archive-wal", 5))]);
  await recorder.written();
  expect(await storage.stat("primary")).toBeUndefined();
  const jobs = [entry(2, "backup", 2000, null, ""), entry(3, "restore", null, "newest")];
  recorder.note("primary", [job(entry(2, "backup", null))]);
  recorder.note("primary", jobs.map(job));
  recorder.note("other", [job(entry(4, "drill", null, "newest"))]);
  await recorder.written();
  expect(await journal.read()).toEqual(jobs);
  expect(await openJobJournal(storage, "other").read()).toHaveLength(1);
  recorder.note("primary", []);
  await recorder.written();
  expect(await journal.read()).toEqual([]);
});

it("says of each job that was cut off what became of it, once", async () => {
  const storage = openLocalStorage(temporaryDirectory().path);
  const { logger, records } = createRecordingLogger();
  await openJobJournal(storage, "primary").write([entry(1, "backup", 2000, null, "20261120090135"), entry(2, "backup", 2000), entry(3, "restore", null, "newest"), entry(4, "of a later version", 5)]);
  const done = async ({ newestBefore }: WorkSought) => (newestBefore === "20261120090135" ? { label: "20261120090136", notes: [], facts: {} } : undefined);
  const cutOff = await reportCutOff("primary", storage, done, logger);
  expect(cutOff.map(({ id, outcome }) => [id, outcome.state])).toEqual([[1, "succeeded"], [2, "died"], [3, "cancelled"], [4, "died"]]);
  expect(records.map(({ message }) => message)).toEqual([
    "job 1: backup of primary had succeeded when the daemon before this one died",
    expect.stringContaining("job 2: the backup of primary, begun at 1970-01-01T00:00:02.000Z, was cut off: the daemon died") as string,
    expect.stringContaining("job 3: the restore newest of primary waited in line since 1970-01-01T00:00:01.000Z and never began") as string,
    expect.stringContaining("job 4: ") as string,
  ]);
  expect(await reportCutOff("primary", storage, done, logger)).toEqual([]);
  // A file that was changed says nothing.
  await storage.replaceFile("primary/jobs.json", '{"version":1,"jobs":[],"crc32c":1}');
  expect(await reportCutOff("primary", storage, done, logger)).toEqual([]);
});

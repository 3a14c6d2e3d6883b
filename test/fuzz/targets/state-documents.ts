/**
 * What the daemon and its jobs remember between two runs, and what a restore leaves in a data directory for itself. Most
 * of it has a checksum, which is put right here: whoever reads it must be right about what a later version, or somebody
 * with an editor, wrote.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { lsn, parseLsn, rootHistory, timelineId } from "../../../src/postgres/index.ts";
import { openDrillRecords, type DrillRecord } from "../../../src/repository/drill-records.ts";
import { formatChecked } from "../../../src/repository/checked-json.ts";
import { openHistoryDigests } from "../../../src/repository/history-digests.ts";
import { openJobJournal } from "../../../src/repository/job-journal.ts";
import { notificationsName, serverLayout } from "../../../src/repository/layout.ts";
import { openNotificationRecords } from "../../../src/repository/notification-records.ts";
import { readRepositoryId, repositoryIdName } from "../../../src/repository/repository-id.ts";
import { parseRepositoryNote } from "../../../src/repository/repository-note.ts";
import { openScheduleRecords } from "../../../src/repository/schedule-records.ts";
import { readSecondCopyNote } from "../../../src/repository/second-copy-note.ts";
import { openVerifications } from "../../../src/repository/verifications.ts";
import { openWalGaps } from "../../../src/repository/wal-gaps.ts";
import { openWalPruned } from "../../../src/repository/wal-pruned.ts";
import { openWalPushes } from "../../../src/repository/wal-pushes.ts";
import { segmentsAhead } from "../../../src/restore/prefetch-wal.ts";
import { formatRecoveryPlan, parseRecoveryPlan, type RecoveryPlan } from "../../../src/restore/recovery-plan.ts";
import { readFileSeals, readStandbyState } from "../../../src/restore/standby/standby-state.ts";
import { markerName, readMarker } from "../../../src/restore/unfinished-marker.ts";
import { openLocalStorage, type Storage } from "../../../src/storage/index.ts";
import { createHash } from "node:crypto";
import { mustEqual, mustHold, type FuzzTarget, type Verdict } from "../engine/target.ts";
import { openScratchSet } from "./scratch.ts";

const now = Date.UTC(2026, 10, 20);
const layout = serverLayout("primary");
const shown = (...moments: readonly (number | null)[]): void => {
  for (const moment of moments) if (moment !== null) new Date(moment).toISOString();
};

const drill: DrillRecord = {
  id: "20261120-1",
  label: "20261120000000",
  outcome: "proven",
  started: now,
  ended: now + 1000,
  position: null,
  moment: now - 1000,
  lsn: "0/3000148",
  restoreMs: 500,
  replayMs: 20,
  amcheck: "passed",
  sql: null,
  reason: null,
};
const verification = { began: now, ended: now + 1, outcome: "remarks", files: 9, bytes: 99, findings: 1, reason: "one" };
const unfinished = { label: drill.label, began: now, entries: 1, files: 1, bytes: 8192, skipped: 0, skippedBytes: 0, findingCount: 1, harmful: 0, findings: [{ path: "base/1/1259" }] };
const alarm = { key: "a", code: "WAL_GAP", category: "gap", server: "primary", message: "m", hint: "h", since: now, told: now, goneSince: null };

const gap = { timeline: 1, from: "0/1000000", to: "0/3000000", detectedAt: "2026-11-20T00:00:00.000Z", reason: "removed" };

async function readGaps(storage: Storage): Promise<Verdict> {
  for (const { from, to, detectedAt } of await openWalGaps(storage, layout).list()) {
    mustHold(from < to, "a gap has an end behind its beginning");
    shown(detectedAt);
  }
  return undefined;
}

interface Kind {
  /** By this an input is known as one of this kind. */
  readonly mark: string;
  /** Below the scratch directory. */
  readonly path: string;
  readonly sample: string;
  /** A refusal for what says nothing. */
  read(storage: Storage, scratch: string, text: string): Promise<Verdict>;
}

const checked = (object: Record<string, unknown>): string => `${formatChecked({ version: 1, ...object })}\n`;

const kinds: readonly [Kind, ...Kind[]] = [
  {
    mark: "handledUntil",
    path: layout.schedule,
    sample: checked({
      backup: {
        expression: "0 3 * * *",
        since: now,
        handledUntil: now,
        last: { moment: now, started: now, outcome: "failed", ended: now, message: "why" },
        skipped: { moment: now, at: now, reason: "off" },
      },
    }),
    async read(storage) {
      const { backup, drill: other } = await openScheduleRecords(storage, "primary").read();
      for (const record of [backup, other]) {
        if (record === undefined) continue;
        shown(record.since, record.handledUntil, record.last?.moment ?? null, record.last?.started ?? null, record.last?.ended ?? null, record.skipped?.moment ?? null, record.skipped?.at ?? null);
      }
      return backup === undefined && other === undefined ? "nothing" : undefined;
    },
  },
  {
    mark: "\"drills\"",
    path: layout.drillHistory,
    sample: checked({ drills: [drill, { ...drill, outcome: "failed", moment: null, label: null, reason: "why" }] }),
    async read(storage) {
      const records = await openDrillRecords(storage, "primary").read();
      for (const { id, started, ended, moment } of records ?? []) {
        shown(started, ended, moment);
        mustHold(!id.includes("/") && !id.includes("."), "a report has a name and no path");
      }
      return records === undefined ? "damaged" : undefined;
    },
  },
  {
    mark: "submitted",
    path: layout.jobs,
    sample: checked({ jobs: [{ id: 1, command: "backup", backup: null, submitted: now, started: now }, { id: 2, command: "delete", backup: "oldest", submitted: now, started: null }] }),
    async read(storage) {
      const entries = await openJobJournal(storage, "primary").read();
      for (const { submitted, started } of entries) shown(submitted, started);
      return entries.length === 0 ? "nothing" : undefined;
    },
  },
  {
    mark: "\"pending\"",
    path: notificationsName,
    sample: checked({ known: [alarm], pending: { "webhook https://a": [{ ...alarm, id: "1", kind: "firing", at: now }] } }),
    async read(storage) {
      const { known, pending } = await openNotificationRecords(storage).read();
      return known.length + Object.keys(pending).length === 0 ? "nothing" : undefined;
    },
  },
  {
    mark: "\"backups\"",
    path: layout.verified,
    sample: checked({ backups: { [drill.label ?? ""]: verification }, unfinished }),
    async read(storage) {
      const { backups, unfinished: open } = await openVerifications(storage, "primary").read();
      for (const { began, ended } of backups.values()) shown(began, ended);
      if (open !== undefined) shown(open.began);
      return backups.size === 0 ? "nothing" : undefined;
    },
  },
  {
    mark: "\"ranges\"",
    path: layout.walPruned,
    sample: checked({ ranges: [{ timeline: 1, from: "0/1000000", to: "0/3000000" }, { timeline: 2, from: "1/0", to: "1/2000000" }] }),
    async read(storage) {
      const ranges = await openWalPruned(storage, layout).list();
      for (const { from, to } of ranges) mustHold(from < to, "a range has an end behind its beginning");
      return ranges.length === 0 ? "nothing" : undefined;
    },
  },
  {
    mark: "\"gaps\"",
    path: layout.walGaps,
    sample: checked({ version: 2, gaps: [gap, { ...gap, timeline: 2 }] }),
    read: readGaps,
  },
  {
    // As the first version was, without a checksum.
    mark: "\"gaps\"",
    path: layout.walGaps,
    sample: `${JSON.stringify({ version: 1, gaps: [gap] }, null, 2)}\n`,
    read: readGaps,
  },
  {
    mark: "\"conflicts\"",
    path: layout.walPush,
    sample: checked({ segments: 2, storedBytes: 99, recent: ["000000010000000000000003"], last: { name: "000000010000000000000003", at: now }, conflicts: [{ name: "000000010000000000000002", at: now, message: "other content" }] }),
    async read(storage) {
      const { last, conflicts } = await openWalPushes(storage, "primary").read();
      shown(last?.at ?? null, ...conflicts.map(({ at }) => at));
      return last === undefined ? "nothing" : undefined;
    },
  },
  {
    mark: "\"directory\"",
    path: layout.walSecond,
    sample: checked({ directory: "/mnt/second" }),
    read: async (storage) => ((await readSecondCopyNote(storage, "primary")) === undefined ? "nothing" : undefined),
  },
  {
    mark: "\"sha256\":",
    path: layout.historyIndex,
    sample: `${formatChecked({ v: 1, history: "00000002.history", sha256: createHash("sha256").update("content").digest("hex") })}\n`,
    async read(storage) {
      await openHistoryDigests(storage, layout).check(timelineId(2), Buffer.from("content"), "00000002.history");
      return undefined;
    },
  },
  {
    mark: "\"baseDir\"",
    path: "note",
    sample: JSON.stringify({ baseDir: "/srv/moneta", id: "b7c7" }),
    read: async (_storage, _scratch, text) => (parseRepositoryNote(text) === undefined ? "nothing" : undefined),
  },
  {
    mark: "moneta.standby",
    path: "moneta_standby.json",
    sample: JSON.stringify({ format: "moneta.standby", version: 1, server: "primary", repository: "b7c7", label: drill.label, complete: true, read: now, settings: "", directories: ["/a"], seals: "", bytes: 9 }),
    async read(_storage, scratch) {
      const state = await readStandbyState(scratch);
      if (state === undefined) return "nothing";
      await readFileSeals(scratch, state);
      return undefined;
    },
  },
  {
    mark: "\"writer\"",
    path: markerName,
    sample: JSON.stringify({ server: "primary", label: drill.label, writer: { host: "h", pid: 1, boot: "b", locked: true }, directories: ["/a"] }),
    read: async (_storage, scratch) => ((await readMarker(scratch)) === undefined ? "nothing" : undefined),
  },
  {
    mark: "\"id\"",
    path: repositoryIdName,
    sample: checked({ id: "0b7c7b0e-0000-4000-8000-000000000000" }),
    async read(_storage, scratch) {
      return (await readRepositoryId(openLocalStorage(scratch))) === undefined ? "nothing" : undefined;
    },
  },
];

/** Each line with the checksum that it has. */
function repairLines(input: Buffer): Buffer {
  const lines = input.toString("utf8").split("\n").map((line) => {
    const body = /^([^]*),"crc32c":[0-9]*\}$/.exec(line)?.[1];
    if (body === undefined) return line;
    try {
      return formatChecked(JSON.parse(`${body}}`) as Record<string, unknown>);
    } catch {
      // No document: it stays as it is.
      return line;
    }
  });
  return Buffer.from(lines.join("\n"));
}

export const stateDocumentsTarget: FuzzTarget = {
  name: "state-documents",
  cost: 8,
  atOnce: 8,
  open() {
    const scratches = openScratchSet((scratch) => {
      for (const { path } of kinds) mkdirSync(dirname(join(scratch, path)), { recursive: true });
      return { scratch, storage: openLocalStorage(scratch) };
    });
    return {
      corpus: kinds.map(({ sample }) => Buffer.from(sample)),
      words: ["8640000000000001", "-0", "null", "\"timeline\":0", "\"0/0\"", "\"from\":\"FFFFFFFF/FFFFFFFF\"", "\"version\":2", "\"__proto__\":", "\"+275760-09-13T00:00:00.001Z\""],
      repair: repairLines,
      async run(input, random) {
        const text = input.toString("utf8");
        const known = kinds.find(({ mark }) => text.includes(mark));
        const kind = known === undefined || random.once(16) ? random.pick(kinds) : known;
        return scratches.use(({ scratch, storage }) => {
          writeFileSync(join(scratch, kind.path), input);
          return kind.read(storage, scratch, text);
        });
      },
      close: () => {
        scratches.remove();
      },
    };
  },
};

const plan: RecoveryPlan = {
  baseDir: "/srv/moneta",
  server: "primary",
  secondCopy: "/mnt/second",
  label: "20261120090000",
  systemIdentifier: "7710185899889174685",
  masterKeyFile: "/home/moneta/.pgmoneta/master.key",
  segmentSize: 16 * 1024 * 1024,
  history: { timeline: timelineId(2), entries: [{ timeline: timelineId(1), switchLsn: parseLsn("0/4000100"), reason: "" }] },
  from: parseLsn("0/2000000"),
  to: lsn(parseLsn("0/5000148")),
  unarchived: [{ segment: "000000020000000000000005", bytes: 328, sha256: "ab".repeat(32) }],
  follows: false,
  toTheEnd: true,
};

export const recoveryPlanTarget: FuzzTarget = {
  name: "recovery-plan",
  open: () => ({
    corpus: [plan, { ...plan, masterKeyFile: undefined, secondCopy: undefined, history: rootHistory(timelineId(1)), unarchived: [], follows: true, toTheEnd: false }].map((each) => Buffer.from(formatRecoveryPlan(each))),
    words: ["\"segmentSize\": 1048576", "\"unarchived\": [", "\"to\": \"FFFFFFFF/FFFFFFFF\"", "\"timeline\": 0", "{}", "null"],
    repair(input) {
      try {
        const { sha256, ...document } = JSON.parse(input.toString("utf8")) as Record<string, unknown>;
        return Buffer.from(JSON.stringify({ ...document, sha256: sha256 === undefined ? "" : createHash("sha256").update(JSON.stringify(document)).digest("hex") }));
      } catch {
        // No document: it stays as it is.
        return input;
      }
    },
    run(input) {
      const read = parseRecoveryPlan(input.toString("utf8"), "plan");
      mustEqual(parseRecoveryPlan(formatRecoveryPlan(read), "plan"), read, "what is written is read again");
      mustHold(read.unarchived.every(({ bytes }) => bytes >= 0), "a segment has no negative length");
      mustHold(segmentsAhead("000000010000000000000002", read).length <= 8, "a few segments are had ready");
      return undefined;
    },
  }),
};

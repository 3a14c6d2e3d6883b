/** The WAL of a backup, of which some segments have a digest and some do not: what lies between them is looked at too. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { extendHistory, lsn, rootHistory, segmentName, timelineId, type TimelineHistory } from "../../../src/postgres/index.ts";
import { openServerIdentity, openWalInventory } from "../../../src/repository/index.ts";
import { checkWal } from "../../../src/verify/check-wal.ts";
import { createFindings } from "../../../src/verify/finding.ts";
import { runArchiver } from "../../../src/wal/index.ts";
import { walOf, walSystemIdentifier, type MadeUpRecord, type MadeUpWal } from "../../support/wal-bytes.ts";
import { sample } from "../repository/sample-backup.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

const repository = eachTestHasARepository();
const segmentSize = 1024 * 1024;
const first = 3;
const start = BigInt(first * segmentSize);
const record = (bytes: number): MadeUpRecord => ({ rmgr: 10, info: 0, data: Buffer.alloc(bytes, 0x5a) });
const switchSegment: MadeUpRecord = { rmgr: 0, info: 0x40, data: Buffer.alloc(0) };

/** Three segments; at each border a record of 30 kB goes on. */
const wal = walOf(Array.from({ length: 103 }, () => record(30_000)), { start, segmentSize, major: 15 });

type Form = "archived" | "raw" | "partial";
interface Stored {
  readonly forms: readonly Form[];
  readonly wal?: MadeUpWal;
  /** Changes the bytes, numbered from the first segment on, before or after the archiver has taken their digest. */
  readonly before?: (bytes: Buffer) => void;
  readonly after?: (bytes: Buffer) => void;
  readonly history?: TimelineHistory;
  /** Timeline of each segment, where it is not 1. */
  readonly timelines?: readonly number[];
  /** Where the backup begins: the record with this number. */
  readonly from?: number;
}

/** What is found when the segments are stored like this. */
async function found(stored: Stored): Promise<string[]> {
  const { forms, wal: { bytes: sound, starts, end } = wal, before, after, timelines = [], from = 5 } = stored;
  const bytes = Buffer.alloc(forms.length * segmentSize);
  sound.copy(bytes);
  before?.(bytes);
  const nameOf = (number: number): string => segmentName(timelineId(timelines[number] ?? 1), lsn(start + BigInt(number * segmentSize)), segmentSize);
  const put = async (form: Form, suffix: string, to = bytes.length): Promise<void> => {
    for (const [number, each] of forms.entries()) {
      const content = bytes.subarray(number * segmentSize, Math.min(to, (number + 1) * segmentSize));
      if (each === form) await repository.put(`primary/wal/${nameOf(number)}${suffix}`, content);
    }
  };
  rmSync(join(repository.storage.root, "primary"), { recursive: true, force: true });
  await openServerIdentity(repository.storage, "primary").write({ systemIdentifier: walSystemIdentifier, segmentSize });
  await put("archived", "");
  const { signal } = new AbortController();
  await runArchiver(
    { server: "primary", storage: repository.storage, spec: { compression: "none", encryption: "none" }, keys: { currentId: async () => undefined, current: () => Promise.reject(new Error("no key is needed")), ring: async () => () => undefined }, hash: "sha256", workers: 1, idleMs: 0 },
    { clock: systemClock, logger: silentLogger, signal, onSegment: () => () => undefined, archived: () => undefined },
  );
  after?.(bytes);
  await put("raw", "");
  await put("partial", ".partial", end);
  const inventory = openWalInventory(repository.storage, "primary", segmentSize);
  const locations = await Promise.all(forms.map((_, number) => inventory.find(nameOf(number))));
  expect(locations.map((location) => location?.form)).toEqual(forms);
  const findings = createFindings(undefined);
  const info = sample({ startLsn: lsn(start + BigInt(starts[from] ?? 0)), endLsn: lsn(start + BigInt(end)) });
  const source = { storage: repository.storage, inventory, systemIdentifier: walSystemIdentifier, keys: () => Promise.reject(new Error("no key is needed")), signal };
  expect(await checkWal({ source, history: stored.history ?? rootHistory(timelineId(1)), info, findings })).toBe(forms.length);
  expect(findings.unread).toEqual([]);
  return findings.list.map(({ kind, path }) => `${kind} ${path.replace(/^[0-9A-F]{23}/, "").replace(".partial", "")}`);
}

const flip = (at: number) => (bytes: Buffer): void => void (bytes[at] = (bytes[at] ?? 0) ^ 1);
/** Behind the header of the first page of a segment, and the end of one: in both places a record goes over the border. */
const [headerEnd, last] = [40, -8];

describe("WAL that is as the server sent it", () => {
  const all: readonly Form[][] = (["archived", "raw"] as const).flatMap((one) =>
    (["archived", "raw"] as const).flatMap((two) => (["archived", "raw", "partial"] as const).map((three): Form[] => [one, two, three])),
  );
  test.each(all.map((forms) => ({ forms })))("has nothing to be found: $forms", async ({ forms }) => {
    expect(await found({ forms })).toEqual([]);
  });

  test("also where the server ended a segment early", async () => {
    const ended = walOf([...Array.from({ length: 20 }, () => record(30_000)), switchSegment, ...Array.from({ length: 40 }, () => record(30_000))], { start, segmentSize, major: 18, switches: true });
    for (const forms of [["archived", "raw", "partial"], ["raw", "archived", "raw"]] as const) expect(await found({ forms, wal: ended })).toEqual([]);
  });

  test("also where a new timeline begins within a segment, and at a border", async () => {
    for (const at of [start + BigInt(segmentSize + 200_000), start + BigInt(segmentSize)]) {
      const history = extendHistory(rootHistory(timelineId(1)), timelineId(2), lsn(at), "test");
      for (const forms of [["archived", "raw", "archived"], ["raw", "archived", "raw"]] as const) {
        expect(await found({ forms, history, timelines: [1, 2, 2] })).toEqual([]);
      }
    }
  });

  test("also where what lies in front of the backup is nothing that a reader understands", async () => {
    // Of what no recovery reads the digest is enough; the reader stops there, and begins anew with the next segment.
    const before = (bytes: Buffer): void => void bytes.fill(0, 16_384, 24_576);
    expect(await found({ forms: ["archived", "raw", "raw"], before })).toEqual([]);
  });
});

describe("one bit in a record that goes on in the next segment", () => {
  test("is found in a raw segment behind an archived one", async () => {
    expect(await found({ forms: ["archived", "raw", "raw"], after: flip(segmentSize + headerEnd) })).toEqual(["changed 4"]);
    expect(await found({ forms: ["archived", "archived", "partial"], after: flip(2 * segmentSize + headerEnd) })).toEqual(["changed 5"]);
  });
  test("is found in a raw segment in front of an archived one, and told of that one", async () => {
    expect(await found({ forms: ["raw", "archived", "archived"], after: flip(segmentSize + last) })).toEqual(["changed 3"]);
    expect(await found({ forms: ["archived", "raw", "archived"], after: flip(2 * segmentSize + last) })).toEqual(["changed 4"]);
  });
  test("is found where both are raw, as before", async () => {
    expect(await found({ forms: ["raw", "raw", "raw"], after: flip(segmentSize + headerEnd) })).toEqual(["changed 4"]);
  });
});

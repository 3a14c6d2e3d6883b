import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  drillsOf,
  failedDrills,
  newestProven,
  openDrillRecords,
  openRepositoryStorage,
  openScheduleRecords,
  type DrillRecord,
} from "../../../src/repository/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const record = (more: Partial<DrillRecord>): DrillRecord => ({
  id: "20261130000000-20261129000000",
  label: "20261129000000",
  outcome: "proven",
  started: 1000,
  ended: 2000,
  position: null,
  moment: 500,
  lsn: "0/5000000",
  restoreMs: 10,
  replayMs: 5,
  amcheck: "passed",
  sql: null,
  reason: null,
  ...more,
});

it("what a drill proved is there again, with its reports", async () => {
  const { path } = temporaryDirectory();
  const records = openDrillRecords(openRepositoryStorage(path, undefined), "primary");
  expect(await records.list()).toEqual([]);
  const first = record({});
  const second = record({ id: "20261130010000-none", label: null, outcome: "failed", moment: null, reason: "why" });
  await records.add(first, { json: "{}\n", html: "<html>" });
  await records.add(second, { json: "{}\n", html: "<html>" });
  expect(await records.list()).toEqual([first, second]);
  expect(await readFile(join(path, "primary/drills/20261130000000-20261129000000.html"), "utf8")).toBe("<html>");
});

it("drills that end at the same moment are all recorded", async () => {
  const { path } = temporaryDirectory();
  const all = ["a", "b", "c", "d", "e"].map((id) => record({ id }));
  const open = () => openDrillRecords(openRepositoryStorage(path, undefined), "primary");
  await Promise.all(all.map((one) => open().add(one, { json: "{}", html: "" })));
  expect((await open().list()).map(({ id }) => id).sort()).toEqual(all.map(({ id }) => id));
});

it("one flipped digit is not believed: the history is kept aside and begins anew", async () => {
  const { path } = temporaryDirectory();
  const aside: string[] = [];
  const records = openDrillRecords(openRepositoryStorage(path, undefined), "primary", (name) => aside.push(name));
  await records.add(record({ moment: 500 }), { json: "", html: "" });
  const file = join(path, "primary/drills.json");
  await writeFile(file, (await readFile(file, "utf8")).replace('"moment":500', '"moment":900'));
  expect(await records.list()).toEqual([]);
  expect(aside).toEqual(["primary/drills.json.damaged"]);
  expect(await readFile(`${file}.damaged`, "utf8")).toContain('"moment":900');
  // No text, and more of it than is read: it is kept all the same, byte for byte.
  const noise = Buffer.alloc(5 * 1024 * 1024, 0xff);
  await writeFile(file, noise);
  expect(await records.list()).toEqual([]);
  expect((await readFile(`${file}.damaged`)).equals(noise)).toBe(true);
});

it("the newest moment counts, not the newest drill; a backup is flagged while its last drill failed", () => {
  const all = [
    record({ id: "a", moment: 900, ended: 10 }),
    record({ id: "b", moment: 500, ended: 20 }),
    record({ id: "c", outcome: "failed", moment: null, ended: 30, reason: "an index" }),
    record({ id: "d", label: "20261130000000", outcome: "failed", moment: null }),
  ];
  expect(newestProven(all)?.id).toBe("a");
  expect(drillsOf("20261129000000", all)).toMatchObject({ provenAt: 20, drillFailure: "an index" });
  expect(drillsOf("20261129000000", [...all, record({ id: "e", ended: 40 })])).toEqual({ provenAt: 40 });
  expect(failedDrills(all).has("20261129000000")).toBe(true);
  expect(failedDrills([...all, record({ id: "e", ended: 40 })]).has("20261129000000")).toBe(false);
  expect(newestProven([])).toBeUndefined();
});

it("the record of a schedule survives, and a damaged one says nothing", async () => {
  const { path } = temporaryDirectory();
  const records = openScheduleRecords(openRepositoryStorage(path, undefined), "primary");
  const backup = {
    expression: "15 2 * * * UTC",
    since: 1,
    handledUntil: 2,
    last: { moment: 2, started: 3, outcome: "failed" as const, ended: 4, message: "why" },
    skipped: { moment: 1, at: 1, reason: "offline" },
  };
  await records.write({ backup });
  expect(await records.read()).toEqual({ backup });
  const file = join(path, "primary/schedule.json");
  await writeFile(file, (await readFile(file, "utf8")).replace('"handledUntil":2', '"handledUntil":9'));
  expect(await records.read()).toEqual({});
});

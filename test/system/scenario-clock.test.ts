/**
 * A11: backups by a schedule while the clock of the machine is set back an hour and forward a day. Labels rise all the
 * same, in the order of their LSNs, and no backup begins before the one before it ended. The clock is moved for the
 * daemon and its children only, and only that of the wall: PostgreSQL goes on by the true one.
 */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask } from "./daemon-observation.ts";

const hour = 3600;
const day = 24 * hour;

let cluster: Cluster;
let daemon: Daemon;
let clockFile: string;

/** Seconds by which the daemon's clock is to be ahead of the true one from now on. */
async function setClock(ahead: number): Promise<void> {
  await writeFile(`${clockFile}.new`, String(ahead), { mode: 0o644 });
  await rename(`${clockFile}.new`, clockFile);
}

beforeAll(async () => {
  const directory = temporaryDirectory({ prefix: "mclk", unprivileged: true }).path;
  clockFile = join(directory, "clock");
  await setClock(0);
  cluster = await createCluster();
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, settings: { backup: "*/3 * * * * *", schedule_timezone: "UTC" } }],
    start: false,
    // Variables of this kind reach the children as well.
    env: { NODE_OPTIONS: `--import ${join(import.meta.dirname, "../fixtures/moved-clock.mjs")}`, NODE_TEST_CLOCK_FILE: clockFile },
  });
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

interface Listed {
  readonly Backup: string;
  readonly Valid: number;
  readonly StartHiLSN: number;
  readonly StartLoLSN: number;
  readonly EndHiLSN: number;
  readonly EndLoLSN: number;
}
/** pgmoneta's document has an object in the place of an empty list. */
const listed = async (): Promise<readonly Listed[]> => Object.values((await ask(daemon, "list-backup", "primary"))["Backups"] as readonly Listed[]);

it("backups go on when the clock is set, their labels rise with their LSNs, and none overlaps another", async () => {
  await daemon.start();
  await daemon.waitUntilStreaming("primary");
  const more = async (what: string): Promise<void> => {
    const before = (await listed()).length;
    await waitFor(what, async () => (await listed()).length > before, { seen: () => daemon.log().slice(-3000) });
  };
  await more("a backup by the true clock");
  // Moments that were handled do not come again, as at the end of summer time; whoever asks gets one all the same.
  await setClock(-hour);
  expect(await ask(daemon, "backup", "primary")).toMatchObject({ Valid: 1 });
  // A clock that was hours ahead had been wrong: the schedule goes by the new time.
  await setClock(-4 * hour);
  await more("a backup with the clock four hours behind");
  await setClock(day);
  await more("a backup with the clock a day ahead");
  await setClock(0);
  await more("a backup with the clock as it was");

  // The daemon really went by that clock, and its children with it.
  for (const who of ["supervisor/", "backup/"]) {
    const times = daemon.log().split("\n").filter((line) => line.includes(who)).map((line) => Date.parse(line.slice(0, 19)));
    const steps = times.slice(1).map((time, index) => Math.round((time - (times[index] ?? time)) / 1000 / hour));
    expect(new Set(steps)).toEqual(new Set([0, -1, -3, 28, -24]));
  }
  const backups = await listed();
  const labels = backups.map(({ Backup }) => Backup);
  expect(new Set(labels).size).toBe(labels.length);
  expect(labels).toEqual([...labels].sort());
  const lsn = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low);
  const starts = backups.map(({ StartHiLSN, StartLoLSN }) => lsn(StartHiLSN, StartLoLSN));
  const ends = backups.map(({ EndHiLSN, EndLoLSN }) => lsn(EndHiLSN, EndLoLSN));
  for (const [index, { Backup, Valid }] of backups.entries()) {
    expect([Backup, Valid]).toEqual([Backup, 1]);
    if (index > 0) expect([Backup, (starts[index] ?? 0n) >= (ends[index - 1] ?? 0n)]).toEqual([Backup, true]);
  }
});

/** A history file has no checksum; one changed digit moves the point where a timeline was left. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { beforeAll, expect, it } from "vitest";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { messageOf } from "../../../src/common/index.ts";
import { fetchWal, planRestore, recoveryPlanFile } from "../../../src/restore/index.ts";
import { insertMarkers } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRig, dependencies, promoted, rowsOf, startOn, type Rig } from "./rig.ts";

/** Timeline 1 has rows 1 to 8; timeline 2 left it after row 4 and has 11 to 14. Each has switched its segment at the same places. */
let rig: Rig;
let trunk: BackupInfo;
let second: Cluster;
const walDirectory = (): string => rig.storage.absolutePath("primary/wal");

beforeAll(async () => {
  const first = await createCluster();
  rig = await createRig(first);
  await insertMarkers(first, 1, 2);
  trunk = await rig.backup();
  const [, , five] = await insertMarkers(first, 3, 6);
  await rig.caughtUp();
  const { plan: made } = await rig.restore({ position: `lsn=${five?.lsn ?? ""},inclusive=off` });
  await first.sql("SELECT pg_switch_wal()");
  await insertMarkers(first, 7, 7);
  await first.sql("SELECT pg_switch_wal()");
  await insertMarkers(first, 8, 8);
  await rig.caughtUp();
  await rig.stopReceiver();
  await first.stop();
  second = await startOn(made.directory);
  await promoted(second);
  rig = await createRig(second, { storage: rig.storage });
  await insertMarkers(second, 11, 12);
  await second.sql("SELECT pg_switch_wal()");
  await insertMarkers(second, 13, 13);
  await second.sql("SELECT pg_switch_wal()");
  await insertMarkers(second, 14, 14);
  await rig.caughtUp();
});

it("a history with another switch point is refused by name, also where both timelines have the WAL up to it", async () => {
  const path = `${walDirectory()}/00000002.history`;
  const whole = readFileSync(path, "utf8");
  // Without its digest, as pgmoneta's have none: then the WAL alone knows better.
  rmSync(`${walDirectory()}/../wal_index/histories.jsonl`);
  const [, digits = ""] = /0\/([0-9A-F]+)/.exec(whole) ?? [];
  for (const segments of [1, 2]) {
    const moved = Number.parseInt(digits, 16) + segments * 0x100_0000;
    const { plan: made } = await rig.restore({ backup: trunk.label });
    writeFileSync(path, whole.replace(`0/${digits}`, `0/${moved.toString(16).toUpperCase()}`));
    // One that was planned before does not get it, either.
    const request = { plan: `${made.directory}/${recoveryPlanFile}`, name: "00000002.history", destination: `${temporaryDirectory().path}/history` };
    await expect(fetchWal(request)).rejects.toMatchObject({ exit: 126 });
    try {
      const refused = await planRestore(rig.options({ backup: trunk.label }), dependencies()).then(({ problems }) => problems.join(), messageOf);
      expect(refused).toMatch(segments === 2 ? /"00000002\.history" says that timeline 1 was left at/ : /damaged at|00000002\.history/);
    } finally {
      writeFileSync(path, whole);
    }
  }
  expect(await rowsOf(rig, { backup: trunk.label })).toEqual([1, 2, 3, 4, 11, 12, 13, 14]);
});

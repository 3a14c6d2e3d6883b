/** The process of a backup dies without a word: what the catalog shows is whole, and the next start cleans up. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { createCluster } from "../../support/postgres-cluster.ts";
import { run } from "../../support/processes.ts";
import { requires } from "../../support/requires.ts";
import { seededNumbers } from "../../support/sample-bytes.ts";
import { expectVerified, extract, openHouse } from "./house.ts";

/** When to die; `ms` milliseconds after what is named. */
interface Death {
  readonly phase: string;
  readonly bytes?: number;
  /** Before the tree becomes visible, or after it has. */
  readonly commit?: "before" | "after";
  readonly ms?: number;
}

const program = join(import.meta.dirname, "../../fixtures/.built/wal/backup-program.js");
const seed = Number(process.env["MONETA_TEST_SEED"] ?? Date.now() % 1_000_000);
const random = seededNumbers(seed);

const instants: readonly Death[] = [
  { phase: "prepare" },
  { phase: "checkpoint" },
  { phase: "receive", bytes: 1 },
  { phase: "receive", bytes: 5_000_000 },
  { phase: "receive", bytes: 20_000_000, ms: random() % 20 },
  { phase: "check" },
  { phase: "wal" },
  { phase: "commit" },
  { phase: "commit", ms: random() % 8 },
  { phase: "commit", ms: random() % 16 },
  { phase: "commit", commit: "before" },
  { phase: "commit", commit: "after" },
];

requires("postgres-15", "pg_verifybackup", "lz4").it(`killed at ${instants.length} instants, a backup is whole or not there (seed ${seed})`, async () => {
  const cluster = await createCluster();
  await cluster.sql("CREATE TABLE people AS SELECT g AS id, repeat(md5(g::text), 8) AS story FROM generate_series(1, 20000) g");
  const house = await openHouse(cluster);
  const { host, port } = cluster.connectionOptions;
  let whole = 0;
  for (const die of instants) {
    const { signal, stderr } = await run(process.execPath, [program, JSON.stringify({ base: house.base, host, port, die })]);
    const at = JSON.stringify(die);
    // Within the last phase it may have come to its end before its time.
    if (!(die.phase === "commit" && die.ms !== undefined)) expect(signal, `${at}: ${stderr}`).toBe("SIGKILL");
    const names = await house.names();
    const unfinished = names.filter((name) => name.startsWith("."));
    const entries = await house.catalog.entries();
    expect(entries.every(({ state }) => state === "valid"), at).toBe(true);
    expect(entries.map(({ label }) => label), at).toEqual(names.filter((name) => !name.startsWith(".")));
    expect(unfinished.length + entries.length, at).toBe(die.phase === "prepare" ? 0 : 1);
    for (const { info } of entries) {
      if (info === undefined) throw new Error(`${at}: an entry without facts`);
      await expectVerified(await extract(house, info));
      whole += 1;
    }
    // The receiver runs: its own unfinished files are none of our business.
    const leftovers = (await house.catalog.leftovers()).filter(({ label }) => label !== undefined);
    expect(leftovers.map(({ what }) => what), at).toEqual(unfinished.map(() => "unfinished backup"));
    for (const { path } of leftovers) await house.storage.removeTree(path);
    for (const { label } of entries) await house.storage.removeTree(`primary/backup/${label}`);
    expect(await readdir(house.storage.absolutePath("primary/backup")).catch(() => []), at).toEqual([]);
  }
  expect(whole).toBeGreaterThanOrEqual(1);
  // The survivor of all this takes one more, to its end.
  const { status, stdout } = await run(process.execPath, [program, JSON.stringify({ base: house.base, host, port })]);
  expect(status).toBe(0);
  expect(await house.names()).toEqual([stdout.trim()]);
  await house.close();
  await cluster.destroy();
});

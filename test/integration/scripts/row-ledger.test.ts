import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type pg from "pg";
import { expect, test } from "vitest";
import { createCluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

interface Comparison {
  readonly table: string;
  readonly expected: number;
  readonly found: number;
  readonly different: number;
  readonly first?: string;
}

interface RowLedger {
  readonly writeLedger: (client: pg.Client, tables: readonly string[], directory: string) => Promise<Record<string, number>>;
  readonly compareWithLedger: (client: pg.Client, tables: readonly string[], directory: string) => Promise<Comparison[]>;
}

/** The demo is plain JavaScript, so that it runs from a fresh clone. */
const modulePath = pathToFileURL(join(import.meta.dirname, "../../../scripts/demo/row-ledger.mjs")).href;

test("the demo's comparison sees each row that is changed, missing or too many, and a table that is gone", async () => {
  const { writeLedger, compareWithLedger } = (await import(modulePath)) as RowLedger;
  const cluster = await createCluster();
  const client = await cluster.connect();
  const tables = ["one", "two"];
  for (const table of tables) {
    await client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, v text)`);
    await client.query(`INSERT INTO ${table} SELECT i, 'line' || chr(10) || i FROM generate_series(1, 25000) AS i`);
  }
  const ledger = temporaryDirectory().path;
  expect(await writeLedger(client, tables, ledger)).toEqual({ one: 25_000, two: 25_000 });
  const judged = async (): Promise<number[]> => (await compareWithLedger(client, tables, ledger)).map(({ different }) => different);
  expect(await judged()).toEqual([0, 0]);

  const damages: [string, number][] = [
    ["UPDATE one SET v = v || ' ' WHERE id = 24999", 1],
    ["DELETE FROM one WHERE id = 25000", 1],
    ["INSERT INTO one VALUES (25001, 'too many')", 1],
    ["DROP TABLE one", 25_000],
  ];
  for (const [statement, different] of damages) {
    await client.query(statement);
    expect(await judged()).toEqual([different, 0]);
    if (!statement.startsWith("DROP")) await client.query("DELETE FROM one; INSERT INTO one SELECT * FROM two");
  }
  await client.end();
});

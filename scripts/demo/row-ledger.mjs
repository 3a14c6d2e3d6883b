import { createReadStream, createWriteStream, mkdirSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const ROWS_A_FETCH = 10_000;

/** All rows of a table as JSON text, in the order of its key, without holding them all. */
async function* rowsOf(client, table) {
  await client.query("BEGIN READ ONLY");
  await client.query(`DECLARE all_rows NO SCROLL CURSOR FOR SELECT to_jsonb(t)::text AS row FROM ${table} AS t ORDER BY id`);
  for (;;) {
    const { rows } = await client.query(`FETCH ${ROWS_A_FETCH} FROM all_rows`);
    if (rows.length === 0) break;
    for (const { row } of rows) yield row;
  }
  await client.query("COMMIT");
}

/** Writes every row of the tables to files: what the restored server is held against. */
export async function writeLedger(client, tables, directory) {
  mkdirSync(directory, { recursive: true });
  const counts = {};
  for (const table of tables) {
    const file = createWriteStream(join(directory, table));
    counts[table] = 0;
    for await (const row of rowsOf(client, table)) {
      counts[table] += 1;
      if (!file.write(`${row}\n`)) await once(file, "drain");
    }
    file.end();
    await once(file, "close");
  }
  return counts;
}

/**
 * Compares every row of the tables with the ledger.
 * @returns {Promise<{ table: string, expected: number, found: number, different: number, first?: string }[]>}
 */
export async function compareWithLedger(client, tables, directory) {
  const results = [];
  for (const table of tables) {
    const result = { table, expected: 0, found: 0, different: 0 };
    results.push(result);
    const found = await existing(client, table);
    for await (const line of createInterface({ input: createReadStream(join(directory, table)), crlfDelay: Infinity })) {
      result.expected += 1;
      const next = await found.next();
      if (!next.done) result.found += 1;
      if (next.value !== line) {
        result.different += 1;
        result.first ??= `expected ${line.slice(0, 200)}, found ${next.value?.slice(0, 200) ?? "nothing"}`;
      }
    }
    for (let next = await found.next(); !next.done; next = await found.next()) {
      result.found += 1;
      result.different += 1;
      result.first ??= `a row too many: ${next.value.slice(0, 200)}`;
    }
  }
  return results;
}

/** A table that is not there at all has no rows. */
async function existing(client, table) {
  const { rows } = await client.query("SELECT to_regclass($1) IS NOT NULL AS there", [table]);
  return rows[0].there ? rowsOf(client, table) : (async function* () {})();
}

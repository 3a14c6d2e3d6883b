/**
 * A load after pgbench's fashion whose rows judge themselves: every transaction moves an amount on an account and writes
 * down that it did. At every moment a balance is the sum of what was written down, and each writer's numbers have no hole.
 */
import type pg from "pg";
import type { Cluster } from "../support/postgres-cluster.ts";

export interface MixedLoad {
  /** The last number of each writer whose commit was acknowledged. */
  readonly acknowledged: () => readonly number[];
  readonly transactions: () => number;
  stop(): Promise<void>;
}

const accounts = 2000;

export async function startMixedLoad(cluster: Cluster, writers: number, pauseMs: number): Promise<MixedLoad> {
  await cluster.sql(`
    CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL, filler text NOT NULL);
    CREATE TABLE history (writer int, number bigint, account int NOT NULL, delta int NOT NULL, PRIMARY KEY (writer, number));
    CREATE TABLE scratch (id int PRIMARY KEY, content text);
    INSERT INTO account SELECT g, 0, repeat('f', 80) FROM generate_series(1, ${accounts}) g`);
  const acknowledged = Array.from({ length: writers }, () => 0);
  let transactions = 0;
  let stopping = false;

  async function transaction(client: pg.Client, writer: number): Promise<void> {
    // What was committed without an answer counts as well: go on after it.
    const { rows } = await client.query<{ last: string }>("SELECT coalesce(max(number), 0) AS last FROM history WHERE writer = $1", [writer]);
    for (let number = Number(rows[0]?.last) + 1; !stopping; number += 1) {
      const [account, delta] = [1 + ((number * 7919 + writer * 104_729) % accounts), ((number * 31 + writer) % 201) - 100];
      await client.query("BEGIN");
      await client.query("UPDATE account SET balance = balance + $2 WHERE id = $1", [account, delta]);
      await client.query("INSERT INTO history VALUES ($1, $2, $3, $4)", [writer, number, account, delta]);
      if (number % 10 === 0) {
        await client.query("INSERT INTO scratch VALUES ($1::int, repeat(md5($1::int::text), 50)) ON CONFLICT (id) DO UPDATE SET content = excluded.content", [number % 500]);
      }
      await client.query("COMMIT");
      acknowledged[writer] = number;
      transactions += 1;
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async function write(writer: number): Promise<void> {
    while (!stopping) {
      let client: pg.Client | undefined;
      try {
        client = await cluster.connect({ applicationName: "load" });
        await transaction(client, writer);
      } catch (error) {
        // Wrong statements are a defect of this file.
        if (/^(22|23|42)/.test((error as { code?: string }).code ?? "")) throw error;
        // The server is down or was killed: a commit without an answer is not acknowledged.
        await new Promise((resolve) => setTimeout(resolve, 50));
      } finally {
        await client?.end().catch(() => undefined);
      }
    }
  }
  const ended = Promise.all(acknowledged.map((_, writer) => write(writer)));
  // Thrown by `stop`, as all that is wrong with the load itself.
  ended.catch(() => undefined);
  return {
    acknowledged: () => [...acknowledged],
    transactions: () => transactions,
    async stop() {
      stopping = true;
      await ended;
    },
  };
}

/** Compares every row with what it must be; rows looked at, and what is wrong. `atLeast`: what must have arrived. */
export async function judgeMixedLoad(copy: Cluster, atLeast: readonly number[]): Promise<{ readonly rows: number; readonly wrong: readonly string[] }> {
  const wrong: string[] = [];
  const unbalanced = await copy.sql(`
    SELECT a.id, a.balance, coalesce(h.sum, 0) FROM account a
      FULL JOIN (SELECT account, sum(delta) FROM history GROUP BY account) h ON h.account = a.id
     WHERE a.id IS NULL OR a.balance <> coalesce(h.sum, 0) OR a.filler <> repeat('f', 80)`);
  if (unbalanced.length > 0) wrong.push(`${unbalanced.length} accounts are not the sum of their history, as ${unbalanced[0]?.join(" ") ?? ""}`);
  const strange = await copy.value(`
    SELECT count(*) FROM history WHERE account <> 1 + (number * 7919 + writer * 104729) % ${accounts} OR delta <> (number * 31 + writer) % 201 - 100`);
  if (strange !== "0") wrong.push(`${strange} rows of history are not what was written`);
  const scratch = await copy.value("SELECT count(*) FROM scratch WHERE length(content) <> 1600");
  if (scratch !== "0") wrong.push(`${scratch} rows of scratch are not what was written`);
  const writers = await copy.sql("SELECT writer, max(number), count(*) FROM history GROUP BY writer ORDER BY writer");
  for (const [writer = "", last, count] of writers) if (last !== count) wrong.push(`of writer ${writer} there are ${count ?? ""} rows up to ${last ?? ""}`);
  for (const [writer, number] of atLeast.entries()) {
    const last = Number(writers.find(([name]) => Number(name) === writer)?.[1] ?? 0);
    if (last < number) wrong.push(`of writer ${writer} acknowledged rows are missing: ${last} instead of ${number}`);
  }
  const rows = Number(await copy.value("SELECT (SELECT count(*) FROM account) + (SELECT count(*) FROM history) + (SELECT count(*) FROM scratch)"));
  if (Number(await copy.value("SELECT count(*) FROM account")) !== accounts) wrong.push("accounts are missing");
  return { rows, wrong };
}

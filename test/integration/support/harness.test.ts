import { connect } from "node:net";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { differences, expectSameContents, logicalDigest } from "../../support/compare-clusters.ts";
import { insertMarkers, markersIn, startMarkerLoop } from "../../support/marker-table.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import { descendantsOf, run, startProcess } from "../../support/processes.ts";
import { createTcpProxy } from "../../support/tcp-proxy.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

test("the comparison of contents sees a changed row, a lost row, a sequence, a large object and a role", async () => {
  const cluster = await createCluster();
  await cluster.sql(`CREATE TABLE "odd name" (id serial PRIMARY KEY, v text); INSERT INTO "odd name" (v) SELECT 'v' || i FROM generate_series(1, 100) i`);
  await cluster.sql("CREATE TABLE nokey (v text); INSERT INTO nokey VALUES ('a'), ('b')");
  await cluster.sql("CREATE DATABASE other");
  const base = await logicalDigest(cluster);
  await expectSameContents(base, cluster);
  await cluster.sql("UPDATE nokey SET v = v");
  await expectSameContents(base, cluster);
  const changes: [string, string][] = [
    [`UPDATE "odd name" SET v = 'w' WHERE id = 50`, 'public."odd name"'],
    ["DELETE FROM nokey WHERE v = 'a'", "public.nokey"],
    [`SELECT nextval('"odd name_id_seq"')`, "sequence"],
    ["SELECT lo_from_bytea(4711, 'abc')", "large object"],
    ["CREATE ROLE somebody", "role"],
    ["CREATE INDEX i ON nokey (v)", "index"],
  ];
  let before = base;
  for (const [statement, named] of changes) {
    await cluster.sql(statement);
    const after = await logicalDigest(cluster);
    const list = differences(before, after);
    expect(list.length).toBeGreaterThan(0);
    expect(list.every((line) => line.includes(named))).toBe(true);
    before = after;
  }
  await cluster.sql("CREATE TABLE t (n int)", { database: "other" });
  await expect(expectSameContents(before, cluster)).rejects.toThrow(/other table columns n integer of public.t: 0 rows/);
});

test("the marker loop outlives a crash and every acknowledged row is there afterwards", async () => {
  const cluster = await createCluster();
  const first = await insertMarkers(cluster, 1, 3);
  expect(first.map(({ n }) => n)).toEqual([1, 2, 3]);
  const loop = await startMarkerLoop(cluster, { fillerBytes: 100 });
  await loop.more(20);
  await cluster.kill9();
  await cluster.start();
  await loop.more(20);
  const acknowledged = await loop.stop();
  const found = new Set(await markersIn(cluster));
  expect(acknowledged.filter(({ n }) => !found.has(n))).toEqual([]);
  expect(acknowledged.length).toBeGreaterThanOrEqual(40);
});

test("the proxy passes bytes on, delays, goes silent, refuses, and cuts after an exact byte", async () => {
  const cluster = await createCluster();
  const proxy = await createTcpProxy({ host: "127.0.0.1", port: cluster.port });
  const options = { host: proxy.host, port: proxy.port, user: "postgres", database: "postgres" };
  const client = new pg.Client(options);
  client.on("error", () => undefined);
  await client.connect();
  expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  expect(proxy.connections()).toBe(1);

  proxy.faults.silent = true;
  let answered = false;
  const answer = client.query("SELECT 2 AS two").then((result) => {
    answered = true;
    return result;
  });
  // That something does not happen can only be seen by giving it time to happen.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(answered).toBe(false);
  proxy.faults.silent = false;
  expect((await answer).rows).toEqual([{ two: 2 }]);

  proxy.cut();
  await expect(client.query("SELECT 3")).rejects.toThrow();
  proxy.refuse(true);
  await expect(new pg.Client(options).connect()).rejects.toThrow();
  proxy.refuse(false);

  const socket = connect(proxy.port, proxy.host);
  let received = 0;
  socket.on("error", () => undefined);
  socket.on("data", (piece) => (received += piece.length));
  const cut = proxy.cutAfter(5);
  // A query message before the start-up packet: the server answers with an error of more than five bytes.
  socket.write(Buffer.from([0, 0, 0, 8, 0, 3, 0, 0]));
  await cut;
  await waitFor("the socket has ended", () => socket.readableEnded || socket.destroyed);
  expect(received).toBe(5);
  expect(proxy.passed().toClient).toBeGreaterThan(5);
});

test("a program is run with its output, found among the descendants, and killed by its pid", async () => {
  const done = await run("sh", ["-c", "cat; echo no >&2; exit 3"], { input: "yes" });
  expect(done).toEqual({ status: 3, signal: null, stdout: "yes", stderr: "no\n" });
  const sleeper = await startProcess("sleep", ["600"]);
  expect(descendantsOf(process.pid)).toContain(sleeper.pid);
  sleeper.kill("SIGKILL");
  expect((await sleeper.finished).signal).toBe("SIGKILL");
  await expect(startProcess("/nonexistent/program", [])).rejects.toThrow(/ENOENT/);
});

test("a temporary directory is gone after its removal", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory.path, "file"), "x");
  await directory.remove();
  expect(existsSync(directory.path)).toBe(false);
});

test("a wait that is in vain says what it waited for and what it saw", async () => {
  await expect(waitFor("pigs fly", () => false, { deadlineMs: 30, seen: () => "a pig" })).rejects.toThrow(
    "waited 0.03 s in vain until pigs fly; last seen: a pig",
  );
});

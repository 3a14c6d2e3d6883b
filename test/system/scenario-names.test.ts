/**
 * M06: names of databases, roles, tablespaces, servers, slots and files with everything in them that PostgreSQL
 * allows. They come back byte for byte: in the stored tree, in the lists that other tools read, in the documents.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { oddFileNames, oddNames } from "../support/odd-names.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { run, runOrFail } from "../support/processes.ts";
import { requires, tool } from "../support/requires.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus } from "./daemon-observation.ts";

const server = `s\u{1F418}'"\\%=#;,$(id)-${"x".repeat(63)}`;
const slot = "s".repeat(63);
const role = `r "o" 'l' \\ e=#;\u{1F418}`;
const databases = oddNames.filter((name) => /[\n\ud83d]|\xff/.test(name.toString()) || name.includes(0xff));

let cluster: Cluster;
let daemon: Daemon;
let label: string;
beforeAll(async () => {
  cluster = await createCluster({ hba: ["local replication all scram-sha-256"] });
  await nameThings();
  for (const [index, name] of oddFileNames.entries()) {
    writeFileSync(Buffer.concat([Buffer.from(`${cluster.dataDir}/`), name]), content(index));
  }
  giveToUnprivileged(cluster.dataDir);
  daemon = await createDaemon({ servers: [{ name: server, cluster, user: role, slot }] });
  await daemon.waitUntilStreaming(server);
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const content = (index: number): string => `odd file ${index}\n`.repeat(index);

/** Roles, databases and tablespaces by psql in a database without an encoding, which takes every byte. */
async function nameThings(): Promise<void> {
  const quoted = (name: Buffer, quote: string): Buffer =>
    Buffer.from(`${quote}${name.toString("latin1").replaceAll(quote, quote + quote)}${quote}`, "latin1");
  await cluster.sql("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0");
  const script: Buffer[] = [];
  const line = (...parts: readonly (string | Buffer)[]): number =>
    script.push(...parts.map((part) => Buffer.from(part)), Buffer.from(";\n"));
  for (const name of oddNames) line("CREATE ROLE ", quoted(name, '"'));
  for (const name of databases) line("CREATE DATABASE ", quoted(name, '"'), " ENCODING 'SQL_ASCII' TEMPLATE template0");
  for (const [index, name] of oddNames.entries()) {
    // PostgreSQL takes no quotation mark in a location.
    const location = Buffer.from(`${cluster.root}/${name.toString("latin1").replaceAll("'", "")}`, "latin1");
    mkdirSync(location, { mode: 0o700 });
    line("CREATE TABLESPACE ", quoted(name, '"'), " LOCATION ", quoted(location, "'"));
    line(`CREATE TABLE t${index} TABLESPACE `, quoted(name, '"'), ` AS SELECT ${index} AS n`);
  }
  giveToUnprivileged(cluster.root);
  await runOrFail(
    tool("psql"),
    [
      "-X",
      "-q",
      "-v",
      "ON_ERROR_STOP=1",
      "-h",
      cluster.socketDir,
      "-p",
      String(cluster.port),
      "-U",
      "postgres",
      "bytes",
    ],
    {
      env: { PATH: process.env["PATH"], PGCLIENTENCODING: "SQL_ASCII" },
      input: Buffer.concat(script),
      unprivileged: true,
    },
  );
}

const backupDirectory = (): string => join(daemon.baseDir, server, "backup", label);

requires("psql", "zstd", "sha256sum").describe("odd names", () => {
  it("of server, slot and role are streamed and backed up like others", async () => {
    const backup = await ask(daemon, "backup", server);
    expect(backup).toMatchObject({ Server: server, Valid: 1 });
    label = String(backup["Backup"]);
    expect((await serverStatus(daemon, server))["Server"]).toBe(server);
    expect(childrenTitled(daemon, "moneta: receiver")).toHaveLength(1);
    expect(await cluster.value("SELECT application_name FROM pg_stat_replication")).toBe(slot);
  });

  it("of files come back byte for byte, by tools that know nothing of us", async () => {
    const stored = join(backupDirectory(), "data");
    for (const [index, name] of oddFileNames.entries()) {
      const path = Buffer.concat([Buffer.from(`${stored}/`), name, Buffer.from(".zstd")]);
      const { status, stdout } = await run(tool("zstd"), ["-dc"], { input: readFileSync(path) });
      expect([name.toString("latin1"), status, stdout]).toEqual([name.toString("latin1"), 0, content(index)]);
    }
    const checked = await run(tool("sha256sum"), ["--check", "--strict", "--quiet", "backup.sha256"], {
      cwd: backupDirectory(),
    });
    expect([checked.status, checked.stdout, checked.stderr]).toEqual([0, "", ""]);
    const lines = readFileSync(join(backupDirectory(), "backup.sha256"), "latin1").trimEnd().split("\n").length;
    const found = await runOrFail("find", [backupDirectory(), "-type", "f", "-printf", "x"]);
    // All files but backup.info and the list itself.
    expect(lines).toBe(found.length - 2);
  });

  it("of tablespaces are told exactly, in every form of the documents", async () => {
    const expected = await cluster.sql(
      "SELECT encode(convert_to(pg_tablespace_location(oid), 'SQL_ASCII'), 'hex') FROM pg_tablespace WHERE oid > 16383",
      { database: "bytes" },
    );
    expect(expected).toHaveLength(oddNames.length);
    for (const format of ["json", "raw"] as const) {
      const { status, json } = await daemon.cli(["info", server, "newest"], { format });
      expect(status).toBe(0);
      const told = json?.Response["Tablespaces"] as readonly Readonly<Record<string, unknown>>[];
      const names = told.map((one) => asBytes(String(one["TablespaceName"])).toString("hex"));
      expect(new Set(names)).toEqual(new Set(oddNames.map((name) => name.toString("hex"))));
      const places = told.map((one) => asBytes(String(one["TablespacePath"])).toString("hex"));
      expect(new Set(places)).toEqual(new Set(expected.map((row) => row[0])));
    }
    const text = await daemon.cli(["info", server, "newest"], { format: "text" });
    expect(text.status).toBe(0);
    // No byte that a terminal would obey.
    expect(text.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  it("of everything come back in a restored server that PostgreSQL starts", async () => {
    const place = join(daemon.root, "re st'o\"red");
    mkdirSync(place);
    giveToUnprivileged(place);
    const restored = await ask(daemon, "restore", server, label, place);
    const dataDir = String(restored["Directory"]);
    for (const [index, name] of oddFileNames.entries()) {
      const path = Buffer.concat([Buffer.from(`${dataDir}/`), name]);
      expect([name.toString("latin1"), readFileSync(path, "utf8")]).toEqual([name.toString("latin1"), content(index)]);
    }
    const copy = await runOnDirectory({ major: 15, dataDir });
    try {
      await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", {
        seen: () => copy.log().slice(-2000),
      });
      for (const [column, table] of [
        ["rolname", "pg_roles"],
        ["datname", "pg_database"],
        ["spcname", "pg_tablespace"],
      ]) {
        const sql = `SELECT encode(convert_to(${column}, 'SQL_ASCII'), 'hex') FROM ${table} ORDER BY 1`;
        expect(await copy.sql(sql, { database: "bytes" })).toEqual(await cluster.sql(sql, { database: "bytes" }));
      }
      for (const [index] of oddNames.entries()) {
        expect(await copy.value(`SELECT n FROM t${index}`, { database: "bytes" })).toBe(String(index));
      }
    } finally {
      await copy.destroy();
    }
  });

  it("that would fall on one another in the repository stop the backup by name, and nothing is left of it", async () => {
    // A file gets the suffix that a directory beside it has by itself.
    mkdirSync(join(cluster.dataDir, "twin.zstd"));
    writeFileSync(join(cluster.dataDir, "twin"), "of a directory");
    giveToUnprivileged(cluster.dataDir);
    const refused = await daemon.cli(["backup", server], { format: "none" });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("twin");
    rmSync(join(cluster.dataDir, "twin"));
    await waitFor("nothing is left of it", () => readdirSync(join(daemon.baseDir, server, "backup")).length === 1);
  });

  it("are listed and deleted like others", async () => {
    expect(await ask(daemon, "list-backup", server)).toMatchObject({ Server: server, NumberOfBackups: 1 });
    expect(await ask(daemon, "delete", server, label)).toMatchObject({ Backup: label });
    expect(await ask(daemon, "list-backup", server)).toMatchObject({ NumberOfBackups: 0 });
  });
});

/** The bytes of a name in a document: what is no UTF-8 travels as U+DC00 and the byte (doc/formats/repository.md). */
function asBytes(text: string): Buffer {
  return Buffer.concat(
    [...text].map((character) => {
      const code = character.codePointAt(0) ?? 0;
      return code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character);
    }),
  );
}

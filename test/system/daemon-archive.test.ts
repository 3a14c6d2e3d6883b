/** Archives, restores with mapped tablespaces, and conversions of files, asked of the daemon and without it. */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers, markersIn, type Marker } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { sampleBytes } from "../support/sample-bytes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
let later: Marker[];
let place: string;
let oids: Map<string, string>;

const rows = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

beforeAll(async () => {
  cluster = await createCluster();
  const elsewhere = temporaryDirectory({ unprivileged: true }).path;
  for (const name of ["with space", "empty", "beside"]) await mkdir(join(elsewhere, name));
  giveToUnprivileged(elsewhere);
  await cluster.sql(`CREATE TABLESPACE spare LOCATION '${join(elsewhere, "with space")}'`);
  await cluster.sql(`CREATE TABLESPACE "no rows" LOCATION '${join(elsewhere, "empty")}'`);
  await cluster.sql(`CREATE TABLESPACE third LOCATION '${join(elsewhere, "beside")}'`);
  await cluster.sql("CREATE TABLE kept TABLESPACE spare AS SELECT g, md5(g::text) FROM generate_series(1, 20000) g");
  await cluster.sql("CREATE TABLE also TABLESPACE third AS SELECT 7 AS g");
  oids = new Map(
    (await cluster.sql("SELECT spcname, oid::text FROM pg_tablespace")).map(([name, oid]) => [
      String(name),
      String(oid),
    ]),
  );
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster }],
    settings: { encryption: "aes", compression: "zstd" },
  });
  await daemon.waitUntilStreaming("primary");
  await insertMarkers(cluster, 1, 10);
  await ask(daemon, "backup", "primary");
  later = await insertMarkers(cluster, 11, 20);
  const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
  const positionOf = (text: string): bigint => {
    const [high = "", low = ""] = text.split("/");
    return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
  };
  await waitFor("all of it is received", async () => {
    const [server] = (await daemon.look("status"))["Servers"] as [{ FlushedHiLSN: number; FlushedLoLSN: number }];
    return (BigInt(server.FlushedHiLSN) << 32n) + BigInt(server.FlushedLoLSN) >= positionOf(end);
  });
  place = join(daemon.root, "place");
  await mkdir(place);
  giveToUnprivileged(place);
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

/** Unpacks with tar alone; gives the data directory. */
async function unpack(tar: string, name: string): Promise<string> {
  const into = join(place, name);
  await mkdir(into);
  execFileSync("tar", ["-xpf", tar, "-C", into]);
  giveToUnprivileged(into);
  const [data = ""] = (await readdir(into)).filter((entry) => !entry.includes("tblspc"));
  return join(into, data);
}

/** Starts PostgreSQL there and says which markers it has. */
async function markersOf(dataDir: string): Promise<number[]> {
  const copy = await runOnDirectory({ major: 15, dataDir });
  try {
    await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", {
      seen: () => copy.log(),
    });
    expect(await copy.value("SELECT count(*) || ' ' || sum(length(md5)) FROM kept")).toBe("20000 640000");
    expect(await copy.value("SELECT g FROM also")).toBe("7");
    expect(await copy.value(`SELECT pg_tablespace_location(${oids.get("spare") ?? ""}) <> ''`)).toBe("t");
    return await markersIn(copy);
  } finally {
    await copy.destroy();
  }
}

describe("an archive", () => {
  let file: string;

  it("is made in one pass, compressed and encrypted as configured, and named in the answer", async () => {
    const directory = join(place, "archives");
    const answer = await ask(daemon, "archive", "primary", "newest", directory);
    file = String(answer["FileName"]);
    expect(answer).toMatchObject({ Server: "primary", MajorVersion: 15, ServerVersion: "0.22.0" });
    expect(file).toBe(join(directory, `archive-primary-${String(answer["Backup"])}.tar.zstd.aes`));
    expect(await readdir(directory)).toEqual([file.slice(directory.length + 1)]);
    expect(statSync(file)).toMatchObject({ mode: 0o100600, size: Number(answer["Size"]) });
    expect(readFileSync(file).subarray(0, 8).toString("latin1")).toBe("MONETA\0E");
  });

  it("is never written over another", async () => {
    const before = statSync(file).mtimeMs;
    const again = await daemon.cli(["archive", "primary", "newest", join(place, "archives")]);
    expect(again.status).toBe(22);
    expect(again.json?.Outcome).toMatchObject({
      Status: false,
      Code: "TARGET_EXISTS",
      Error: 908,
      Workflow: "archive",
    });
    expect(statSync(file).mtimeMs).toBe(before);
    expect(await readdir(join(place, "archives"))).toHaveLength(1);
  });

  it("is decrypted by the daemon, and the rest is done by zstd, tar and PostgreSQL alone", async () => {
    const decrypted = await ask(daemon, "decrypt", file);
    expect(decrypted).toMatchObject({ DestinationFile: file.replace(/\.aes$/, "") });
    execFileSync("zstd", ["-dq", "--rm", file.replace(/\.aes$/, "")]);
    const tar = file.replace(/\.zstd\.aes$/, "");
    const listed = execFileSync("tar", ["-tf", tar]).toString().trim().split("\n");
    // Whoever unpacks only a part has no cluster.
    expect(listed.at(-1)).toMatch(/\/global\/pg_control$/);
    const dataDir = await unpack(tar, "unpacked");
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    const spare = oids.get("spare") ?? "";
    expect(readlinkSync(join(dataDir, "pg_tblspc", spare))).toMatch(/^\.\.\/\.\.\/primary-\d{14}-tblspc_spare$/);
    expect(existsSync(join(dataDir, "pg_tblspc", oids.get("no rows") ?? ""))).toBe(true);
    expect(readFileSync(join(dataDir, "tablespace_map"), "utf8")).toBe("");
    // The WAL to consistency, and no more.
    expect(await markersOf(dataDir)).toEqual(rows(1, 10));
  });

  it("holds the WAL to its position", async () => {
    const directory = join(place, "position");
    const position = `lsn=${later[4]?.lsn ?? ""}`;
    const answer = await ask(daemon, "archive", "primary", "newest", position, directory);
    const sealed = String(answer["FileName"]);
    await ask(daemon, "decrypt", sealed);
    const packed = sealed.replace(/\.aes$/, "");
    expect(await ask(daemon, "decompress", packed)).toMatchObject({ DestinationFile: packed.replace(/\.zstd$/, "") });
    expect(await markersOf(await unpack(packed.replace(/\.zstd$/, ""), "to-position"))).toEqual(rows(1, 14));
  });

  it("is refused where a restore would be, and leaves no directory", async () => {
    const unreachable = await daemon.cli(["archive", "primary", "newest", "lsn=FFFFFF/0", join(place, "none")]);
    expect(unreachable.json?.Outcome).toMatchObject({ Status: false, Code: "RESTORE_TARGET_UNREACHABLE" });
    const within = await daemon.cli(["archive", "primary", "newest", join(daemon.baseDir, "primary")]);
    expect(within.json?.Outcome).toMatchObject({ Status: false, Code: "RESTORE_DIRECTORY_REFUSED" });
    const unknown = await daemon.cli(["archive", "primary", "19990101000000", join(place, "none")]);
    expect(unknown.json?.Outcome).toMatchObject({ Status: false, Error: 900 });
    expect(existsSync(join(place, "none"))).toBe(false);
  });
});

describe("tablespaces of a restore", () => {
  const restore = (target: string, ...options: string[]): Promise<Readonly<Record<string, unknown>>> =>
    ask(daemon, "restore", "--copy-wal", ...options, "primary", "newest", "immediate", target);

  it("go where they are mapped: by name, by OID, the others all to one place", async () => {
    const mapped = join(place, "mapped by name");
    const byOid = join(place, "by-oid");
    const answer = await restore(
      join(place, "map"),
      ...["--tablespace-map", `spare=${mapped}`, "--tablespace-map", `${oids.get("third") ?? ""}=${byOid}`],
      ...["--tablespace-map-all", join(place, "all")],
    );
    const dataDir = String(answer["Directory"]);
    const linkOf = (name: string): string => readlinkSync(join(dataDir, "pg_tblspc", oids.get(name) ?? ""));
    expect(linkOf("spare")).toBe(mapped);
    expect(linkOf("third")).toBe(byOid);
    expect(linkOf("no rows")).toMatch(new RegExp(`^${join(place, "all")}/primary-\\d{14}-tblspc_no%20rows$`));
    expect(await readdir(mapped)).toEqual([expect.stringMatching(/^PG_15_/)]);
    expect(await markersOf(dataDir)).toEqual(rows(1, 10));
  });

  it("are refused before anything is written when the map cannot be followed", async () => {
    const full = join(place, "mapped by name");
    const target = join(place, "refused");
    const cases: [options: string[], code: string][] = [
      [["--tablespace-map", `absent=${join(place, "x")}`], "RESTORE_TABLESPACE_MAP"],
      [["--tablespace-map", `spare=${full}`], "RESTORE_DIRECTORY_REFUSED"],
      [["--tablespace-map", `spare=${join(daemon.baseDir, "x")}`], "RESTORE_DIRECTORY_REFUSED"],
      [["--tablespace-map", `spare=${join(cluster.dataDir, "x")}`], "RESTORE_DIRECTORY_REFUSED"],
      [
        ["--tablespace-map", `spare=${join(place, "x")}`, "--tablespace-map", `third=${join(place, "x", "y")}`],
        "RESTORE_TABLESPACE_MAP",
      ],
      [
        ["--tablespace-map", `spare=${join(place, "x")}`, "--tablespace-map", `third=${join(place, "x")}`],
        "RESTORE_TABLESPACE_MAP",
      ],
      [
        [
          "--tablespace-map",
          `spare=${join(place, "x")}`,
          "--tablespace-map",
          `${oids.get("spare") ?? ""}=${join(place, "z")}`,
        ],
        "RESTORE_TABLESPACE_MAP",
      ],
    ];
    for (const [options, code] of cases) {
      const refused = await daemon.cli(["restore", ...options, "primary", "newest", "immediate", target]);
      expect(refused.json?.Outcome, options.join(" ")).toMatchObject({ Status: false, Code: code });
    }
    expect(existsSync(target)).toBe(false);
    expect(existsSync(join(place, "x"))).toBe(false);
    const nonsense = await daemon.cli(["restore", "--tablespace-map", "spare", "primary", "newest", target]);
    expect(nonsense.status).toBe(2);
  });
});

describe("conversions of files", () => {
  it("are done by the daemon, which says where the result is, and what is wrong", async () => {
    const file = join(place, "notes.txt");
    writeFileSync(file, "hello ".repeat(1000));
    giveToUnprivileged(file);
    const compressed = await ask(daemon, "compress", file);
    expect(compressed).toEqual({
      DestinationFile: `${file}.zstd`,
      SourceSize: 6000,
      DestinationSize: expect.any(Number) as number,
      ServerVersion: "0.22.0",
    });
    await ask(daemon, "encrypt", `${file}.zstd`);
    const absent = await daemon.cli(["encrypt", file]);
    expect(absent.status).toBe(5);
    expect(absent.json?.Outcome).toMatchObject({
      Status: false,
      Error: 1500,
      Workflow: "aes",
      Code: "CONVERT_NO_FILE",
    });
    const shown = await daemon.cli(["decrypt", `${file}.zstd.aes`], { format: "text" });
    expect(shown.stdout).toContain(`Decrypted to ${file}.zstd`);
    const [segment = ""] = (await readdir(join(daemon.baseDir, "primary", "wal"))).filter((name) =>
      name.endsWith(".aes"),
    );
    const own = await daemon.cli(["decrypt", join(daemon.baseDir, "primary", "wal", segment)]);
    expect(own.json?.Outcome).toMatchObject({ Status: false, Code: "CONVERT_REFUSED" });
    expect(existsSync(join(daemon.baseDir, "primary", "wal", segment))).toBe(true);
  });

  it("are followed and cancelled by their file, which is as it was then", async () => {
    const directory = join(place, "large");
    mkdirSync(directory);
    const file = join(directory, "dump");
    const piece = sampleBytes(8 * 1024 * 1024, "text");
    for (let number = 0; number < 8; number += 1) appendFileSync(file, piece);
    for (const path of [directory, file]) giveToUnprivileged(path);
    // At its hardest zstd takes many seconds for it.
    await ask(daemon, "conf", "set", "compression_level", "22");
    const client = await daemon.startCli(["compress", file], { format: "text" });
    const seen = await waitFor("it is under way", async () => {
      const progress = await ask(daemon, "progress", "--file", file);
      return Number(progress["Done"]) > 0 && progress;
    });
    expect(seen).toMatchObject({ Command: "compress", SourceFile: file, State: "running", Total: 2 * statSync(file).size });
    await waitFor("the client says so", () => client.stderr().includes(`compress of ${file} (job file-`));
    const { stdout } = await daemon.cli(["cancel", "--file", file], { format: "text" });
    expect(stdout).toMatch(/^Cancelled job file-\d+ \(compress\) of /);
    const { status, stderr } = await client.finished;
    expect([status, stderr]).toEqual([20, expect.stringContaining("JOB_CANCELLED") as string]);
    expect(await readdir(directory)).toEqual(["dump"]);
    expect((await ask(daemon, "progress"))["Last"]).toMatchObject({ SourceFile: file, State: "cancelled", Code: "JOB_CANCELLED" });
    await ask(daemon, "conf", "set", "compression_level", "3");
  });
});

describe("without a daemon", () => {
  it("the same is done from repository, configuration and master key", async () => {
    await daemon.stop();
    const file = join(place, "notes.txt.zstd");
    const here = ["-D", daemon.configDir];
    expect(await ask(daemon, ...here, "decompress", file)).toMatchObject({ DestinationFile: join(place, "notes.txt") });
    expect(readFileSync(join(place, "notes.txt"), "utf8")).toBe("hello ".repeat(1000));
    const directory = join(place, "offline");
    const offline = [...here, "--offline"];
    const answer = await ask(daemon, ...offline, "archive", "primary", "newest", "primary", directory);
    const sealed = String(answer["FileName"]);
    await ask(daemon, ...here, "decrypt", sealed);
    await ask(daemon, ...here, "decompress", sealed.replace(/\.aes$/, ""));
    expect(await markersOf(await unpack(sealed.replace(/\.zstd\.aes$/, ""), "offline-unpacked"))).toEqual(rows(1, 20));
    const mapped = join(place, "offline-mapped");
    await ask(
      daemon,
      ...offline,
      "restore",
      "--tablespace-map-all",
      mapped,
      "primary",
      "newest",
      "immediate",
      join(place, "offline-restored"),
    );
    expect((await readdir(mapped)).length).toBe(3);
  });

  it("an archive of a damaged backup is no archive", async () => {
    const backups = join(daemon.baseDir, "primary", "backup");
    const [label = ""] = await readdir(backups);
    const path = join(backups, label, "data", "base", "1");
    const [victim = ""] = (await readdir(path)).filter((name) => name.startsWith("1259."));
    truncateSync(join(path, victim), statSync(join(path, victim)).size - 1);
    const directory = join(place, "damaged");
    const refused = await daemon.cli(["-D", daemon.configDir, "--offline", "archive", "primary", "newest", directory]);
    expect(refused.json?.Outcome).toMatchObject({ Status: false, Code: "STORED_FILE_DAMAGED" });
    expect(refused.stderr + refused.stdout).toContain("1259");
    expect(existsSync(directory)).toBe(false);
  });
});

import { existsSync, mkdirSync, readdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRig, type Rig } from "./rig.ts";

let source: Cluster;
let rig: Rig;
let info: BackupInfo;
let elsewhere: string;

beforeAll(async () => {
  source = await createCluster();
  elsewhere = temporaryDirectory({ unprivileged: true }).path;
  mkdirSync(join(elsewhere, "space here"));
  await source.sql(`CREATE TABLESPACE spare LOCATION '${join(elsewhere, "space here")}'`);
  await source.sql("CREATE TABLE kept TABLESPACE spare AS SELECT g, md5(g::text) FROM generate_series(1, 50000) g");
  rig = await createRig(source);
  info = await rig.backup();
  await rig.caughtUp();
  await rig.stopReceiver();
});

const fresh = (): string => temporaryDirectory({ prefix: "mrest", unprivileged: true }).path;
const dataOf = (directory: string): string => join(directory, `primary-${info.label}`);
const spaceOf = (directory: string): string => join(directory, `primary-${info.label}-tblspc_spare`);

describe("a restore writes nowhere but into what is absent or empty", () => {
  const refused: [what: string, make: (directory: string) => void, message: RegExp][] = [
    ["a directory with something in it", (d) => writeTo(join(dataOf(d), "precious"), "x"), /is not empty \(precious, …\)/],
    ["a tablespace directory with something in it", (d) => writeTo(join(spaceOf(d), "precious"), "x"), /tblspc_spare" is not empty/],
    ["a file", (d) => writeTo(dataOf(d), "x"), /is not a directory/],
    ["a symbolic link, also to an empty directory", (d) => symlinkSync(elsewhere, dataOf(d)), /is a symbolic link to/],
    ["a marker of nobody", (d) => writeTo(join(dataOf(d), "moneta_restore_unfinished.json"), "{"), /is not empty/],
    [
      "a finished cluster, whatever marker lies in it",
      (d) => {
        writeTo(join(dataOf(d), "global/pg_control"), "x");
        writeTo(join(dataOf(d), "moneta_restore_unfinished.json"), JSON.stringify(marker(d, 1)));
      },
      /is not empty/,
    ],
    [
      "the data directory of a running server",
      (d) => writeTo(join(dataOf(d), "postmaster.pid"), `${source.pid() ?? 0}\n`),
      /is the data directory of a PostgreSQL server that runs \(pid \d+\)/,
    ],
  ];

  it.each(refused)("refuses %s, and leaves it as it was", async (_what, make, message) => {
    const directory = fresh();
    make(directory);
    const before = listing(directory);
    await expect(rig.restore({ directory })).rejects.toThrow(message);
    expect(listing(directory)).toEqual(before);
  });

  it("refuses a directory in the repository, and a path that is not absolute", async () => {
    await expect(rig.restore({ directory: join(rig.storage.root, "here") })).rejects.toThrow(/lies in the repository/);
    await expect(rig.restore({ directory: "relative" })).rejects.toThrow(/is not an absolute path/);
  });

  it("refuses a place in the data directory of a server, of the source above all", async () => {
    const before = readdirSync(source.dataDir).sort();
    for (const directory of [source.dataDir, join(source.dataDir, "new", "place")]) {
      await expect(rig.restore({ directory })).rejects.toThrow(`lies in the data directory "${realpathSync(source.dataDir)}" of a PostgreSQL server`);
    }
    expect(readdirSync(source.dataDir).sort()).toEqual(before);
  });

  it("takes an empty directory and one that is not there yet", async () => {
    const directory = join(fresh(), "a/b");
    mkdirSync(dataOf(directory), { recursive: true });
    const { plan } = await rig.restore({ directory });
    expect(plan.directory).toBe(dataOf(directory));
    expect(existsSync(join(plan.directory, "moneta_restore_unfinished.json"))).toBe(false);
  });

  it("takes away what it wrote when it is cancelled, and keeps what was there", async () => {
    const directory = fresh();
    mkdirSync(dataOf(directory));
    const { restore } = await import("../../../src/restore/index.ts");
    const { dependencies } = await import("./rig.ts");
    const controller = new AbortController();
    const progress = ({ bytesDone }: { bytesDone: number }): void => {
      if (bytesDone > 3_000_000) controller.abort("enough");
    };
    await expect(restore(rig.options({ directory }), { ...dependencies(controller.signal), progress })).rejects.toMatchObject({ code: "ABORTED" });
    expect(listing(directory)).toEqual([`primary-${info.label}`]);
  });
});

function writeTo(path: string, content: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
}

function listing(directory: string): string[] {
  return (readdirSync(directory, { recursive: true }) as string[]).sort();
}

function marker(directory: string, pid: number): object {
  return { server: "primary", label: info.label, writer: { host: "here", pid, boot: "", locked: true }, directories: [dataOf(directory)] };
}

afterAll(async () => {
  await source.destroy();
});

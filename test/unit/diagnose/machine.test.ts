import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { describeProcesses, installationPlans, machinePlans, makeParts } from "../../../src/diagnose/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let directory: string;
beforeEach(() => {
  directory = temporaryDirectory({ prefix: "dim" }).path;
});

const facts = { version: "1.2.3", versions: process.versions, pid: process.pid, now: Date.now() };
const { signal } = new AbortController();
const made = async (plans: Parameters<typeof makeParts>[0]) => new Map((await makeParts(plans, signal)).map((part) => [part.name, part]));

describe("the machine", () => {
  it("is told as the system tells it", async () => {
    const parts = await made(machinePlans(facts));
    const system = JSON.parse(parts.get("machine/system.json")?.text ?? "") as { moneta: string; node: { node: string }; system: { release: string }; memoryBytes: { total: number } };
    expect(system.moneta).toBe("1.2.3");
    expect(system.node.node).toBe(process.versions.node);
    expect(system.system.release).toBe(execFileSync("uname", ["-r"], { encoding: "utf8" }).trim());
    expect(system.memoryBytes.total).toBe(Number(/MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024);
    expect(parts.get("machine/limits.txt")?.text).toContain("Max open files");
  });

  it("names its processes with their memory, and says of one that is gone that it is", async () => {
    const { text } = await describeProcesses([
      { pid: process.pid, kind: "supervisor", server: "", command: "" },
      { pid: 4_194_304, kind: "job", server: "a", command: "backup" },
    ]);
    const [own, gone] = JSON.parse(text) as [{ VmRSS: string; openFiles: number }, { error: string }];
    expect(own.VmRSS).toMatch(/^\d+ kB$/);
    expect(own.openFiles).toBeGreaterThan(2);
    expect(gone.error).toContain("ENOENT");
  });
});

describe("an installation", () => {
  const installation = () => ({
    log: { type: "file", path: join(directory, "moneta.log") } as const,
    places: [directory, directory, join(directory, "not", "there", "yet")],
    programs: { configured: [join(directory, "bin")], path: `${directory}/path:/usr/bin:relative` },
    storage: openLocalStorage(directory),
    servers: [{ name: "primary", segmentSize: 1024 * 1024 }],
  });

  it("has its programs run for their versions, and tells of one that cannot be run", async () => {
    for (const place of ["bin", "path"]) mkdirSync(join(directory, place));
    for (const [path, text] of [
      ["bin/postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 15.18'\n"],
      ["bin/psql", "#!/bin/sh\nexit 3\n"],
      ["path/zstd", "#!/bin/sh\necho '*** Zstandard CLI v9 ***'\n"],
    ] as const) {
      writeFileSync(join(directory, path), text);
      chmodSync(join(directory, path), 0o755);
    }
    const text = (await made(installationPlans(installation(), facts))).get("machine/programs.txt")?.text ?? "";
    expect(text).toContain(`${directory}/bin/postgres: postgres (PostgreSQL) 15.18\n`);
    expect(text).toContain(`${directory}/bin/psql: ended with exit status 3\n`);
    expect(text).toContain(`${directory}/path/zstd: *** Zstandard CLI v9 ***\n`);
  });

  it("tells its room as df does, each place once, and that of one that is made later", async () => {
    const rooms = JSON.parse((await made(installationPlans(installation(), facts))).get("machine/room.json")?.text ?? "") as Record<string, { total: number }>;
    const total = Number(execFileSync("df", ["-B1", "--output=size", directory], { encoding: "utf8" }).split("\n")[1]);
    expect(Object.entries(rooms).map(([path, { total: bytes }]) => [path, bytes])).toEqual([
      [directory, total],
      [join(directory, "not", "there", "yet"), total],
    ]);
  });

  it("has the metadata of its newest backups, jobs, and a summary of its WAL", async () => {
    const labels = Array.from({ length: 25 }, (_, index) => `202601010000${String(index).padStart(2, "0")}`);
    for (const label of labels) {
      mkdirSync(join(directory, "primary", "backup", label), { recursive: true });
      writeFileSync(join(directory, "primary", "backup", label, "backup.info"), `LABEL=${label}\n`);
    }
    mkdirSync(join(directory, "primary", "wal"));
    for (const name of ["000000010000000000000002", "000000010000000000000003"]) writeFileSync(join(directory, "primary", "wal", name), Buffer.alloc(1024 * 1024));
    writeFileSync(join(directory, "primary", "jobs.json"), `{"jobs": []}\n`);
    writeFileSync(join(directory, "moneta.log"), "a line\n");
    const parts = await made(installationPlans(installation(), facts));
    const infos = parts.get("repository/primary/backup.info.txt");
    expect([...(infos?.text ?? "").matchAll(/^LABEL=(\d+)$/gm)].map(([, label]) => label)).toEqual(labels.slice(5));
    expect(infos?.remark).toBe("those of the newest 20 of 25 backups");
    expect(JSON.parse(parts.get("repository/primary/wal.json")?.text ?? "")).toMatchObject({
      files: 2,
      bytes: 2 * 1024 * 1024,
      stretches: [{ timeline: 1, start: "0/200000", end: "0/400000", segments: 2 }],
      gaps: [],
      unarchivedCount: 2,
    });
    expect(parts.get("repository/primary/jobs.json")?.text).toBe(`{"jobs": []}\n`);
    expect(parts.get("repository/primary/schedule.json")).toMatchObject({ text: "", remark: "there is no such file" });
    expect(parts.get("log/moneta.log")?.text).toBe("a line\n");
  });
});

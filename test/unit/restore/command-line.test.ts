import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { dataPath } from "../../../src/repository/index.ts";
import { recoveryEndCommand, restoreCommand } from "../../../src/restore/command-line.ts";
import { isOwnFile } from "../../../src/restore/own-files.ts";
import { leaveNote } from "../../../src/restore/segment-note.ts";
import { startProcess } from "../../support/processes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

const segment = "000000010000000000000004";

describe("restore_command", () => {
  let root: string;
  let script: string;
  let data: string;

  beforeEach(() => {
    root = join(temporaryDirectory().path, "it's 100% odd");
    script = join(root, "moneta cli.mjs");
    data = join(root, "data");
    mkdirSync(join(data, "pg_wal"), { recursive: true });
    // Says what it was called with and ends as it is told.
    writeFileSync(script, "console.log(JSON.stringify(process.argv.slice(2))); process.exit(Number(process.env.STATUS));");
  });

  /** As PostgreSQL runs it: escapes replaced, by the shell, in the data directory. */
  function run(status: number, node = process.execPath) {
    const line = restoreCommand({ node, script, arguments: ["-D", join(root, "etc")] }, "prim'ary");
    const replaced = line.replaceAll(/%[fp%]/g, (escape) =>
      escape === "%f" ? segment : escape === "%p" ? "pg_wal/RECOVERYXLOG" : "%",
    );
    return spawnSync("/bin/sh", ["-c", replaced], { cwd: data, encoding: "utf8", env: { STATUS: String(status) } });
  }

  it.each([
    [0, 0],
    [100, 1],
    [126, 126],
    [143, 143],
    // Statuses that Node ends with by itself: never the end of the archive.
    [1, 126],
    [9, 126],
    [13, 126],
  ])("translates the program's %i into %i", (status, due) => {
    const { status: ended, stdout } = run(status);
    expect(ended).toBe(due);
    const words = ["-D", join(root, "etc"), "wal-get", "--plan", "moneta_recovery.json", "--", "prim'ary", segment];
    expect(JSON.parse(stdout)).toEqual([...words, "pg_wal/RECOVERYXLOG"]);
  });

  it("stops recovery when the program or Node is gone: neither is the end of the archive", () => {
    expect(run(0, join(root, "no node")).status).toBeGreaterThanOrEqual(126);
    rmSync(script);
    expect(run(0).status).toBeGreaterThanOrEqual(126);
  });

  it("takes what lies ready without the program, but not when the program is gone", () => {
    const ready = join(data, "moneta_wal", segment);
    mkdirSync(join(data, "moneta_wal"));
    writeFileSync(ready, "WAL");
    expect(run(1)).toMatchObject({ status: 0, stdout: "" });
    expect(readFileSync(join(data, "pg_wal", "RECOVERYXLOG"), "utf8")).toBe("WAL");
    expect(existsSync(ready)).toBe(false);
  });

  it("says first what there is to say about it, and only of the segment that is taken", () => {
    const directory = join(data, "moneta_wal");
    const other = "000000010000000000000005";
    mkdirSync(directory);
    writeFileSync(join(directory, segment), "WAL");
    leaveNote(directory, segment, `${segment} is 100% "odd" $(and) it's said`);
    leaveNote(directory, other, "of another one");
    expect(run(1)).toMatchObject({ status: 0, stdout: "", stderr: `${segment} is 100% "odd" $(and) it's said\n` });
    expect(readFileSync(join(data, "pg_wal", "RECOVERYXLOG"), "utf8")).toBe("WAL");
    expect(readdirSync(directory)).toEqual([`${other}.why`]);
  });

  it("asks the program when what lies ready cannot be moved", () => {
    mkdirSync(join(data, "moneta_wal"));
    writeFileSync(join(data, "moneta_wal", segment), "WAL");
    chmodSync(join(data, "pg_wal"), 0o500);
    const { status } = run(126);
    chmodSync(join(data, "pg_wal"), 0o700);
    // Root may write there all the same.
    expect(status).toBe(process.getuid?.() === 0 ? 0 : 126);
  });
});

describe("recovery_end_command", () => {
  const run = (cwd: string) => spawnSync("/bin/sh", ["-c", recoveryEndCommand], { cwd, encoding: "utf8" });
  const well = { status: 0, stdout: "", stderr: "" };

  it("removes what lay ready while a process still adds to it", async () => {
    const data = temporaryDirectory().path;
    for (let round = 0; round < 5; round += 1) {
      mkdirSync(join(data, "moneta_wal"));
      // As the process that keeps segments ready: by names in the directory, until that is gone.
      const loop = "i=0; while echo WAL > moneta_wal/$i; do i=$(( (i + 1) % 200 )); done 2> /dev/null; exit 0";
      const adding = await startProcess("/bin/sh", ["-c", loop], { cwd: data });
      await waitFor("it adds", () => readdirSync(join(data, "moneta_wal")).length === 200);
      expect(run(data)).toMatchObject(well);
      expect(await adding.finished).toMatchObject({ status: 0 });
      expect(readdirSync(data)).toEqual([]);
    }
  });

  it("removes what an end that was cut off left, and the marker, and is content with nothing", () => {
    const data = temporaryDirectory().path;
    for (const name of ["moneta_wal", "moneta_wal.old"]) {
      mkdirSync(join(data, name));
      writeFileSync(join(data, name, segment), "WAL");
    }
    writeFileSync(join(data, "moneta_restore_unfinished.json"), "{}");
    writeFileSync(join(data, "PG_VERSION"), "15");
    expect(run(data)).toMatchObject(well);
    expect(run(data)).toMatchObject(well);
    expect(readdirSync(data)).toEqual(["PG_VERSION"]);
  });

  it("cut off, leaves nothing that a restore takes from a backup", () => {
    for (const name of ["moneta_wal", "moneta_wal.old", `moneta_wal.old/${segment}`]) expect([name, isOwnFile(dataPath(name))]).toEqual([name, true]);
    expect(isOwnFile(dataPath("moneta_wal.older"))).toBe(false);
  });
});

/** Hooks with real programs. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { createLogger, type LogRecord } from "../../../src/log/index.ts";
import { createHooks, everyHookHas, hookNames, hookTable, hookVariables, type HookName, type Hooks, type HooksOptions } from "../../../src/hooks/index.ts";
import { isAlive } from "../../support/processes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

const directory = temporaryDirectory({ prefix: "mhooks" }).path;
const at = (name: string): string => join(directory, name);
const lines: LogRecord[] = [];

async function program(name: string, script: string): Promise<string> {
  await writeFile(at(name), `#!/bin/sh\n${script}\n`);
  await chmod(at(name), 0o755);
  return at(name);
}

function hooks(programs: Partial<Record<HookName, string>>, more: Partial<HooksOptions> = {}): Hooks {
  lines.length = 0;
  return createHooks({
    server: "primary",
    baseDir: "/b",
    job: "backup",
    programs,
    timeLimitMs: 60_000,
    environment: { PATH: process.env["PATH"] ?? "" },
    logger: createLogger(["test"], "debug", (record) => lines.push(record)),
    signal: new AbortController().signal,
    ...more,
  });
}

let good: string;
let bad: string;
beforeAll(async () => {
  good = await program("good", `env | grep MONETA_ | sort >> ${at("seen")}; echo fine`);
  bad = await program("bad", "echo working; echo 'no backup today' >&2; exit 3");
});

describe("a hook before", () => {
  it("gets what the table promises, and nothing of the environment that it should not see", async () => {
    await hooks({ before_delete: good }).before("before_delete", { MONETA_BACKUP: "20261120083824" });
    const seen = (await readFile(at("seen"), "utf8")).trim().split("\n");
    expect(seen.map((line) => line.split("=")[0])).toEqual([...everyHookHas, ...hookTable.before_delete.variables].toSorted());
    expect(seen).toContain("MONETA_BACKUP=20261120083824");
    expect(lines.map(({ message }) => message)).toContain("hook before_delete: fine");
  });

  it("refuses with its exit status and its last line, all of which is in the log", async () => {
    await expect(hooks({ before_backup: bad }).before("before_backup", {})).rejects.toMatchObject({
      code: "HOOK_REFUSED",
      message: `hook before_backup refuses: "${bad}" ended with exit status 3, saying: no backup today`,
    });
    expect(lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual(["hook before_backup: working", "hook before_backup: no backup today"]);
  });

  it("refuses when a signal ends it", async () => {
    const path = await program("killed", "kill -9 $$");
    await expect(hooks({ before_backup: path }).before("before_backup", {})).rejects.toMatchObject({ code: "HOOK_REFUSED", message: expect.stringContaining("was ended by SIGKILL") as string });
  });

  it("refuses when it cannot be started", async () => {
    await expect(hooks({ before_backup: at("missing") }).before("before_backup", {})).rejects.toMatchObject({ code: "HOOK_NOT_STARTED" });
  });

  it("is killed at its limit, with what it has started", async () => {
    const path = await program("slow", `trap '' TERM; sleep 1000 & echo $! > ${at("child")}; wait; sleep 1000`);
    await expect(hooks({ before_backup: path }, { timeLimitMs: 300 }).before("before_backup", {})).rejects.toMatchObject({ code: "HOOK_TIME_LIMIT" });
    const child = Number(await readFile(at("child"), "utf8"));
    await waitFor("what it has started is gone", () => !isAlive(child));
  });

  it("ends with the job that is told to end", async () => {
    const control = new AbortController();
    const path = await program("patient", `echo begun > ${at("begun")}; sleep 1000`);
    const refused = expect(hooks({ before_backup: path }, { signal: control.signal }).before("before_backup", {})).rejects.toMatchObject({ code: "ABORTED" });
    await waitFor("it runs", async () => (await readFile(at("begun"), "utf8").catch(() => "")) !== "");
    control.abort();
    await refused;
  });

  it("does not read for ever what something that it left behind has open", async () => {
    const path = await program("daemoniser", `sleep 1000 & echo $! > ${at("left")}; echo done`);
    await hooks({ before_backup: path }).before("before_backup", {});
    process.kill(Number(await readFile(at("left"), "utf8")));
  });

  it("keeps the beginning and the end of much output", async () => {
    const path = await program("talker", "echo first; i=0; while [ $i -lt 3000 ]; do echo line $i of many; i=$((i+1)); done; echo last");
    await hooks({ before_backup: path }).before("before_backup", {});
    const said = lines.map(({ message }) => message).filter((message) => message.startsWith("hook"));
    expect(said.length).toBeLessThanOrEqual(202);
    expect(said.some((message) => message.endsWith(": first"))).toBe(true);
  });
});

describe("a hook after", () => {
  it("learns how it went, and its failure is a sentence and no error", async () => {
    const notes: string[] = [];
    const around = hooks({ after_backup: bad });
    await expect(around.around("backup", {}, async () => 7, { note: (sentence) => notes.push(sentence) })).resolves.toBe(7);
    expect(notes).toEqual([`hook after_backup failed: "${bad}" ended with exit status 3, saying: no backup today`]);
  });

  it("is told of a failure, which stays what it is", async () => {
    await writeFile(at("seen"), "");
    const failure = Object.assign(new Error("no space"), { code: "X" });
    await expect(hooks({ after_backup: good }).around("backup", {}, () => Promise.reject(failure), { note: () => undefined })).rejects.toBe(failure);
    expect(await readFile(at("seen"), "utf8")).toMatch(/MONETA_CODE=UNEXPECTED\n.*MONETA_MESSAGE=no space\nMONETA_RESULT=failed\n/s);
  });

  it("does not run when the hook before has refused", async () => {
    await writeFile(at("seen"), "");
    let done = false;
    const act = async (): Promise<void> => {
      done = true;
    };
    await expect(hooks({ before_backup: bad, after_backup: good }).around("backup", {}, act, { note: () => undefined })).rejects.toMatchObject({ code: "HOOK_REFUSED" });
    expect(done).toBe(false);
    expect(await readFile(at("seen"), "utf8")).toBe("");
  });
});

it("the table knows every hook, and names only variables that there are", () => {
  expect(Object.keys(hookTable)).toEqual([...hookNames]);
  for (const { variables } of Object.values(hookTable)) for (const name of variables) expect(hookVariables).toHaveProperty(name);
});

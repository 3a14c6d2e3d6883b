import { readFile, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { Report } from "../bench/report/index.ts";
import { startProcess, run } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { waitFor } from "../support/wait-for.ts";

const root = resolve(import.meta.dirname, "../..");
const program = resolve(root, "test/bench/main.ts");
const arguments_ = ["--import", "tsx", program, "--only", "13", "--scale", "1", "--runs", "1"];

describe("npm run bench", () => {
  it("measures a line at the smallest size, writes what it found, and leaves nothing behind", async () => {
    const { path } = temporaryDirectory({ prefix: "mbt", unprivileged: true });
    const json = join(path, "report.json");
    const env = environment(path);
    const done = await run(process.execPath, [...arguments_, "--json", json], { cwd: root, env, unprivileged: true });
    expect(done.stderr).toBe("");
    expect(done.status).toBe(0);
    const report = JSON.parse(await readFile(json, "utf8")) as Report;
    expect(report.findings.map(({ number }) => number)).toEqual([13]);
    expect(report.findings[0]?.verdicts.map(({ measured }) => typeof measured)).toEqual(["number", "number"]);
    expect(done.stdout).toContain("start to first ping ≤ 0.35 s");
    expect(await remains(path)).toEqual(["report.json"]);
  });

  it("stops its servers and removes its files when it is interrupted", async () => {
    const { path } = temporaryDirectory({ prefix: "mbt", unprivileged: true });
    const env = environment(path);
    const bench = await startProcess(process.execPath, arguments_, { cwd: root, env, unprivileged: true });
    await waitFor("the cluster runs", () => hasServer(path));
    bench.kill("SIGINT");
    expect((await bench.finished).status).toBe(130);
    expect(await remains(path)).toEqual([]);
  });
});

/** What the benchmarks make lies below `path`, their servers as well. */
function environment(path: string): NodeJS.ProcessEnv {
  return { ...process.env, TMPDIR: path, MONETA_TEST_MEMORY: undefined };
}

async function hasServer(path: string): Promise<boolean> {
  return (await readdir(path, { recursive: true })).some((name) => name.endsWith("/postmaster.pid"));
}

/** Without what is kept for the next run: the cache of the compiler, and the accounts. */
async function remains(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => !/^(tsx-|node-compile-cache|moneta-accounts-)/.test(name));
}

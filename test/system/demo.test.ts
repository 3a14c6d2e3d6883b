import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPostgres } from "../support/postgres-binaries.ts";
import { startProcess } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";

const root = join(import.meta.dirname, "../..");

function startDemo(scratch: string): ReturnType<typeof startProcess> {
  giveToUnprivileged(scratch);
  return startProcess(process.execPath, [join(root, "scripts/demo/story.mjs")], {
    unprivileged: true,
    env: {
      PATH: process.env["PATH"],
      HOME: scratch,
      TMPDIR: scratch,
      MONETA_DEMO_ROOT: root,
      MONETA_DEMO_SCRATCH: scratch,
      MONETA_DEMO_BINARIES: findPostgres(15)?.binDir ?? findPostgres(17)?.binDir,
    },
  });
}

const remains = (scratch: string): string[] => readdirSync(scratch);

test("the demo brings every row back, says so, and cleans up", async () => {
  const { path } = temporaryDirectory({ prefix: "demo", unprivileged: true });
  const { status, stdout, stderr } = await (await startDemo(path)).finished;
  expect(status, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/All [\d,]+ rows are as they were/);
  expect(stdout).not.toContain("\u001b[");
  // What the story itself says is indented; the client's own lines hold paths of any length, and a command is not broken.
  const wide = stdout.split("\n").filter((line) => line.startsWith("  ") && !/^  (?:into|pg_ctl)/.test(line) && line.length > 80);
  expect(wide).toEqual([]);
  expect(remains(path)).toEqual([]);
});

test("an interrupted demo stops what it started and is no success", async () => {
  const { path } = temporaryDirectory({ prefix: "demo", unprivileged: true });
  const demo = await startDemo(path);
  await waitFor("the shop moves in", () => demo.stdout().includes("A shop moves in") || !demo.isRunning());
  demo.kill("SIGINT");
  const { status, stderr } = await demo.finished;
  expect(status).toBe(1);
  expect(stderr).toContain("stopped by SIGINT");
  expect(remains(path)).toEqual([]);
});

#!/usr/bin/env node
/**
 * Loads a primary for so many minutes, kills and heals at random, restores every minute and compares every row; prints a
 * report. Exit status 0 only if nothing was wrong.
 *
 *   npm run soak -- --minutes 60 [--seed 1] [--json] [--backup-seconds 30] [--restore-seconds 60] [--trouble-seconds 10]
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { commandOptions } from "./setup/command-options.mjs";
import { prepareOrdinaryRun } from "./setup/ordinary-user.mjs";
import { ensureReadyToRun } from "./setup/ready-to-run.mjs";

const root = join(import.meta.dirname, "..");
const options = commandOptions(
  {
    minutes: { least: 0.1, default: 10, whole: false },
    seed: { least: 0 },
    json: false,
    "backup-seconds": { least: 1, default: 30, whole: false },
    "restore-seconds": { least: 1, default: 60, whole: false },
    "trouble-seconds": { least: 1, default: 10, whole: false },
    // Milliseconds that a writer of the load rests after each transaction.
    pause: { least: 0, default: 5, whole: false },
  },
  `npm run soak -- [--minutes 10] [--seed S] [--json] [--backup-seconds 30] [--restore-seconds 60]
                 [--trouble-seconds 10] [--pause 5]`,
);
await ensureReadyToRun(root);
const run = prepareOrdinaryRun(root, { name: "ms" });
process.on("exit", () => run.remove());
const args = ["--import", "tsx", join(run.root, "test", "soak", "soak.ts"), JSON.stringify(options)];
const child = spawn(run.node, args, { cwd: run.root, env: run.env, stdio: "inherit", ...run.identity });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.once("close", (code) => process.exit(code ?? 1));

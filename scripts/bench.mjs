#!/usr/bin/env node
/**
 * Measures Moneta against its peers, interleaved on this machine: see test/bench and doc/benchmarks.md.
 * As root, everything runs as nobody, because neither PostgreSQL nor Moneta starts as root.
 *
 *   npm run bench -- --help
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { placeOutputs } from "./bench/outputs.mjs";
import { takeSnapshot } from "./bench/snapshot.mjs";
import { prepareOrdinaryRun } from "./setup/ordinary-user.mjs";
import { ensureReadyToRun } from "./setup/ready-to-run.mjs";

const root = join(import.meta.dirname, "..");
let run;
let bench;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => (bench === undefined ? process.exit(1) : bench.kill(signal)));
}
process.on("exit", () => run?.remove());

await ensureReadyToRun(root);
run = prepareOrdinaryRun(root, { name: "mb" });
const tree = takeSnapshot(run.root, join(run.scratch, "snapshot"));
const outputs = placeOutputs(process.argv.slice(2), { root, scratch: join(run.scratch, "t"), identity: run.identity });
const status = await measure(outputs.args);
outputs.collect();
process.exit(status);

/** The measuring has a process group of its own, so that at the end nothing of it can be left, whatever happened to it. */
async function measure(args) {
  const program = ["--import", "tsx", join(tree, "test", "bench", "main.ts"), ...args];
  bench = spawn(run.node, program, { cwd: tree, env: run.env, stdio: ["ignore", "inherit", "inherit"], detached: true, ...run.identity });
  const ended = await new Promise((resolve) => {
    bench.once("error", (error) => {
      console.error(`The benchmarks cannot be started: ${error.message}`);
      resolve(1);
    });
    bench.once("close", (code) => resolve(code ?? 1));
  });
  try {
    if (bench.pid !== undefined) process.kill(-bench.pid, "SIGKILL");
  } catch (error) {
    // No process of the group is left: as it should be.
    if (error.code !== "ESRCH") throw error;
  }
  return ended;
}

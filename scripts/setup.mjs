#!/usr/bin/env node
/** Makes a fresh clone ready: packages, compiled program, PostgreSQL servers for the tests. Safe to repeat. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "./setup/build.mjs";
import { ensureDependencies } from "./setup/dependencies.mjs";
import { ALL_MAJORS, ensureServers } from "./setup/embedded-postgres.mjs";
import { exclusively } from "./setup/exclusive.mjs";

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({
  options: { servers: { type: "string", default: "all" }, build: { type: "boolean", default: true }, help: { type: "boolean", short: "h" } },
  allowNegative: true,
});
if (values.help) {
  console.log("node scripts/setup.mjs [--no-build] [--servers all|none|15,18]");
  process.exit(0);
}
const majors = values.servers === "all" ? ALL_MAJORS : values.servers === "none" ? [] : values.servers.split(",").map(Number);
const unknown = majors.filter((major) => !ALL_MAJORS.includes(major));
if (unknown.length > 0) {
  console.error(`--servers knows ${ALL_MAJORS.join(", ")}, "all" and "none", not ${unknown.join(", ")}`);
  process.exit(2);
}
await exclusively(join(root, ".setup.lock"), async () => {
  await ensureDependencies(root);
  if (values.build) {
    const complaints = await ensureBuilt(root);
    if (complaints !== "") {
      console.error(complaints);
      process.exitCode = 1;
    }
  }
  await ensureServers(root, majors);
});

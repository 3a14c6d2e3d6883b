#!/usr/bin/env node
/**
 * H01 and B04 at full length: kill -9 of daemon, receiver, job and primary at so many random instants.
 *
 *   npm run kill-loop [-- --instants 200] [--seed 1] [--minutes 60]
 *
 * After so many minutes no further instant begins; those that were are judged as all of them would be.
 */
import { commandOptions } from "./setup/command-options.mjs";
import { runTests } from "./setup/run-tests.mjs";

const { instants, seed, minutes } = commandOptions(
  { instants: { least: 1, default: 200 }, seed: { least: 0 }, minutes: { least: 1 } },
  "npm run kill-loop [-- --instants 200] [--seed 1] [--minutes 60]",
);
const files = ["test/system/scenario-kill.test.ts", "test/integration/wal/receiver-kills.test.ts"];
runTests(files, { MONETA_INSTANTS: instants, MONETA_SEED: seed, MONETA_MINUTES: minutes });

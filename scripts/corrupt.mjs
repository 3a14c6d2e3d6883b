#!/usr/bin/env node
/**
 * Damages a repository at random, again and again, and asks for a restore each time: it must say no, by name, or be
 * right. All compressions, clear and sealed.
 *
 *   npm run corrupt [-- --rounds 200] [--seed S] [--minutes 30]
 *
 * After so many minutes no further round begins.
 */
import { commandOptions } from "./setup/command-options.mjs";
import { runTests } from "./setup/run-tests.mjs";

const { rounds, seed, minutes } = commandOptions(
  { rounds: { least: 1, default: 200 }, seed: { least: 0 }, minutes: { least: 1 } },
  "npm run corrupt [-- --rounds 200] [--seed S] [--minutes 30]",
);
runTests(["test/integration/restore/corruption.test.ts"], { MONETA_ROUNDS: rounds, MONETA_SEED: seed, MONETA_MINUTES: minutes });

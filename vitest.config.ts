import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import { RealServersFirst } from "./scripts/test/real-servers-first.ts";

/**
 * scripts/test.mjs runs two suites when it is root: "root" (test/root) as root, "main" (all the rest) as nobody.
 * Everywhere else there is one, and the tests that need root say that they are skipped.
 */
const suite = process.env["MONETA_TEST_SUITE"] ?? "all";

/** The tree may be readable only, so that caches go to the temporary directory; the suites belong to different users. */
const temporary = process.env["TMPDIR"] ?? "/tmp";

/** Unit tests that look at what belongs to a whole process: its memory, its descriptors, its environment. */
const alone = [
  "test/unit/**/*memory*.test.ts",
  "test/unit/{common/filesystem-sync,compression/lz4-pool,fuzz/regression,log/strftime,restore/filesystems}.test.ts",
  "test/unit/{postgres/backup-manifest,repository/chunk-index}.test.ts",
];

/** What starts daemons and servers comes by turns: "0" to "4" are a fifth each, every fifth file. */
const turn = process.env["MONETA_TEST_TURN"] ?? "all";
const othersThan = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[])
    .filter((name) => name.endsWith(".test.ts"))
    .sort()
    .filter((_, index) => index % 5 !== Number(turn))
    .map((name) => `${folder}/${name}`);
const notNow = turn === "all" ? [] : ["test/system", "test/integration"].flatMap(othersThan);

const all = suite === "root" ? "test/root/**/*.test.ts" : "test/**/*.test.ts";
const elsewhere = [...configDefaults.exclude, ...(suite === "main" ? ["test/root/**"] : []), ...notNow];

/** Unit and conformance tests are quick; integration, system and interop start real servers and take their time. */
export default defineConfig({
  cacheDir: join(temporary, `vite-${suite}`),
  test: {
    setupFiles: ["test/support/setup.ts"],
    pool: "forks",
    // More than there are cores, because servers wait for timers and disks; no more than the memory bears.
    maxWorkers: Math.min(8, availableParallelism() + 2),
    sequence: { sequencer: RealServersFirst },
    // Long enough for a machine that is busy with other things: these end what hangs, and say nothing else.
    testTimeout: 400_000,
    hookTimeout: 400_000,
    teardownTimeout: 20_000,
    projects: [
      { extends: true, test: { name: "own process", include: [all], exclude: [...elsewhere, "test/unit/**"] } },
      { extends: true, test: { name: "unit, own process", include: suite === "root" ? [] : alone } },
      // A third of what these cost was a process and the modules for each of them.
      { extends: true, test: { name: "unit", isolate: false, include: suite === "root" ? [] : ["test/unit/**/*.test.ts"], exclude: [...elsewhere, ...alone] } },
    ],
  },
});

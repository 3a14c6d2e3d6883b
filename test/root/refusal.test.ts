import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { run } from "../support/processes.ts";
import { requires } from "../support/requires.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const { describe, test } = requires("root");

describe("a program of Moneta that root calls", () => {
  const calls: readonly [string, readonly string[]][] = [
    ["moneta", ["-c", "pgmoneta.conf"]],
    ["moneta-cli", ["ping"]],
    ["moneta-admin", ["-P", "a long master key", "master-key"]],
  ];
  for (const [program, args] of calls) {
    test(`${program} refuses, says so, and touches nothing`, async () => {
      const home = temporaryDirectory();
      const path = join(import.meta.dirname, "../../bin", program);
      const done = await run(path, args, { cwd: home.path, env: { PATH: process.env["PATH"], HOME: home.path } });
      expect(done.status).toBeGreaterThan(0);
      expect(done.stderr).toMatch(/not run as root/);
      expect(readdirSync(home.path)).toEqual([]);
    });
  }
});

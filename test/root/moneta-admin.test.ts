import { join, resolve } from "node:path";
import { stat } from "node:fs/promises";
import { expect } from "vitest";
import { run } from "../support/processes.ts";
import { requires } from "../support/requires.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const program = resolve(import.meta.dirname, "../../bin/moneta-admin");

requires("root").test("moneta-admin refuses root, but tells root its version", async () => {
  const home = temporaryDirectory().path;
  const env = { PATH: process.env["PATH"], HOME: home };
  const refused = await run(program, ["-P", "a pass phrase", "master-key"], { env });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/does not run as root\nHint: /);
  await expect(stat(join(home, ".pgmoneta"))).rejects.toMatchObject({ code: "ENOENT" });
  expect((await run(program, ["-V"], { env })).status).toBe(0);
});

import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect } from "vitest";
import { run } from "../support/processes.ts";
import { requires } from "../support/requires.ts";

const program = join(resolve(dirname(fileURLToPath(import.meta.url)), "../.."), "bin", "moneta");

describe("the daemon", () => {
  requires("root").it("refuses to run as root", async () => {
    const { status, stderr } = await run(program, ["-D", "/nonexistent"], { env: { PATH: process.env["PATH"] } });
    expect([status, stderr]).toEqual([78, expect.stringContaining("does not run as root")]);
  });
});

import { appendFileSync, copyFileSync, cpSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { run } from "../../support/processes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const root = join(import.meta.dirname, "../../..");
const dist = join(root, "dist");

/** What dist/cli/main.js starts, for each of the processes. */
function programOf(folder: string): string {
  const name = /start\("(.+)"\)/.exec(readFileSync(join(dist, folder, "main.js"), "utf8"))?.[1];
  if (name === undefined) throw new Error(`dist/${folder}/main.js starts nothing`);
  return join(dist, "programs", name);
}

/** V8's word on the code that it was given: false when it took it, undefined when it was given none. */
async function rejected(program: string): Promise<unknown> {
  const script = `process.stdout.write(String(require(${JSON.stringify(join(root, "scripts/setup/start-program.cjs"))}).compile(${JSON.stringify(program)}).cachedDataRejected))`;
  return (await run(process.execPath, ["-e", script], { env: { PATH: process.env["PATH"] } })).stdout;
}

function copyOf(program: string): { readonly path: string; readonly code: Buffer } {
  const path = join(temporaryDirectory({ prefix: "built" }).path, basename(program));
  for (const suffix of ["", ".code"]) copyFileSync(`${program}${suffix}`, `${path}${suffix}`);
  return { path, code: readFileSync(`${path}.code`) };
}

describe("a built program", () => {
  it.each(["admin", "cli", "converter", "job", "prober", "receiver", "supervisor"])("%s starts with the code that V8 made of it", async (folder) => {
    expect(await rejected(programOf(folder))).toBe("false");
  });

  it("is compiled when a bit of its code has changed, which V8 would not notice", async () => {
    const { path, code } = copyOf(programOf("admin"));
    const source = readFileSync(path).length;
    for (const at of [source, Math.floor((source + code.length) / 2), code.length - 1]) {
      const changed = Buffer.from(code);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(`${path}.code`, changed);
      expect(await rejected(path)).toBe("undefined");
    }
    writeFileSync(`${path}.code`, code.subarray(0, -1));
    expect(await rejected(path)).toBe("undefined");
  });

  it("is compiled when it is not the one that its code was made of, though it is as long", async () => {
    const { path } = copyOf(programOf("admin"));
    const source = readFileSync(path);
    source[source.length - 2] = 0x20;
    writeFileSync(path, source);
    expect(await rejected(path)).toBe("undefined");
  });

  it("runs without its code, and with code of another V8", async () => {
    const tree = temporaryDirectory({ prefix: "built" }).path;
    for (const name of ["bin", "dist", "package.json"]) cpSync(join(root, name), join(tree, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
    const programs = join(tree, "dist/programs");
    const version = (...flags: string[]) => run(process.execPath, [...flags, join(tree, "bin/moneta-cli"), "--version"]);
    // V8 takes only what it made with the same flags.
    expect(await version("--stack-size=900")).toMatchObject({ status: 0, stderr: "" });
    for (const name of readdirSync(programs).filter((one) => one.endsWith(".code"))) appendFileSync(join(programs, name), "x");
    expect(await version()).toMatchObject({ status: 0, stderr: "" });
  });
});

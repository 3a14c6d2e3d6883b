import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { bundled } from "../../support/bundle.ts";
import { requires } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const root = join(import.meta.dirname, "../../..");

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function execute(words: readonly string[], cwd = root): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [...words], { cwd }, (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
    });
  });
}

let program: string;
beforeAll(async () => {
  program = await bundled("src/cli/main.ts");
});
const fromSource = (...words: string[]): Promise<Ended> => execute([program, ...words]);

const withStrace = requires("strace");

describe("the program moneta-cli", () => {
  it("prints its version and its help and ends with 0, also for root", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    expect(await fromSource("-V")).toEqual({ status: 0, stdout: `moneta-cli ${version}\n`, stderr: "" });
    const help = await fromSource("--help");
    expect(help.status).toBe(0);
    expect(help.stdout).toContain("Usage: moneta-cli");
  });

  it("explains a mistake on standard error and ends with 2", async () => {
    expect(await fromSource("list-backup")).toMatchObject({ status: 2, stdout: "" });
    expect(await fromSource("nonsense")).toMatchObject({ status: 2, stdout: "" });
  });

  it("ends a restore_command that cannot work with 126", async () => {
    expect((await fromSource("wal-get", "-D", "/nowhere", "primary", "000000010000000000000005", "x")).status).toBe(
      126,
    );
    expect((await fromSource("wal-get", "primary")).status).toBe(126);
  });

  withStrace.it("leaves nothing for a person when diagnose is killed with -9: the next one in that directory takes it away", async () => {
    const directory = temporaryDirectory({ prefix: "dik" }).path;
    const diagnose = (name: string): string[] => [program, "-F", "json", "--offline", "-D", directory, "diagnose", "--output", join(directory, name)];
    // Killed when all is written and nothing has its name yet.
    const killed = spawnSync("strace", ["-f", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:signal=KILL", process.execPath, ...diagnose("first.tar.gz")], { cwd: root });
    expect(killed.status === 137 || killed.signal === "SIGKILL", String(killed.stderr)).toBe(true);
    const [left = "", ...others] = readdirSync(directory);
    expect([left, others]).toEqual([expect.stringMatching(/^moneta-diagnose\.[0-9a-f]{12}\.tmp$/), []]);
    expect(statSync(join(directory, left))).toMatchObject({ mode: 0o100600 });
    expect(statSync(join(directory, left)).size).toBeGreaterThan(100);
    await execute(diagnose("second.tar.gz"));
    expect(readdirSync(directory)).toEqual(["second.tar.gz"]);
  });

  it("does not end a restore_command with 1 when its build is missing or broken", async () => {
    const directory = temporaryDirectory({ prefix: "bin" }).path;
    mkdirSync(join(directory, "bin"));
    for (const name of ["moneta-cli", "package.json"]) cpSync(join(root, "bin", name), join(directory, "bin", name));
    writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
    const wordsOf = (...words: string[]): string[] => [join(directory, "bin/moneta-cli"), ...words];
    expect((await execute(wordsOf("wal-get", "primary", "a", "b"))).status).toBe(126);
    expect((await execute(wordsOf("ping"))).status).toBe(1);
    mkdirSync(join(directory, "dist/cli"), { recursive: true });
    writeFileSync(join(directory, "dist/cli/main.js"), 'throw new Error("broken");');
    expect((await execute(wordsOf("wal-get", "primary", "a", "b"))).status).toBe(126);
  });
});

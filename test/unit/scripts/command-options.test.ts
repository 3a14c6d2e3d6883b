import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { run } from "../../support/processes.ts";

const scripts = join(import.meta.dirname, "../../../scripts");
const start = (script: string, ...args: string[]): ReturnType<typeof run> => run(process.execPath, [join(scripts, `${script}.mjs`), ...args]);

describe("a long test", () => {
  it.each([
    ["corrupt", "--rounds", "many"],
    ["corrupt", "--rounds", "0"],
    ["kill-loop", "--instants", "1.5"],
    ["kill-loop", "--seed", "x"],
    ["soak", "--minutes", "0"],
    ["soak", "--minutes", "an hour"],
    ["fuzz", "--jobs", "0"],
    ["fuzz", "--inputs", "all"],
  ])("%s %s %s is refused, and no run of nothing that succeeds", async (script, option, value) => {
    const { status, stdout, stderr } = await start(script, option, value);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(new RegExp(`^${option} takes a (?:whole )?number from [0-9.]+ up, not "${value}"\n\nnpm run ${script}`));
  });

  it.each(["corrupt", "kill-loop", "soak", "fuzz"])("%s says how it is called, and what it does not know", async (script) => {
    const help = await start(script, "--help");
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toMatch(new RegExp(`^npm run ${script} `));
    const unknown = await start(script, "--rouns", "3");
    expect([unknown.status, unknown.stdout]).toEqual([2, ""]);
    expect(unknown.stderr).toContain(help.stdout.trim());
    expect(unknown.stderr).not.toContain("    at ");
  });
});

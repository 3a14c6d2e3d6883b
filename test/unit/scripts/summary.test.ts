import { join } from "node:path";
import { expect, test } from "vitest";
import { runOrFail } from "../../support/processes.ts";

interface Result {
  readonly tests: readonly { readonly file: string; readonly name: string; readonly state: string }[];
  readonly errors: readonly string[];
}

/** The scripts are plain JavaScript, to run before anything is installed: they are called as such. */
async function summarise(results: readonly Result[], options: Record<string, boolean> = {}): Promise<{ lines: string[]; ok: boolean }> {
  const module = join(import.meta.dirname, "../../../scripts/test/summary.mjs");
  const program = `
    import { summarise } from ${JSON.stringify(module)};
    const answer = summarise(${JSON.stringify(results)}, ${JSON.stringify({ noSkips: false, filtered: false, ...options })});
    process.stdout.write(JSON.stringify(answer));`;
  const answer = JSON.parse(await runOrFail(process.execPath, ["--input-type=module", "-e", program])) as { text: string; ok: boolean };
  return { lines: answer.text.split("\n"), ok: answer.ok };
}

const one = (state: string, name = "a test"): Result => ({ tests: [{ file: "test/a.test.ts", name, state }], errors: [] });

test("the last line counts over all runs", async () => {
  const { lines, ok } = await summarise([one("passed"), one("passed"), one("passed")]);
  expect(lines.at(-1)).toBe("3 passed, 0 failed");
  expect(ok).toBe(true);
});

test("one failed test fails everything and is named", async () => {
  const { lines, ok } = await summarise([one("passed"), one("failed", "a bad one")]);
  expect(lines.at(-1)).toBe("1 passed, 1 failed");
  expect(lines.join("\n")).toContain("test/a.test.ts: a bad one");
  expect(ok).toBe(false);
});

test("an error outside of tests counts as failed, even when all tests passed", async () => {
  const { lines, ok } = await summarise([{ ...one("passed"), errors: ["a file cannot be loaded"] }]);
  expect(lines.at(-1)).toBe("1 passed, 1 failed");
  expect(ok).toBe(false);
});

test("a skipped test is listed with its reason and fails only where nothing may be skipped", async () => {
  const results = [one("passed"), one("skipped", "reads it back (needs zstd)"), one("skipped", "lazy")];
  const tolerant = await summarise(results);
  expect(tolerant.lines.at(-1)).toBe("1 passed, 0 failed, 2 skipped");
  expect(tolerant.lines.join("\n")).toContain("reads it back (needs zstd)\n");
  expect(tolerant.lines.join("\n")).toContain("lazy (NO REASON GIVEN)");
  expect(tolerant.ok).toBe(true);
  expect((await summarise(results, { noSkips: true })).ok).toBe(false);
});

test("a run in which nothing ran is not a success", async () => {
  const { lines, ok } = await summarise([]);
  expect(lines.at(-1)).toBe("0 passed, 0 failed");
  expect(ok).toBe(false);
});

test("with a name pattern the tests that it left out are not counted, those with a reason are", async () => {
  const results = [one("passed"), one("skipped", "another"), one("skipped", "wanted (needs root)")];
  expect((await summarise(results, { filtered: true })).lines.at(-1)).toBe("1 passed, 0 failed, 1 skipped");
});

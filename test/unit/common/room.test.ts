import { join } from "node:path";
import { expect, it } from "vitest";
import { describeShortage, roomAt } from "../../../src/common/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const failure = (code: string): Error => Object.assign(new Error(`${code}: said the system`), { code });

it("of a path that is not made yet is that of the directory above it", async () => {
  const { path } = temporaryDirectory();
  const room = await roomAt(join(path, "not", "yet"));
  expect(room.total).toBe((await roomAt(path)).total);
  expect(room.total).toBeGreaterThanOrEqual(room.free);
});

it("that is too small for what was needed is told with what is missing", async () => {
  const { path } = temporaryDirectory();
  const needed = 2 ** 60;
  const { text, details } = describeShortage(failure("ENOSPC"), join(path, "new file"), needed);
  const { free = 0, missing = 0 } = details;
  expect(free).toBeGreaterThan(0);
  expect(free + missing).toBe(needed);
  expect(text).toBe(`; ${free} bytes are free, ${missing} are missing`);
});

it("that would be enough is told as it is: a quota does not show in it", () => {
  const { path } = temporaryDirectory();
  expect(describeShortage(failure("EDQUOT"), path, 1).text).toMatch(/^; [0-9]+ bytes are free now$/);
});

it.each(["EIO", "EROFS"])("has nothing to do with %s", (code) => {
  expect(describeShortage(failure(code), "/", 2 ** 60)).toEqual({ text: "", details: {} });
});

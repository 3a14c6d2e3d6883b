import { expect, it } from "vitest";
import type { CatalogEntry } from "../../../src/repository/index.ts";
import { extraProblems } from "../../../src/supervisor/extra-problems.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";

const server = (...extra: string[]) => ({ options: { extra: extra.length === 0 ? undefined : extra } }) as unknown as SupervisedServer;
const entry = (label: string, extra: string, state: CatalogEntry["state"] = "valid"): CatalogEntry =>
  ({ label, state, ...(state === "damaged" ? {} : { info: { label, extra } }) }) as CatalogEntry;

it("what of extra the newest valid backup lacks is a problem, until one has it", () => {
  const before = [entry("20261120090138", "/a")];
  expect(extraProblems(server("/a", "/b", "/c"), before)).toEqual([
    expect.objectContaining({ code: "BACKUP_EXTRA_INCOMPLETE", message: "the newest backup, 20261120090138, lacks (a part of) /b, /c" }),
  ]);
  const after = [...before, entry("20261120090139", "/c,/b,/a"), entry("20261120090140", "", "invalid"), entry("20261120090141", "", "damaged")];
  expect(extraProblems(server("/a", "/b", "/c"), after)).toEqual([]);
});

it("nothing is said where nothing is wanted, or there is no backup", () => {
  expect(extraProblems(server(), [entry("20261120090138", "")])).toEqual([]);
  expect(extraProblems(server("/a"), [])).toEqual([]);
});

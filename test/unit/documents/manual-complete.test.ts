/** Whoever looks something up finds it: each command, key, metric, check and error has its place in the manual and in the manual pages. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorCatalogue } from "../../../scripts/documents/error-catalogue.ts";
import { createProgram } from "../../../src/admin/index.ts";
import { checkCodes } from "../../../src/check/index.ts";
import { clientTable, mainTable, serverTable } from "../../../src/config/index.ts";
import { commandNames, commandTable } from "../../../src/management/index.ts";
import { ownGroups, pgmonetaGroups } from "../../../src/metrics/index.ts";

const root = join(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
/** The text of a manual page without what troff needs. */
const page = (name: string): string => read(`doc/man/${name}`).replaceAll("\\-", "-").replaceAll(/\\f[BPIR]/g, "");
const absent = (text: string, names: readonly string[]): string[] => names.filter((name) => !new RegExp(`(?<![A-Za-z0-9_])${name}(?![A-Za-z0-9_])`).test(text));

const commands = commandNames.filter((name) => commandTable[name].available);
const errors = errorCatalogue.flatMap((folder) => folder.errors.map(({ code }) => code));
const metrics = [...ownGroups, ...pgmonetaGroups].flatMap(({ families }) => families.map(({ name }) => name));
const ofMain = Object.keys({ ...mainTable, ...serverTable });

describe("the manual has", () => {
  test.each([
    ["every command", "doc/manual/commands.md", commands],
    ["every key", "doc/manual/configuration.md", [...ofMain, ...Object.keys(clientTable)]],
    ["every key of the daemon, in the sample", "etc/pgmoneta.conf", ofMain],
    ["every metric", "doc/manual/metrics.md", metrics],
    ["every check", "doc/manual/checks.md", checkCodes],
    ["every error", "doc/ERRORS.md", errors],
  ] as const)("%s in %s", (_what, path, names) => {
    expect(names.length).toBeGreaterThan(20);
    expect(absent(read(path), names)).toEqual([]);
  });
  test.each([
    ["every key", "pgmoneta.conf.5", [...ofMain, ...Object.keys(clientTable)]],
    ["every metric", "moneta-metrics.7", metrics],
    ["every check", "moneta-checks.7", checkCodes],
    ["every error", "moneta-errors.7", errors],
    ["every option of init", "moneta-admin-init.1", createProgram(() => undefined).commands.find((command) => command.name() === "init")?.options.map(({ long }) => long ?? "") ?? []],
  ] as const)("%s in the page %s", (_what, name, names) => {
    expect(names.length).toBeGreaterThan(15);
    const text = page(name);
    expect(names.filter((each) => !text.includes(each))).toEqual([]);
  });
  test("every command of moneta-admin", () => {
    const { commands: groups } = createProgram(() => undefined);
    const names = groups.flatMap((group) => (group.commands.length === 0 ? [group.name()] : group.commands.map((inner) => `${group.name()} ${inner.name()}`)));
    expect(names).toContain("user role");
    const [chapter, manualPage] = [read("doc/manual/admin.md"), page("moneta-admin.1")];
    expect(names.filter((name) => !chapter.includes(`\n## ${name}\n`))).toEqual([]);
    expect(names.filter((name) => !manualPage.includes(`.TP\n${name}`))).toEqual([]);
  });
  test("a page for every command of moneta-cli", () => {
    expect(commands.filter((name) => !existsSync(join(root, `doc/man/moneta-cli-${name.replaceAll(" ", "-")}.1`)))).toEqual([]);
  });
  test("every chapter in its index, and every page of man somewhere in it", () => {
    const index = read("doc/manual/README.md");
    const chapters = readdirSync(join(root, "doc/manual")).filter((name) => name.endsWith(".md") && name !== "README.md");
    expect(chapters.filter((name) => !index.includes(`(${name})`))).toEqual([]);
    const pages = readdirSync(join(root, "doc/man")).map((name) => name.replace(/\.\d$/, ""));
    const general = pages.filter((name) => !name.startsWith("moneta-cli-") && !/^pgmoneta_/.test(name));
    expect(general.filter((name) => !index.includes(`man ${name}`))).toEqual([]);
  });
});

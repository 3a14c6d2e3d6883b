import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfiguration, mainTable, parseIni, serverTable } from "../../../src/config/index.ts";
import { sampleFile } from "../../../scripts/documents/sample-file.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

/** The sample with every commented key that has a value made active. */
const uncommented = sampleFile().replace(/^#(\w+ = .+)$/gm, "$1");

async function load(text: string) {
  const root = temporaryDirectory().path;
  await mkdir(join(root, "s"));
  const here = text.replace("/run/pgmoneta", join(root, "s")).replace("/var/lib/pgmoneta", join(root, "backup"));
  await writeFile(join(root, "pgmoneta.conf"), here);
  return loadConfiguration({ directory: root, environment: { HOME: "/h" }, defaultDirectory: root });
}

const comparable = (loaded: Awaited<ReturnType<typeof load>>) => {
  const { main, servers } = loaded.configuration;
  return { main: { ...main, unixSocketDir: "", baseDir: "", pidfile: "" }, servers };
};

test("the sample is a valid configuration", async () => {
  expect((await load(sampleFile())).warnings).toEqual([]);
});

test("uncommenting its values changes nothing, because they are the defaults", async () => {
  expect(comparable(await load(uncommented))).toEqual(comparable(await load(sampleFile())));
});

test("it has every key once", () => {
  const all = parseIni("sample", sampleFile().replace(/^#(\w+ =.*)$/gm, "$1"));
  expect(all.problems).toEqual([]);
  const keys = all.sections.map(({ entries }) => entries.map(({ key }) => key));
  expect(keys).toEqual([Object.keys(mainTable), Object.keys(serverTable)]);
});

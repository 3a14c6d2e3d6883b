import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { decimal } from "../../../src/management/index.ts";
import {
  boundedLists,
  boundedText,
  createBundleRedactor,
  makePart,
  makeParts,
  readTail,
  readLogTail,
  writeBundle,
  type BundlePart,
} from "../../../src/diagnose/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let directory: string;
beforeEach(() => {
  directory = temporaryDirectory({ prefix: "dib" }).path;
});

const part = (name: string, text: string | undefined, remark?: string): BundlePart => ({ name, about: `about ${name}`, text, remark });
const origin = { version: "1.2.3", made: Date.UTC(2026, 10, 30, 14, 20, 0), source: "a test" };
const redactor = createBundleRedactor([]);

describe("a bundle", () => {
  it("is one directory that tar unpacks, which nobody else can read, and its README names every part", async () => {
    const path = join(directory, "b.tar.gz");
    const long = `servers/${"ü".repeat(80)}/check.json`;
    const parts = [part("commands/status.json", `{"a": 1}\n`), part(long, "x".repeat(5000), "cut"), part("log/moneta.log", undefined, "no such file (DIAGNOSE_NO_LOG)")];
    const written = await writeBundle(path, parts, origin, redactor);
    expect(written).toEqual({ path, bytes: statSync(path).size, files: 3, missing: [{ name: "log/moneta.log", reason: "no such file (DIAGNOSE_NO_LOG)" }], abandoned: [] });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    mkdirSync(join(directory, "out"));
    execFileSync("tar", ["-xzf", path, "-C", join(directory, "out")]);
    expect(readdirSync(join(directory, "out"))).toEqual(["moneta-diagnose-20261130T142000Z"]);
    const root = join(directory, "out", "moneta-diagnose-20261130T142000Z");
    expect(readFileSync(join(root, "commands/status.json"), "utf8")).toBe(`{"a": 1}\n`);
    expect(readFileSync(join(root, long), "utf8")).toHaveLength(5000);
    const readme = readFileSync(join(root, "README"), "utf8");
    for (const { about, name } of parts) expect(readme).toContain(`  ${name}\n      ${about}`);
    expect(readme).toContain("It is INCOMPLETE: 1 of 3 parts could not be had.");
    expect(readme).toContain("no such file (DIAGNOSE_NO_LOG)");
    expect((await writeBundle(join(directory, "c"), parts.slice(0, 2), origin, redactor)).missing).toEqual([]);
  });

  it("is written over nothing, and what cannot be written leaves nothing", async () => {
    const path = join(directory, "there");
    writeFileSync(path, "mine");
    await expect(writeBundle(path, [], origin, redactor)).rejects.toMatchObject({ code: "TARGET_EXISTS" });
    expect(readFileSync(path, "utf8")).toBe("mine");
    await expect(writeBundle(join(directory, "no", "such", "b"), [], origin, redactor)).rejects.toMatchObject({ code: "DIAGNOSE_NOT_WRITTEN" });
    expect(readdirSync(directory)).toEqual(["there"]);
  });
});

describe("a part", () => {
  const { signal } = new AbortController();

  it("that fails is there with its reason, and the others are made", async () => {
    const parts = await makeParts(
      [
        { name: "a", about: "", produce: () => Promise.reject(Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" })) },
        { name: "b", about: "", produce: () => Promise.resolve({ text: "yes" }) },
      ],
      signal,
    );
    expect(parts.map(({ text }) => text)).toEqual([undefined, "yes"]);
    expect(parts[0]?.remark).toContain("permission denied");
  });

  it("that hangs is given up, and says so", async () => {
    const { remark, text } = await makePart({ name: "a", about: "", produce: () => new Promise(() => undefined) }, signal, 10);
    expect([text, remark]).toEqual([undefined, "a was not there within 0.01 s (DIAGNOSE_PART_LATE)"]);
  });

  it("that hangs keeps nobody else waiting in the same place, and others are made", async () => {
    let asked = 0;
    const hanging = (name: string) => ({ name, about: "", place: "disks", produce: () => new Promise<never>(() => (asked += 1)) });
    const parts = await makeParts([hanging("a"), hanging("b"), { name: "c", about: "", produce: () => Promise.resolve({ text: "yes" }) }, hanging("d")], signal, 10);
    expect(asked).toBe(1);
    expect(parts.map(({ text }) => text)).toEqual([undefined, undefined, "yes", undefined]);
    expect(parts[3]?.remark).toBe("not asked for, because a did not come either (DIAGNOSE_PART_LATE)");
  });

  it("is given up with the whole when somebody interrupts", async () => {
    const controller = new AbortController();
    const making = makePart({ name: "a", about: "", produce: () => new Promise(() => undefined) }, controller.signal);
    controller.abort();
    await expect(making).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("bounds", () => {
  it("leave out the middle of a long text at the ends of lines, and say how much", () => {
    const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}\n`);
    const { remark, text } = boundedText(lines.join(""), 1000);
    expect(text.length).toBeLessThan(1100);
    expect(text).toMatch(/^line 0\n[^]*line \d+\n… \d+ characters are left out …\nline \d+\n[^]*line 999\n$/);
    const dropped = Number(/(\d+) characters/.exec(text)?.[1]);
    expect(text.replace(/…[^\n]*…\n/, "").length + dropped).toBe(lines.join("").length);
    expect(remark).toBe(`${dropped} of ${lines.join("").length} characters are left out in the middle`);
    expect(boundedText("short", 1000)).toEqual({ text: "short" });
    expect(boundedText("x".repeat(2000), 1000).text).toBe("… 2000 characters are left out …\n");
  });

  it("leave out the middle of a long list, and what counts as a number stays", () => {
    const { dropped, value } = boundedLists({ a: Array.from({ length: 30 }, (_, index) => index), b: [1, 2], c: decimal(1.5) }, 10);
    expect(dropped).toBe(20);
    expect(value).toEqual({ a: [0, "… 20 of 30 are left out …", 21, 22, 23, 24, 25, 26, 27, 28, 29], b: [1, 2], c: decimal(1.5) });
  });
});

describe("the end of a log", () => {
  it("begins with a whole line and says of how much it is the end", async () => {
    const path = join(directory, "log");
    writeFileSync(path, `${"a".repeat(50)}\n${"b".repeat(50)}\n${"c".repeat(50)}\n`);
    expect(await readTail(path, 1000)).toEqual({ text: readFileSync(path, "utf8") });
    expect(await readTail(path, 120)).toEqual({ text: `${"b".repeat(50)}\n${"c".repeat(50)}\n`, remark: "the last 102 of 153 bytes" });
  });

  it("is that of the file which is written now, and of none where there is none", async () => {
    writeFileSync(join(directory, "log-2026"), "this year\n");
    const now = Date.UTC(2026, 5, 1);
    expect(await readLogTail({ type: "file", path: join(directory, "log-%Y") }, now)).toEqual({ text: "this year\n" });
    for (const type of ["console", "syslog"] as const) await expect(readLogTail({ type, path: "x" }, now)).rejects.toMatchObject({ code: "DIAGNOSE_NO_LOG" });
    await expect(readLogTail({ type: "file", path: join(directory, "other") }, now)).rejects.toMatchObject({ code: "DIAGNOSE_NO_LOG" });
    expect(existsSync(join(directory, "other"))).toBe(false);
  });
});

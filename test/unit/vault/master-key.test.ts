import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { createMasterKey, generatePassword, readMasterKey } from "../../../src/vault/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let home = "";
let path = "";
beforeEach(() => {
  home = temporaryDirectory().path;
  path = join(home, ".pgmoneta/master.key");
});

const modeOf = async (name: string): Promise<number> => (await stat(name)).mode & 0o777;

async function write(content: string): Promise<void> {
  await mkdir(join(home, ".pgmoneta"), { mode: 0o700 });
  await writeFile(path, content, { mode: 0o600 });
}

const salt = Buffer.alloc(16, 7).toString("base64");
const line = (text: string): string => Buffer.from(text).toString("base64");

describe("creating", () => {
  test("writes pgmoneta's two lines, private whatever the umask is", async () => {
    const umask = process.umask(0);
    try {
      await createMasterKey(path, "päss phrase");
    } finally {
      process.umask(umask);
    }
    const [first, second, ...rest] = (await readFile(path, "utf8")).split("\n");
    expect(Buffer.from(first ?? "", "base64").toString()).toBe("päss phrase");
    expect(Buffer.from(second ?? "", "base64")).toHaveLength(16);
    expect(rest).toEqual([""]);
    expect(await modeOf(path)).toBe(0o600);
    expect(await modeOf(join(home, ".pgmoneta"))).toBe(0o700);
    expect(await readdir(join(home, ".pgmoneta"))).toEqual(["master.key"]);
  });

  test("never replaces one that exists, whatever is in it", async () => {
    await write("garbage");
    await expect(createMasterKey(path, "another one")).rejects.toMatchObject({ code: "MASTER_KEY_EXISTS" });
    expect(await readFile(path, "utf8")).toBe("garbage");
  });

  test("by two at the same time leaves one of the two, whole", async () => {
    const results = await Promise.allSettled(
      ["first of two", "second of two"].map((phrase) => createMasterKey(path, phrase)),
    );
    expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    const winner = results[0]?.status === "fulfilled" ? "first of two" : "second of two";
    expect(await readFile(path, "utf8")).toContain(line(winner));
    expect(await readdir(join(home, ".pgmoneta"))).toEqual(["master.key"]);
  });

  test.each(["", "short", "seven77", "x".repeat(8192), "line\nend", "zero\0byte!", "\ud800half a pair"])(
    "refuses %j",
    async (phrase) => {
      await expect(createMasterKey(path, phrase)).rejects.toMatchObject({ code: "PASSWORD_REFUSED" });
      await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
    },
  );

  test("refuses a directory that others may enter", async () => {
    await mkdir(join(home, ".pgmoneta"), { mode: 0o750 });
    await expect(createMasterKey(path, "a pass phrase")).rejects.toMatchObject({ code: "UNSAFE_PERMISSIONS" });
  });
});

describe("reading", () => {
  test("an absent one names the path and the command", async () => {
    const error = {
      code: "MASTER_KEY_MISSING",
      message: expect.stringContaining(path) as string,
      hint: expect.stringContaining("moneta-admin master-key") as string,
    };
    await expect(readMasterKey(path)).rejects.toMatchObject(error);
  });

  test.each([
    ["nothing", ""],
    ["one line", `${line("phrase")}\n`],
    ["three lines", `${line("phrase")}\n${salt}\n${salt}\n`],
    ["a short salt", `${line("phrase")}\n${line("short")}\n`],
    ["no base64", `pass phrase!\n${salt}\n`],
    ["an empty phrase", `\n${salt}\n`],
  ])("%s is damage", async (_what, content) => {
    await write(content);
    await expect(readMasterKey(path)).rejects.toMatchObject({ code: "MASTER_KEY_DAMAGED" });
  });

  test.each([0o640, 0o604, 0o660, 0o666, 0o700, 0o610])("mode %s of the file is refused", async (mode) => {
    await write(`${line("phrase")}\n${salt}\n`);
    await chmod(path, mode);
    await expect(readMasterKey(path)).rejects.toMatchObject({ code: "UNSAFE_PERMISSIONS" });
  });

  test.each([0o755, 0o750, 0o701, 0o770])("mode %s of its directory is refused", async (mode) => {
    await write(`${line("phrase")}\n${salt}\n`);
    await chmod(join(home, ".pgmoneta"), mode);
    await expect(readMasterKey(path)).rejects.toMatchObject({ code: "UNSAFE_PERMISSIONS" });
  });

  test("a link does not hide the mode of what it points to", async () => {
    await mkdir(join(home, ".pgmoneta"), { mode: 0o700 });
    await writeFile(join(home, "open"), `${line("phrase")}\n${salt}\n`, { mode: 0o644 });
    await symlink(join(home, "open"), path);
    await expect(readMasterKey(path)).rejects.toMatchObject({ code: "UNSAFE_PERMISSIONS" });
  });

  test("a file without the last line end, or with those of Windows, is read", async () => {
    await write(`${line("phrase")}\r\n${salt}`);
    await expect(readMasterKey(path)).resolves.toBeDefined();
  });
});

test("generated passwords have the length asked for, from characters that need no quoting in our files, and differ", () => {
  for (const length of [1, 64, 1024]) expect(generatePassword(length)).toMatch(new RegExp(`^[!-~]{${length}}$`));
  expect(generatePassword(1024)).not.toMatch(/["'\\#;:$` ]/);
  expect(generatePassword(64)).not.toBe(generatePassword(64));
  for (const length of [0, 1025, 1.5, -1])
    expect(() => generatePassword(length)).toThrow(expect.objectContaining({ code: "PASSWORD_REFUSED" }) as Error);
});

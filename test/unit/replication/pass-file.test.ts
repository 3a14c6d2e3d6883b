import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { redact } from "../../../src/log/index.ts";
import { readPassFile } from "../../../src/replication/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory();
let number = 0;

function passFile(content: string, mode = 0o600): string {
  const path = join(directory.path, `pass${number++}`);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const look = (content: string, host = "db.example", port = 5432, database = "replication", user = "repl") =>
  readPassFile(passFile(content), host, port, database, user);

describe("a pass file", () => {
  test.each([
    ["an exact line", "db.example:5432:replication:repl:secret\n", "secret"],
    ["wildcards", "*:*:*:repl:secret", "secret"],
    ["the first match, not the best", "*:*:*:*:first\ndb.example:5432:replication:repl:second\n", "first"],
    ["lines of Windows", "*:*:*:repl:secret\r\n", "secret"],
    ["comments", "#*:*:*:*:no\n*:*:*:*:yes\n", "yes"],
    ["an escaped colon and backslash in the password", "*:*:*:*:a\\:b\\\\c\n", "a:b\\c"],
    ["a password that ends at a colon", "*:*:*:*:abc:def\n", "abc"],
    ["an empty password as none", "*:*:*:*:\n*:*:*:*:x\n", "x"],
    ["an escaped star as a star", "\\*:*:*:*:no\n*:*:*:*:yes\n", "yes"],
    ["another host", "other:*:*:*:no\n", undefined],
    ["another port", "*:5433:*:*:no\n", undefined],
    ["another database", "*:*:postgres:*:no\n", undefined],
    ["another user", "*:*:*:other:no\n", undefined],
    ["a line with too few fields", "*:*:*:repl\n", undefined],
    ["nothing", "", undefined],
  ])("with %s", async (_what, content, password) => {
    expect(await look(content)).toBe(password);
  });

  test("knows a Unix socket by its directory and as localhost", async () => {
    expect(await look("localhost:*:*:*:yes\n", "/run/postgresql")).toBe("yes");
    expect(await look("/run/postgresql:*:*:*:yes\n", "/run/postgresql")).toBe("yes");
    expect(await look("/tmp:*:*:*:no\n", "/run/postgresql")).toBeUndefined();
  });

  test("gives back every host, user and password that was written with escapes", async () => {
    const text = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 });
    const escape = (value: string): string => value.replace(/[\\:]/g, "\\$&");
    await fc.assert(
      fc.asyncProperty(text, text, async (user, password) => {
        fc.pre(user !== "*");
        expect(await look(`*:*:*:${escape(user)}:${escape(password)}\n`, "h", 1, "d", user)).toBe(password);
      }),
      { numRuns: 100 },
    );
  });

  test("tells the log what never to show", async () => {
    expect(await look("*:*:*:*:kept from the log\n")).toBe("kept from the log");
    expect(redact('the server says: no password like "kept from the log"')).toBe('the server says: no password like "***"');
  });

  test("that does not exist has no password", async () => {
    expect(await readPassFile(join(directory.path, "absent"), "h", 1, "d", "u")).toBeUndefined();
  });

  test("that others can read, that is no file or that cannot be a list of passwords is refused with its name", async () => {
    const folder = join(directory.path, "folder");
    mkdirSync(folder, { mode: 0o700 });
    const paths = [passFile("*:*:*:*:x\n", 0o640), passFile("*:*:*:*:x\n", 0o604), folder, passFile("x".repeat(2_000_000))];
    for (const path of paths) {
      await expect(readPassFile(path, "h", 1, "d", "u")).rejects.toMatchObject({ code: "PASS_FILE_REFUSED", details: { path } });
    }
  });
});

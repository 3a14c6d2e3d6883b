/** The written archives, judged by GNU tar and by our own reader. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createTarReader, tarEnd, tarHeader, tarPadding, type TarMember } from "../../../src/tar/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const owner = { uid: 26, gid: 26, user: "postgres", group: "postgres" };
const member = (path: string | Buffer, more: Partial<TarMember> = {}): TarMember => ({
  path: Buffer.from(path),
  kind: "file",
  mode: 0o600,
  size: 0,
  modified: 1_700_000_000,
  owner,
  ...more,
});
const file = (path: string | Buffer, body: Buffer, more: Partial<TarMember> = {}): Buffer =>
  Buffer.concat([tarHeader(member(path, { size: body.length, ...more })), body, tarPadding(body.length)]);

function unpack(...blocks: Buffer[]): string {
  const { path } = temporaryDirectory();
  writeFileSync(join(path, "a.tar"), Buffer.concat([...blocks, tarEnd()]));
  mkdirSync(join(path, "out"));
  execFileSync("tar", ["-xpf", "../a.tar"], { cwd: join(path, "out"), stdio: "pipe" });
  return join(path, "out");
}

describe("a written archive", () => {
  test("is unpacked by tar with its modes, links and times", () => {
    const out = unpack(
      tarHeader(member("d", { kind: "directory", mode: 0o750 })),
      file("d/one", Buffer.from("1"), { mode: 0o640 }),
      file("d/block", Buffer.alloc(512, 7)),
      file("d/empty", Buffer.alloc(0)),
      tarHeader(member("d/link", { kind: "symlink", mode: 0o777, linkTarget: Buffer.from("../elsewhere/with space") })),
    );
    expect(readFileSync(join(out, "d/one"), "utf8")).toBe("1");
    expect(readFileSync(join(out, "d/block")).equals(Buffer.alloc(512, 7))).toBe(true);
    expect(statSync(join(out, "d/empty")).size).toBe(0);
    expect(statSync(join(out, "d")).mode & 0o777).toBe(0o750);
    expect(statSync(join(out, "d/one")).mode & 0o777).toBe(0o640);
    expect(statSync(join(out, "d/one")).mtimeMs).toBe(1_700_000_000_000);
    expect(readlinkSync(join(out, "d/link"))).toBe("../elsewhere/with space");
  });

  test("keeps names and targets of any bytes and length", () => {
    const names = [
      Buffer.from("ä".repeat(60)),
      Buffer.concat([Buffer.from("x".repeat(99)), Buffer.from([0xff, 0xfe]), Buffer.from("y".repeat(120))]),
      Buffer.from([0xe4, 0x20, 0x22, 0x0a, 0x5c]),
      Buffer.from(`${"n".repeat(97)}/b`),
      Buffer.from(`${"m".repeat(99)}`),
    ];
    const target = Buffer.concat([Buffer.from("t".repeat(150)), Buffer.from([0xff])]);
    const { path } = temporaryDirectory();
    const archive = Buffer.concat([
      tarHeader(member("n".repeat(97), { kind: "directory", mode: 0o700 })),
      tarHeader(member("m".repeat(99).replace("m", "q"), { kind: "directory", mode: 0o700 })),
      ...names.map((name) => file(name, name)),
      tarHeader(member("link", { kind: "symlink", linkTarget: target })),
      tarEnd(),
    ]);
    writeFileSync(join(path, "a.tar"), archive);
    execFileSync("tar", ["-xf", "a.tar"], { cwd: path, stdio: "pipe" });
    for (const name of names) {
      const whole = Buffer.concat([Buffer.from(`${path}/`), name]);
      expect(existsSync(whole), name.toString("latin1")).toBe(true);
      expect(readFileSync(whole).equals(name)).toBe(true);
    }
    expect(readlinkSync(join(path, "link"), "buffer").equals(target)).toBe(true);
  });

  test("states sizes beyond eight octal gigabytes in both ways, and tar lists them", () => {
    const large = 2 ** 33 + 123;
    for (const size of [2 ** 33 - 1, 2 ** 33, large]) {
      const header = tarHeader(member("big", { size }));
      // The body is missing: tar says so, after it has listed the entry.
      const listed = spawnSync("tar", ["-tvf", "-"], { input: header }).stdout.toString();
      expect(listed).toContain(String(size));
    }
  });

  test("is read by our own reader where it needs no extended header", () => {
    const seen: [string, number, string][] = [];
    let body = "";
    const reader = createTarReader({
      onEntry: (entry) => void seen.push([entry.path, entry.mode, entry.kind]),
      onData: (piece) => {
        body += Buffer.from(piece).toString();
      },
      onEnd: () => undefined,
    });
    reader.write(
      Buffer.concat([
        file("a/b", Buffer.from("hello")),
        tarHeader(member("a", { kind: "directory", mode: 0o700 })),
        tarEnd(),
      ]),
    );
    reader.finish();
    expect(seen).toEqual([
      ["a/b", 0o600, "file"],
      ["a", 0o700, "directory"],
    ]);
    expect(body).toBe("hello");
  });

  test.each(["", "/etc/passwd", "a/../b", "a//b", "./a", "a\0b", "a/"])(
    "takes no name that leads elsewhere: %j",
    (name) => {
      expect(() => tarHeader(member(name))).toThrow(/no name for an entry/);
    },
  );
});

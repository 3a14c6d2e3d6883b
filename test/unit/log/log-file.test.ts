import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import fc from "fast-check";
import { openLogFile, type LogFile, type LogFileOptions } from "../../../src/log/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let root = "";
let complaints: string[] = [];
let time = 0;

beforeEach(() => {
  root = temporaryDirectory().path;
  complaints = [];
  time = new Date(2026, 10, 20, 9, 0, 0).getTime();
});

function open(options: Partial<LogFileOptions> = {}): LogFile {
  return openLogFile({
    path: join(root, "m.log"),
    mode: "append",
    rotationSize: 0,
    rotationAge: 0,
    now: () => time,
    complain: (text) => complaints.push(text),
    ...options,
  });
}

const read = (name = "m.log"): string => readFileSync(join(root, name), "utf8");
const files = (): string[] => readdirSync(root).toSorted();

test("a line is in the file when write returns", () => {
  const log = open();
  log.write("one");
  expect(read()).toBe("one\n");
  log.write("two");
  expect(read()).toBe("one\ntwo\n");
  log.close();
  expect(statSync(join(root, "m.log")).mode & 0o777 & ~0o640).toBe(0);
});

test("append goes on, create begins anew", () => {
  writeFileSync(join(root, "m.log"), "earlier\n");
  const appended = open();
  appended.write("later");
  appended.close();
  expect(read()).toBe("earlier\nlater\n");
  const created = open({ mode: "create" });
  created.write("first");
  created.close();
  expect(read()).toBe("first\n");
});

test("a file that cannot be opened at the start is an error", () => {
  expect(() => open({ path: join(root, "no/such/m.log") })).toThrow(
    expect.objectContaining({ code: "LOG_NOT_OPENED" }) as Error,
  );
});

describe("rotation", () => {
  test("by size: no file is larger, no line is lost, none is cut, none is overwritten within one second", () => {
    const log = open({ rotationSize: 100 });
    const lines = Array.from({ length: 50 }, (_unused, index) => `line ${index} ${"x".repeat(index)}`);
    for (const line of lines) log.write(line);
    log.close();
    const all = files();
    expect(all.length).toBeGreaterThan(10);
    for (const name of all) expect(statSync(join(root, name)).size).toBeLessThanOrEqual(100);
    const found = all.flatMap((name) => read(name).trimEnd().split("\n"));
    expect(found.toSorted()).toEqual(lines.toSorted());
    expect(complaints).toEqual([]);
  });

  test("a line that is larger than the size stands alone", () => {
    const log = open({ rotationSize: 10 });
    log.write("small");
    log.write("x".repeat(50));
    log.write("small");
    log.close();
    expect(
      files()
        .map((name) => read(name).length)
        .toSorted((a, b) => a - b),
    ).toEqual([6, 6, 51]);
  });

  test("by age, counted from the beginning of the file, at the next line", () => {
    const log = open({ rotationAge: 60, mode: "create" });
    log.write("one");
    time += 59_000;
    log.write("two");
    time += 1_000;
    log.write("three");
    log.close();
    expect(files()).toEqual(["m.log", "m.log.20261120090100"]);
    expect(read("m.log.20261120090100")).toBe("one\ntwo\n");
    expect(read()).toBe("three\n");
  });

  test("the age goes on after a restart", () => {
    writeFileSync(join(root, "m.log"), "earlier\n");
    const { birthtimeMs } = statSync(join(root, "m.log"));
    time = birthtimeMs + 3_600_000;
    const log = open({ rotationAge: 1800 });
    log.write("later");
    log.close();
    expect(files()).toHaveLength(2);
    expect(read()).toBe("later\n");
  });

  test("a pattern names the next file, and one that is there already is continued", () => {
    writeFileSync(join(root, "m-10.log"), "of another day\n");
    const log = open({ path: join(root, "m-%H.log"), rotationAge: 3600, mode: "create" });
    log.write("nine");
    time += 3_600_000;
    log.write("ten");
    expect(log.path).toBe(join(root, "m-10.log"));
    log.close();
    expect(read("m-09.log")).toBe("nine\n");
    expect(read("m-10.log")).toBe("of another day\nten\n");
  });

  test("where the next file cannot be opened the present one goes on, and it is said", () => {
    mkdirSync(join(root, "09"));
    const log = open({ path: join(root, "%H/m.log"), rotationAge: 3600, mode: "create" });
    log.write("one");
    time += 3_600_000;
    log.write("two");
    log.close();
    expect(read("09/m.log")).toBe("one\ntwo\n");
    expect(complaints).toEqual([expect.stringMatching(/could not be rotated and goes on: ENOENT/)]);
  });
});

test("after the file was moved away, reopen makes a new one", () => {
  const log = open();
  log.write("one");
  renameSync(join(root, "m.log"), join(root, "m.log.1"));
  log.write("two");
  log.reopen();
  log.write("three");
  log.close();
  expect(read("m.log.1")).toBe("one\ntwo\n");
  expect(read()).toBe("three\n");
});

describe("a full disk", () => {
  /** A disk with so many bytes left. */
  function disk(bytes: number) {
    const state = { free: bytes };
    const writeBytes = (file: number, data: Uint8Array): number => {
      if (state.free === 0)
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      const written = writeSync(file, data.subarray(0, Math.min(data.length, state.free)));
      state.free -= written;
      return written;
    };
    return { state, writeBytes };
  }

  test("is told once, lines go to standard error at once, and into the file in order when there is space again", () => {
    fc.assert(
      fc.property(fc.nat({ max: 60 }), (free) => {
        complaints = [];
        rmSync(join(root, "m.log"), { force: true });
        const { state, writeBytes } = disk(free);
        const log = open({ writeBytes });
        const lines = Array.from({ length: 8 }, (_unused, index) => `line number ${index}`);
        for (const line of lines) log.write(line);
        state.free = Number.MAX_SAFE_INTEGER;
        log.write("space again");
        log.close();
        expect(read()).toBe(`${[...lines, "space again"].join("\n")}\n`);
        expect(complaints[0]).toMatch(/cannot be written, lines go here: ENOSPC/);
        expect(complaints.filter((text) => text.includes("cannot be written"))).toHaveLength(1);
        for (const line of lines.slice(Math.floor(free / 14))) expect(complaints).toContain(`${line}\n`);
      }),
    );
  });

  test("for long: memory stays bounded, and the file says how many lines are only on standard error", () => {
    const { state, writeBytes } = disk(0);
    const log = open({ writeBytes });
    const line = "x".repeat(1023);
    for (let count = 0; count < 1500; count++) log.write(line);
    state.free = Number.MAX_SAFE_INTEGER;
    log.close();
    const written = read().trimEnd().split("\n");
    expect(written.filter((text) => text === line)).toHaveLength(1024);
    expect(written.at(-1)).toBe(
      "moneta: 476 lines are missing here: they went to standard error while this file could not be written",
    );
    expect(complaints.filter((text) => text === `${line}\n`)).toHaveLength(1500);
  });

  test("on a real device that is always full", () => {
    const log = open({ path: "/dev/full" });
    log.write("one");
    log.write("two");
    log.close();
    expect(complaints.slice(1, 3)).toEqual(["one\n", "two\n"]);
    expect(complaints[0]).toMatch(/ENOSPC/);
    expect(complaints.at(-1)).toMatch(/2 lines never reached the log file/);
  });

  test("a line that was cut off is whole in the next file", () => {
    const { state, writeBytes } = disk(8);
    const log = open({ writeBytes });
    log.write("one");
    log.write("second line");
    renameSync(join(root, "m.log"), join(root, "m.log.1"));
    log.reopen();
    state.free = Number.MAX_SAFE_INTEGER;
    log.write("three");
    log.close();
    expect(read("m.log.1")).toBe("one\nseco");
    expect(read()).toBe("second line\nthree\n");
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { createLineSplitter } from "../../../src/supervisor/line-splitter.ts";
import { writePidFile } from "../../../src/supervisor/pid-file.ts";
import { childEnvironment } from "../../../src/supervisor/program.ts";
import { openServerMode } from "../../../src/supervisor/server-mode.ts";
import { listenToSignals, stoppableFromTheStart } from "../../../src/supervisor/signals.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "mp"));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe("the PID file", () => {
  it("replaces one that was left behind and is removed by its owner", async () => {
    const path = join(directory, "a.pid");
    await writeFile(path, "99999\n");
    const file = await writePidFile(path, 1234);
    expect([file.replaced, await readFile(path, "utf8")]).toEqual(["99999", "1234\n"]);
    await file.remove();
    await expect(readFile(path)).rejects.toThrow("ENOENT");
    await file.remove();
  });

  it("of a newer daemon is left alone", async () => {
    const path = join(directory, "b.pid");
    const file = await writePidFile(path, 1);
    await writeFile(path, "2\n");
    await file.remove();
    expect(await readFile(path, "utf8")).toBe("2\n");
  });

  it("replaces one of another account that may not be read", async () => {
    const path = join(directory, "d.pid");
    await writeFile(path, "99999\n", { mode: 0o000 });
    const file = await writePidFile(path, 1234);
    expect([typeof file.replaced, await readFile(path, "utf8")]).toEqual(["string", "1234\n"]);
    await file.remove();
    await expect(readFile(path)).rejects.toThrow("ENOENT");
  });

  it("says so when it cannot be written", async () => {
    await expect(writePidFile(join(directory, "absent", "c.pid"), 1)).rejects.toMatchObject({ code: "PID_FILE" });
    await mkdir(join(directory, "e.pid"));
    await expect(writePidFile(join(directory, "e.pid"), 1)).rejects.toMatchObject({ code: "PID_FILE" });
  });
});

describe("the mode of a server", () => {
  it("is online until it is taken away, and stays as it was set", async () => {
    const mode = openServerMode(openLocalStorage(directory), () => 0);
    expect(await mode.isOnline("primary")).toBe(true);
    await mode.setOnline("primary", false);
    await mode.setOnline("primary", false);
    expect(await openServerMode(openLocalStorage(directory), () => 0).isOnline("primary")).toBe(false);
    expect(await mode.isOnline("other")).toBe(true);
    await mode.setOnline("primary", true);
    await mode.setOnline("primary", true);
    expect(await mode.isOnline("primary")).toBe(true);
  });

  it("is not guessed from a file that says something else", async () => {
    const storage = openLocalStorage(directory);
    await storage.makeDirectory("odd");
    await storage.replaceFile("odd/offline", "?");
    await expect(openServerMode(storage, () => 0).isOnline("odd")).rejects.toMatchObject({ code: "MODE_FILE" });
  });
});

describe("the environment of a child", () => {
  const outside = {
    PATH: "/bin",
    HOME: "/home/moneta",
    LC_ALL: "C",
    TZ: "UTC",
    NODE_OPTIONS: "--x",
    NODE_EXTRA_CA_CERTS: "/ca.pem",
    PGPASSWORD: "secret",
    PGMONETA_PASSWORD: "secret",
    AWS_SECRET_ACCESS_KEY: "secret",
    UV_THREADPOOL_SIZE: "1",
    GONE: undefined,
  };
  it("holds nothing but what a child needs", () => {
    const kept = { PATH: "/bin", HOME: "/home/moneta", LC_ALL: "C", TZ: "UTC", NODE_OPTIONS: "--x" };
    expect(childEnvironment("receiver", outside, 8)).toEqual(kept);
    expect(childEnvironment("job", outside, 8)).toEqual({
      ...kept,
      UV_THREADPOOL_SIZE: "8",
      GLIBC_TUNABLES: expect.stringMatching(/^glibc\.malloc\.arena_max=1:(glibc\.malloc\.\w+=\d+:?)+$/) as string,
    });
    expect(childEnvironment("job", outside, 2)).toMatchObject({ UV_THREADPOOL_SIZE: "4" });
  });
});

describe("what a child prints by itself", () => {
  it("arrives line by line however it is cut, and a line without end costs no memory", () => {
    const lines: string[] = [];
    const write = createLineSplitter((line) => lines.push(line), 10);
    for (const piece of ["fir", "st\nsec", "ond\n\n", "x".repeat(100), "y".repeat(100), "\nlast\n"])
      write(Buffer.from(piece));
    expect(lines).toEqual(["first", "second", "x".repeat(10), "last"]);
  });
});

describe("signals", () => {
  it("stop once in order, then at once, whichever they are", () => {
    const handlers = new Map<string, () => void>();
    const heard: string[] = [];
    listenToSignals(
      { on: (signal, listener) => handlers.set(signal, listener) },
      {
        stop: (signal) => heard.push(`stop ${signal}`),
        force: (signal) => heard.push(`force ${signal}`),
        hangUp: () => heard.push("hang up"),
        ignored: (signal) => heard.push(`ignored ${signal}`),
      },
    );
    for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGINT", "SIGHUP", "SIGTERM", "SIGALRM"])
      handlers.get(signal)?.();
    expect(heard).toEqual([
      "hang up",
      "ignored SIGUSR1",
      "ignored SIGUSR2",
      "stop SIGINT",
      "hang up",
      "force SIGTERM",
      "force SIGALRM",
    ]);
  });

  it("that come before the daemon stands are carried out when it does", () => {
    const heard: string[] = [];
    const early = stoppableFromTheStart((reason) => heard.push(`abandon: ${reason}`));
    early.stop("first");
    early.stop("second");
    early.force("third");
    early.started({
      stop: (reason) => heard.push(`stop: ${reason}`),
      force: (reason) => heard.push(`force: ${reason}`),
    });
    early.force("fourth");
    early.stop("fifth");
    expect(heard).toEqual(["abandon: third", "stop: first", "force: fourth", "stop: fifth"]);
  });
});

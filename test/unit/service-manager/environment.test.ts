import { describe, expect, it } from "vitest";
import { encodeMessage, takeServiceEnvironment, variablesForSuccessor } from "../../../src/service-manager/index.ts";

describe("what a service manager wrote into the environment", () => {
  it("is taken out of it, so that no other process has it", () => {
    const environment = { PATH: "/bin", NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: "180000000", WATCHDOG_PID: "42" };
    expect(takeServiceEnvironment(environment, 42)).toEqual({ socket: "/run/systemd/notify", watchdogUsec: 180_000_000 });
    expect(environment).toEqual({ PATH: "/bin" });
    expect(takeServiceEnvironment(environment, 42)).toBeUndefined();
  });

  it("is no watch over us when it names another process, or no time", () => {
    const watch = (more: Record<string, string>) => takeServiceEnvironment({ NOTIFY_SOCKET: "@n", ...more }, 42);
    expect(watch({ WATCHDOG_USEC: "5000000", WATCHDOG_PID: "41" })).toEqual({ socket: "@n", watchdogUsec: undefined });
    expect(watch({ WATCHDOG_USEC: "5000000" })?.watchdogUsec).toBe(5_000_000);
    for (const wrong of ["0", "-1", "", "5s", "1e9", "9".repeat(40)]) expect(watch({ WATCHDOG_USEC: wrong })?.watchdogUsec).toBeUndefined();
    expect(takeServiceEnvironment({ WATCHDOG_USEC: "5000000" }, 42)).toBeUndefined();
    expect(takeServiceEnvironment({ NOTIFY_SOCKET: "" }, 42)).toBeUndefined();
  });

  it("goes to the process that becomes the daemon, without the pid of this one", () => {
    expect(variablesForSuccessor({ socket: "/n", watchdogUsec: 7 })).toEqual({ NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "7" });
    expect(variablesForSuccessor({ socket: "/n", watchdogUsec: undefined })).toEqual({ NOTIFY_SOCKET: "/n" });
    expect(variablesForSuccessor(undefined)).toEqual({});
  });
});

describe("a message", () => {
  it("has each assignment on a line, and no text can make another one", () => {
    expect(encodeMessage({ READY: 1, STATUS: "a server\nSTOPPING=1\tMAINPID=1\0 is\u009b there " })).toEqual([
      "READY=1",
      "STATUS=a server STOPPING=1 MAINPID=1 is there",
    ]);
  });

  it("is never longer than a service manager reads", () => {
    const [status = ""] = encodeMessage({ STATUS: "ä€".repeat(4000) });
    expect(Buffer.byteLength(status)).toBeLessThan(4096);
    expect(status).toMatch(/^STATUS=(ä€)+…$/);
  });
});

/** What a service manager hears, by a socket of the kernel that perl reads. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createServiceNotifier, type ServiceNotifier, type ServiceNotifierOptions } from "../../../src/service-manager/index.ts";
import { descendantsOf } from "../../support/processes.ts";
import { requires } from "../../support/requires.ts";
import { listenAsManager, says, type StandInManager } from "../../support/service-manager.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

let directory: TemporaryDirectory;
let manager: StandInManager;
let notifier: ServiceNotifier | undefined;
const complaints: string[] = [];

beforeEach(async () => {
  directory = temporaryDirectory({ unprivileged: true });
  manager = await listenAsManager(join(directory.path, "notify"));
  complaints.length = 0;
});
afterEach(async () => {
  await notifier?.close();
  notifier = undefined;
  await manager.stop();
  await directory.remove();
});

function open(watchdogUsec?: number, more: Partial<ServiceNotifierOptions> = {}): ServiceNotifier {
  notifier = createServiceNotifier({
    service: { socket: manager.socket, watchdogUsec },
    complain: (message) => complaints.push(message),
    environment: process.env,
    statusMs: 20,
    // Nothing is told twice because a machine is slow.
    patienceMs: 60_000,
    ...more,
  });
  return notifier;
}

/** The words of a process; empty when it is gone. */
function wordsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

const isBeat = (datagram: string): boolean => datagram.startsWith("WATCHDOG=1");
const isRequest = (datagram: string): boolean => datagram.includes("EXTEND_TIMEOUT_USEC=");

requires("perl").describe("a service manager", () => {
  it("hears in order that the daemon starts, serves, changes, reads its configuration again, and stops", async () => {
    const daemon = open();
    let status = "WAL of 0 of 1 server is received";
    daemon.doing("starting: looking at what is stored of primary");
    await daemon.ready(() => status);
    status = "WAL of 1 of 1 server is received";
    await manager.heard("its new state", says(`STATUS=${status}`));
    const before = process.hrtime.bigint() / 1000n;
    await daemon.around(async () => void (await manager.heard("the reload", says("RELOADING=1"))));
    const after = process.hrtime.bigint() / 1000n;
    await expect(daemon.around(() => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
    daemon.stopping("signal SIGTERM");
    daemon.stopping("again");
    await daemon.close();
    await manager.heard("the end", says("STOPPING=1"));
    const reloading = /^RELOADING=1\nMONOTONIC_USEC=(\d+)\nSTATUS=reading the configuration again$/;
    expect(manager.received()).toEqual([
      "STATUS=starting: looking at what is stored of primary",
      "READY=1\nSTATUS=WAL of 0 of 1 server is received",
      "STATUS=WAL of 1 of 1 server is received",
      expect.stringMatching(reloading),
      "READY=1\nSTATUS=WAL of 1 of 1 server is received",
      expect.stringMatching(reloading),
      "READY=1\nSTATUS=WAL of 1 of 1 server is received",
      "STOPPING=1\nSTATUS=stopping: signal SIGTERM",
    ]);
    const at = BigInt(reloading.exec(manager.received()[3] ?? "")?.[1] ?? "0");
    expect(at >= before && at <= after).toBe(true);
    expect(complaints).toEqual([]);
  });

  it("hears the pid of the daemon where it has started another process, together with its readiness", async () => {
    await open(undefined, { mainPid: 4711 }).ready(() => "fine");
    expect(await manager.heard("its readiness", says("READY=1"))).toBe("MAINPID=4711\nREADY=1\nSTATUS=fine");
  });

  it("is found by an abstract name as well", async () => {
    await manager.stop();
    manager = await listenAsManager(`@moneta-test-${process.pid}-${Date.now()}`);
    await open().ready(() => "fine");
    expect(await manager.heard("its readiness", says("READY=1"))).toBe("READY=1\nSTATUS=fine");
  });

  it("hears again and again that the daemon lives, before it is ready and after, and nothing while its event loop stands still", async () => {
    const daemon = open(40_000);
    await manager.heard("a sign of life", isBeat);
    await daemon.ready(() => "fine");
    expect(await manager.heard("its readiness", says("READY=1"))).toContain("\nWATCHDOG=1\n");
    const served = manager.received().length;
    await manager.heard("another sign of life", says("WATCHDOG=1"), served);
    const before = manager.received().length;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
    // Said before anything else can be: what was sent meanwhile comes before it.
    daemon.failed("the loop turns again");
    await manager.heard("the words after it", says("STATUS=the loop turns again"));
    const after = manager.received().findIndex(says("STATUS=the loop turns again"));
    // A hundred would have come; a few may have been on their way.
    expect(manager.received().slice(before, after).filter(isBeat).length).toBeLessThan(50);
    await manager.heard("a sign of life again", isBeat, after + 1);
  });

  it("is asked for more time while the daemon starts, reads its configuration or stops, and at no other time", async () => {
    const daemon = open(60_000, { extension: { everyMs: 30, byMs: 30_000 } });
    expect(await manager.heard("a request", isRequest)).toBe("WATCHDOG=1\nEXTEND_TIMEOUT_USEC=30000000");
    await daemon.ready(() => "fine");
    await manager.heard("its readiness", says("READY=1"));
    const ready = manager.received().findIndex(says("READY=1"));
    await waitFor("three signs of life", () => manager.received().slice(ready + 1).filter(isBeat).length > 3);
    expect(manager.received().slice(ready).filter(isRequest)).toEqual([]);
    const running = manager.received().length;
    await daemon.around(async () => void (await manager.heard("a request", isRequest, running)));
    daemon.stopping("by hand");
    const end = manager.received().length;
    await manager.heard("a request", isRequest, end + 1);
  });

  it("hears on when the program that tells it was killed or hangs", async () => {
    const daemon = open(undefined, { patienceMs: 2000 });
    await daemon.ready(() => "one");
    const ours = (): number[] => descendantsOf(process.pid).filter((pid) => wordsOf(pid).startsWith(`moneta: notifier ${manager.socket}`));
    for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
      const [pid = expect.fail("there is none"), ...others] = ours();
      expect(others).toEqual([]);
      const before = manager.received().length;
      process.kill(pid, signal);
      daemon.failed(`after ${signal}`);
      await manager.heard("a message", says(`STATUS=after ${signal}`), before);
    }
    await daemon.close();
    expect(ours()).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it("that is not there is complained of once, and once it is back it hears and that is said", async () => {
    await manager.stop();
    const elsewhere = join(directory.path, "later");
    const daemon = open(undefined, { service: { socket: elsewhere, watchdogUsec: undefined } });
    await daemon.ready(() => "one");
    daemon.failed("two");
    await waitFor("a complaint", () => complaints.length > 0);
    manager = await listenAsManager(elsewhere);
    daemon.failed("three");
    await manager.heard("a message", says("STATUS=three"));
    await waitFor("all is well", () => complaints.length > 1);
    expect(complaints).toEqual([
      expect.stringContaining(`the service manager cannot be told anything: ${elsewhere}: No such file or directory`),
      "the service manager can be told again",
    ]);
  });
});

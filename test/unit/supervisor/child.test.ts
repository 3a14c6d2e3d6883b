import { describe, expect, it } from "vitest";
import { errorToRecord } from "../../../src/common/index.ts";
import { createChild, type KeptEvents } from "../../../src/supervisor/child.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import { createManualClock, createRecordingLogger } from "./stand-ins.ts";

const exited = (code: number | null, signal: NodeJS.Signals | null = null) => ({ code, signal, error: undefined });

function setUp() {
  const clock = createManualClock();
  const { advance, asked } = clock;
  const spawned: (KeptEvents & { drained: number; killed: number })[] = [];
  const states: string[] = [];
  let refuseSpawn = false;
  const child = createChild({
    name: "receiver of primary",
    clock,
    logger: createRecordingLogger().logger,
    drainTimeoutMs: 5000,
    onState: (state, error) => states.push(error === undefined ? state : `${state}:${error.code}`),
    spawn: (events) => {
      if (refuseSpawn) throw supervisorErrors.childLost("no more processes");
      const own = { ...events, drained: 0, killed: 0 };
      spawned.push(own);
      return {
        pid: 1000 + spawned.length,
        drain: () => (own.drained += 1),
        kill: () => {
          own.killed += 1;
          own.ended(exited(null, "SIGKILL"));
        },
      };
    },
  });
  const last = () => {
    const own = spawned.at(-1);
    if (own === undefined) throw new Error("nothing was started");
    return own;
  };
  return { child, advance, asked, spawned, last, states, refuse: (value: boolean) => (refuseSpawn = value) };
}

describe("a child that must always run", () => {
  it("is started again after growing waits, which begin anew once it ran well", async () => {
    const { child, advance, asked, last, spawned, states } = setUp();
    child.start();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      last().ended(exited(1));
      await advance(60_000);
    }
    expect(spawned).toHaveLength(6);
    expect(child.restarts).toBe(5);
    asked.slice(1).forEach((ms, index) => expect(ms).toBeGreaterThan(asked[index] ?? 0));
    last().running();
    await advance(20_000);
    last().ended(exited(null, "SIGKILL"));
    expect(asked.at(-1)).toBeLessThanOrEqual(200);
    expect(states.slice(-2)).toEqual(["running", "backoff:CHILD_LOST"]);
  });

  it("is tried again within 200 ms after its first death", () => {
    const { child, asked, last } = setUp();
    child.start();
    last().running();
    last().ended(exited(1));
    expect(asked).toHaveLength(1);
    expect(asked[0]).toBeLessThanOrEqual(200);
  });

  it("is started only now and then when it says that trying again is useless, or when somebody asks for it", async () => {
    const { child, advance, asked, last, spawned, states } = setUp();
    const useless = errorToRecord(supervisorErrors.options("a defect"));
    child.start();
    last().running();
    last().failed(useless);
    last().ended(exited(1));
    expect(states.at(-1)).toBe("failed:OPTIONS_INVALID");
    expect(asked.at(-1)).toBe(300_000);
    await advance(299_999);
    expect(spawned).toHaveLength(1);
    await advance(1);
    expect(spawned).toHaveLength(2);
    last().failed(useless);
    last().ended(exited(1));
    child.start();
    await advance(300_000);
    expect(spawned).toHaveLength(3);
  });

  it("is tried again after an error that may pass", async () => {
    const { child, advance, last, spawned } = setUp();
    child.start();
    last().failed(errorToRecord(supervisorErrors.childLost("no connection")));
    last().ended(exited(1));
    await advance(1000);
    expect(spawned).toHaveLength(2);
  });

  it("drains: asked once, waited for, and not started again", async () => {
    const { child, advance, last, spawned, states } = setUp();
    child.start();
    last().running();
    let gone = 0;
    void child.drain().then(() => (gone += 1));
    void child.drain().then(() => (gone += 1));
    await advance(10);
    expect([last().drained, gone, child.state]).toEqual([1, 0, "draining"]);
    last().ended(exited(0));
    await advance(100_000);
    expect([gone, child.state, spawned.length, last().killed]).toEqual([2, "stopped", 1, 0]);
    expect(states.at(-1)).toBe("stopped");
  });

  it("is killed when it does not drain in time", async () => {
    const { child, advance, last } = setUp();
    child.start();
    let gone = false;
    void child.drain().then(() => (gone = true));
    await advance(4999);
    expect(last().killed).toBe(0);
    await advance(1);
    expect([last().killed, gone, child.state]).toEqual([1, true, "stopped"]);
  });

  it("can be drained while it waits for its next attempt, and a second time when it runs again", async () => {
    const { child, advance, last, spawned } = setUp();
    child.start();
    last().ended(exited(1));
    await child.drain();
    await advance(100_000);
    expect([spawned.length, child.state]).toEqual([1, "stopped"]);
    child.start();
    const gone = child.drain();
    expect(last().drained).toBe(1);
    last().ended(exited(0));
    await gone;
  });

  it("starts again when that was asked for while it drained", async () => {
    const { child, last, spawned } = setUp();
    child.start();
    last().running();
    const gone = child.drain();
    child.start();
    last().ended(exited(0));
    await gone;
    expect([spawned.length, child.state]).toEqual([2, "starting"]);
  });

  it("counts a process that the system refuses as one that died", async () => {
    const { child, advance, spawned, states, refuse } = setUp();
    refuse(true);
    child.start();
    expect(states.at(-1)).toBe("backoff:CHILD_LOST");
    refuse(false);
    await advance(200);
    expect([spawned.length, child.state]).toEqual([1, "starting"]);
  });
});

import { closeSync, openSync, readFileSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fromJob, type FromJob, type ToJob } from "../../../src/ipc/index.ts";
import {
  describeEnd,
  startProcess,
  type ProcessEnd,
  type RunningProcess,
} from "../../../src/supervisor/child-process.ts";
import { isAlive } from "../../support/processes.ts";
import { createRecordingLogger } from "./stand-ins.ts";

const path = fileURLToPath(new URL("./misbehaving-child.ts", import.meta.url));

/** Starts the child with a way to misbehave and waits for its end. */
async function misbehave(behaviour: string, onMessage?: (message: FromJob) => void) {
  const { logger, records } = createRecordingLogger();
  const messages: FromJob[] = [];
  let own: RunningProcess<ToJob> | undefined;
  const lockFile = join(tmpdir(), `moneta-lock-${process.pid}`);
  const lockFd = openSync(lockFile, "w");
  unlinkSync(lockFile);
  const end = await new Promise<ProcessEnd>((resolve) => {
    own = startProcess<ToJob, FromJob>({
      program: "job",
      path,
      check: fromJob,
      onMessage: (message) => {
        messages.push(message);
        onMessage?.(message);
      },
      onEnd: resolve,
      logger,
      lockFd,
      environment: { ...process.env, NODE_EXTRA_CA_CERTS: "/nowhere", SECRET: "secret" },
    });
    own.channel.send({ type: "cancel", reason: behaviour }).catch(() => undefined);
  });
  closeSync(lockFd);
  return { end, messages, lines: records.map((record) => record.message), pid: own?.pid ?? 0 };
}

describe("a process of a child", () => {
  it("that ends has its last message delivered before its end", async () => {
    const { end, messages } = await misbehave("finish");
    expect(end).toMatchObject({ code: 0, signal: null, error: undefined });
    expect(messages.at(-1)).toMatchObject({ type: "result" });
    expect(messages).toHaveLength(500);
  });

  it("that crashes leaves its last words in the log", async () => {
    const { end, lines } = await misbehave("crash");
    expect(end.code).not.toBe(0);
    expect(describeEnd(end)).toMatch(/^exit status \d+$/);
    expect(lines.join("\n")).toContain("a defect on purpose");
  });

  it("that is killed is reported with the signal", async () => {
    expect(describeEnd((await misbehave("die")).end)).toBe("signal SIGKILL");
  });

  it("that talks nonsense is killed, and only it", async () => {
    const { end, pid } = await misbehave("babble");
    expect(end.error?.code).toBe("CHILD_INVALID");
    expect(isAlive(pid)).toBe(false);
  });

  it("whose message cannot be handled is killed, and the failure goes no further", async () => {
    const { end } = await misbehave("finish", () => {
      throw new RangeError("a defect of the supervisor");
    });
    expect(end.error).toMatchObject({
      code: "CHILD_INVALID",
      message: expect.stringContaining("a defect of the supervisor") as string,
    });
  });

  it("that closes its channel and stays is helped to its end", async () => {
    const { end } = await misbehave("hang");
    expect(end.signal).toBe("SIGKILL");
  });

  it("gets a clean environment, no arguments, and the lock", async () => {
    const { lines } = await misbehave("look");
    const seen = JSON.parse(lines.find((line) => line.startsWith("{")) ?? "{}") as {
      names: string[];
      args: string[];
      lock: string;
    };
    expect(seen.args).toEqual([]);
    expect(seen.names).not.toContain("SECRET");
    expect(seen.names).not.toContain("NODE_EXTRA_CA_CERTS");
    expect(seen.names).toContain("UV_THREADPOOL_SIZE");
    expect(seen.lock).toContain(`moneta-lock-${process.pid}`);
  });
});

/** Sees to it that the fixture is really there: a wrong path would make several tests pass for the wrong reason. */
it("the misbehaving child exists", () => expect(readFileSync(path, "utf8")).toContain("a defect on purpose"));

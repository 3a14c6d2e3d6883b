import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { createChannel, fromReceiver, type Channel, type Drain, type FromReceiver } from "../../../src/ipc/index.ts";
import { bundled } from "../../support/bundle.ts";

const children: ChildProcess[] = [];
let program: string;
beforeAll(async () => {
  program = await bundled("test/unit/ipc/talking-child.ts");
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

function start(behaviour: string) {
  const child = fork(program, [behaviour], { serialization: "json", execArgv: [] });
  children.push(child);
  const messages: FromReceiver[] = [];
  let invalid: unknown;
  const gone = new Promise<void>((resolve) => {
    const channel: Channel<Drain> = createChannel<Drain, FromReceiver>({
      endpoint: child,
      check: fromReceiver,
      onMessage: (message) => messages.push(message),
      onInvalid: (error) => {
        invalid = error;
        resolve();
      },
      onDisconnect: resolve,
    });
    void channel.send({ type: "drain" });
  });
  return { child, messages, gone, invalid: () => invalid };
}

describe("a channel between two processes", () => {
  it("delivers thousands of messages in order although both sides are busy, and then an error whole", async () => {
    const { messages, gone } = start("talk");
    await gone;
    const deltas = messages.filter((message) => message.type === "state");
    expect(deltas.map((message) => message.delta["gaps"])).toEqual(Array.from({ length: 5000 }, (_, n) => n));
    expect(messages.at(-1)).toMatchObject({
      type: "failed",
      error: { code: "IPC_MESSAGE", message: "as it was thrown", details: { n: 1 } },
    });
  });

  it("tells the parent that the child was killed", async () => {
    const { child, gone } = start("wait");
    await once(child, "message");
    child.kill("SIGKILL");
    await gone;
    expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  });

  it("closes when the child says something that is no message", async () => {
    const { gone, invalid } = start("babble");
    await gone;
    expect(invalid()).toMatchObject({ code: "IPC_MESSAGE" });
  });
});

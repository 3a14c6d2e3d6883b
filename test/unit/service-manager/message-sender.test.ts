/** Which program tells a service manager, and what becomes of a message when none can. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createMessageSender, type SenderProgram } from "../../../src/service-manager/index.ts";
import { senderPrograms } from "../../../src/service-manager/sender-program.ts";
import { findTool } from "../../support/tools.ts";
import { requires } from "../../support/requires.ts";
import { listenAsManager } from "../../support/service-manager.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const absent: SenderProgram = { command: "moneta-no-such-program", stays: true, arguments: () => [] };
const broken: SenderProgram = { command: "false", stays: true, arguments: () => [] };
const once: SenderProgram = { command: "false", stays: false, arguments: () => [] };
const [perl] = senderPrograms;
const message = { STATUS: "two\twords", READY: 1 } as const;

function open(socket: string, programs: readonly SenderProgram[]) {
  const complaints: string[] = [];
  const sender = createMessageSender({
    socket,
    programs,
    patienceMs: 30_000,
    environment: process.env,
    complain: (complaint) => complaints.push(complaint),
  });
  return { sender, complaints };
}

describe("the sender of messages", () => {
  it("says why when there is no program for it, and goes on", async () => {
    const { sender, complaints } = open("/nonexistent", [absent, broken, once]);
    expect(await sender.send(message)).toBe(false);
    expect(await sender.send(message)).toBe(false);
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toMatch(/moneta-no-such-program cannot be started: spawn moneta-no-such-program E[A-Z]+; false ended with status 1; false ended with status 1/);
    await sender.close();
  });

  requires("perl").it("takes the next program when one is not there, and keeps the one that does it", async () => {
    const directory = temporaryDirectory({ unprivileged: true });
    const manager = await listenAsManager(join(directory.path, "notify"));
    // Every program of this machine has to do it; which ones are here differs.
    const here = senderPrograms.filter(({ command }) => findTool(command) !== undefined);
    expect(here).toContain(perl);
    for (const program of here) {
      const { sender, complaints } = open(manager.socket, [absent, broken, program]);
      const before = manager.received().length;
      expect([await sender.send(message), await sender.send({ STOPPING: 1 })]).toEqual([true, true]);
      await sender.close();
      await manager.heard(`what ${program.command} says`, (datagram) => datagram === "STOPPING=1", before);
      // By its barrier systemd-notify waits until the manager has read what came before.
      const messages = manager.received().slice(before).filter((datagram) => datagram !== "BARRIER=1");
      expect(messages).toEqual(["STATUS=two words\nREADY=1", "STOPPING=1"]);
      expect(complaints).toEqual([]);
    }
    await manager.stop();
    await directory.remove();
  });
});

/** A child that does on purpose what none of ours should; the reason of its "cancel" message says what. */
import { readlinkSync } from "node:fs";

process.once("message", (message) => {
  // Not within the delivery of the message: see src/ipc/channel.ts.
  setImmediate(misbehave, message);
});

function misbehave(message: unknown): void {
  const behaviour = (message as { reason: string }).reason;
  const send = (value: unknown): unknown => process.send?.(value);
  switch (behaviour) {
    case "finish": {
      for (let n = 1; n < 500; n += 1) send({ type: "archived", segments: n, storedBytes: 0 });
      process.send?.({ type: "result", result: { label: null, notes: [], facts: {} } }, () => process.exit(0));
      return;
    }
    case "crash":
      throw new Error("a defect on purpose");
    case "die":
      process.kill(process.pid, "SIGKILL");
      return;
    case "babble":
      send({ type: "surprise" });
      setInterval(() => undefined, 1000);
      return;
    case "hang":
      process.disconnect();
      setInterval(() => undefined, 1000);
      return;
    case "look":
      console.log(
        JSON.stringify({
          names: Object.keys(process.env),
          args: process.argv.slice(2),
          lock: readlinkSync("/proc/self/fd/4"),
        }),
      );
      process.disconnect();
      return;
  }
}

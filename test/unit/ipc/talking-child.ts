/** A child for the tests of the channel: talks a lot, waits, or talks nonsense. */
import { errorToRecord } from "../../../src/common/index.ts";
import { createChannel, ipcErrors, toReceiver, type FromReceiver, type ToReceiver } from "../../../src/ipc/index.ts";

const behaviour = process.argv[2];
const channel = createChannel<FromReceiver, ToReceiver>({
  endpoint: process,
  check: toReceiver,
  onMessage: () => void answer(),
  onInvalid: () => process.exit(3),
  onDisconnect: () => process.exit(0),
});

async function answer(): Promise<void> {
  if (behaviour === "babble") process.send?.({ type: "babble" });
  if (behaviour === "wait") await channel.send({ type: "running" });
  if (behaviour !== "talk") return;
  for (let n = 0; n < 5000; n += 1) void channel.send({ type: "state", delta: { gaps: n } });
  await channel.send({ type: "failed", error: errorToRecord(ipcErrors.message("as it was thrown", { n: 1 })) });
  channel.close();
}

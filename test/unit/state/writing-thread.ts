/** The other thread of the torn-read tests: writes one number into many fields, or adds to a count. */
import { parentPort, workerData } from "node:worker_threads";
import { attachSegment, openStateWriter } from "../../../src/state/index.ts";

const { buffer, task, rounds } = workerData as { buffer: SharedArrayBuffer; task: "set" | "add"; rounds: number };
const writer = openStateWriter(attachSegment(buffer));
parentPort?.postMessage("ready");
for (let n = 1; n <= rounds; n += 1) {
  if (task === "add") {
    writer.job(0).add("bytesDone", 3);
  } else {
    writer.server(0).set({ timeline: n, writeLsn: BigInt(n), flushLsn: BigInt(n), walBytes: n, error: `E${n}` });
    writer.configuration().set({ generation: n, workers: n, maxRate: n });
  }
}

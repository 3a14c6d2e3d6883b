/** The process that converts one file for an operator: takes its task by message, does it, reports the outcome, ends. */
import { commonErrors, systemClock } from "../common/index.ts";
import { convert, formOf, type ConversionProgress } from "../convert/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import {
  openChildSession,
  toConverter,
  type ConversionDone,
  type ConversionProgressed,
  type ConversionStart,
  type ToConverter,
} from "../ipc/index.ts";
import { registerSecret } from "../log/index.ts";
import { readAllDataKeys, repositoryErrors } from "../repository/index.ts";
import { openLocalStorage } from "../storage/index.ts";

/** Chunks in work at the same time: it shares the machine with whatever backs up. */
const WORKERS = 2;
/** How often the supervisor hears how far it is, milliseconds. */
const TELL_EVERY_MS = 250;

const cancelling = new AbortController();
const session = openChildSession<ConversionDone | ConversionProgressed, ToConverter>({
  host: process,
  check: toConverter,
  onMessage(message) {
    if (message.type === "cancel") cancelling.abort(commonErrors.aborted(message.reason));
    else void run(message);
  },
});

/** Tells the supervisor, the beginning of each phase at once and the rest now and then. */
function createTeller(): (progress: ConversionProgress) => void {
  let phase: ConversionProgress["phase"] | undefined;
  let toldAt = 0;
  return (progress) => {
    const now = systemClock.monotonic();
    if (progress.phase === phase && now - toldAt < TELL_EVERY_MS) return;
    phase = progress.phase;
    toldAt = now;
    session.channel.offer({ type: "progress", ...progress });
  };
}

async function run(start: ConversionStart): Promise<void> {
  const { baseDir, compression, compressionLevel, conversion, encryption, file, masterKey, title } = start;
  if (title !== undefined) process.title = title;
  if (masterKey !== undefined) registerSecret(masterKey);
  const key: MasterKey | undefined =
    masterKey === undefined ? undefined : { material: Buffer.from(masterKey, "base64") };
  try {
    const done = await convert(
      {
        conversion,
        file,
        ...formOf(compression, compressionLevel, encryption),
        masterKey: async () => {
          if (key === undefined)
            throw repositoryErrors.masterKeyMissing(`the master key is needed to ${conversion} "${file}"`);
          return key;
        },
        keys: () => readAllDataKeys(openLocalStorage(baseDir), key),
        repository: baseDir,
        workers: WORKERS,
        onProgress: createTeller(),
      },
      AbortSignal.any([session.orphaned, cancelling.signal]),
    );
    await session.channel.send({ type: "converted", ...done });
  } catch (error) {
    await session.fail(error);
    return;
  }
  await session.end(0);
}

/** The process that converts one file for an operator: takes its task by message, does it, reports the outcome, ends. */
import { convert, formOf } from "../convert/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import {
  openChildSession,
  toConverter,
  type ConversionDone,
  type ConversionStart,
  type ToConverter,
} from "../ipc/index.ts";
import { registerSecret } from "../log/index.ts";
import { readAllDataKeys, repositoryErrors } from "../repository/index.ts";
import { openLocalStorage } from "../storage/index.ts";

/** Chunks in work at the same time: it shares the machine with whatever backs up. */
const WORKERS = 2;

const session = openChildSession<ConversionDone, ToConverter>({
  host: process,
  check: toConverter,
  onMessage: (message) => void run(message),
});

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
      },
      session.orphaned,
    );
    await session.channel.send({ type: "converted", ...done });
  } catch (error) {
    await session.fail(error);
    return;
  }
  await session.end(0);
}

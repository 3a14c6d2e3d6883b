/**
 * The master key of a daemon that runs: `moneta-admin master-key --rotate` replaces its file meanwhile. The file is looked at
 * before whatever needs the key, and read again when it is another one; whoever was given the key so far goes on with it.
 */
import { messageOf } from "../common/index.ts";
import { sameMasterKey, type MasterKey } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { registerSecret } from "../log/index.ts";
import { printOfMasterKey, readMasterKey, vaultErrors, type StoredMasterKey } from "../vault/index.ts";

export interface LiveMasterKey {
  /** As last read; undefined when there is none. */
  current(): MasterKey | undefined;
  /** As the file has it now. Never rejects: what cannot be read is said in the log, and the key so far is kept. */
  refresh(): Promise<MasterKey | undefined>;
  /** After `refresh`: the one in use, then the one before it, which whoever speaks to us may have read a moment ago. */
  recent(): Promise<readonly MasterKey[]>;
}

/** The key in `path`, of which `initial` is known. */
export function openLiveMasterKey(path: string, initial: StoredMasterKey | undefined, logger: Logger): LiveMasterKey {
  let key: MasterKey | undefined = initial;
  let before: MasterKey | undefined;
  /** Of the file that was looked at last, whether or not it could be read. */
  let print = initial?.print;
  let reading: Promise<void> | undefined;

  async function read(found: string | undefined): Promise<void> {
    print = found;
    try {
      const read = await readMasterKey(path);
      print = read.print;
      if (key !== undefined && sameMasterKey(key, read)) return;
      registerSecret(read.material.toString("base64"));
      logger.warn(
        key === undefined
          ? "there is a master key now, and it is used from now on"
          : "the master key was replaced: whatever begins from now on uses the new one",
        { path },
      );
      before = key;
      key = read;
    } catch (error) {
      if (key === undefined && vaultErrors.masterKeyMissing.is(error)) return;
      logger.error(`the master key is not what it was, and cannot be read; the daemon goes on with the one it has: ${messageOf(error)}`, {
        path,
        code: error instanceof Error && "code" in error ? String(error.code) : "",
      });
    }
  }

  async function refresh(): Promise<MasterKey | undefined> {
    const found = await printOfMasterKey(path);
    if (found === print && reading === undefined) return key;
    reading ??= read(found).finally(() => {
      reading = undefined;
    });
    await reading;
    return key;
  }

  return {
    current: () => key,
    refresh,
    async recent() {
      await refresh();
      return [key, before].flatMap((each) => each ?? []);
    },
  };
}

/** One that never changes: for what has no file. */
export const noMasterKey: LiveMasterKey = {
  current: () => undefined,
  refresh: async () => undefined,
  recent: async () => [],
};

/**
 * Which servers are taken out of service (`mode <server> offline`). Kept in the repository, because a restart of the
 * daemon must not bring back a server that an operator has taken away on purpose.
 */
import { serverLayout } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { supervisorErrors } from "./errors.ts";

export interface ServerMode {
  /** Throws `MODE_FILE` when the file is there and cannot be understood: then nothing is assumed. */
  isOnline(server: string): Promise<boolean>;
  /** Durable when it resolves. */
  setOnline(server: string, online: boolean): Promise<void>;
}

const largestFile = 4096;

/** The file of a server; it is there while the server is offline. */
const pathOf = (server: string): string => `${serverLayout(server).directory}/offline`;

export function openServerMode(storage: Storage, now: () => number): ServerMode {
  return {
    async isOnline(server) {
      const path = pathOf(server);
      if ((await storage.stat(path)) === undefined) return true;
      const content = (await storage.readFile(path, largestFile)).toString("utf8");
      if (!/^offline\b/.test(content))
        throw supervisorErrors.modeFile(`"${storage.root}/${path}" does not say "offline"`, { path });
      return false;
    },
    async setOnline(server, online) {
      const path = pathOf(server);
      if (online) {
        await storage.removeFile(path);
        return;
      }
      await storage.makeDirectory(serverLayout(server).directory);
      await storage.replaceFile(path, `offline since ${new Date(now()).toISOString()}\n`);
    },
  };
}

/**
 * The last steps: everything durable, then pg_control under its name. That one rename is the commit of a restore: what
 * has no pg_control is unfinished, what has one is complete, whatever else is killed or fails afterwards.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { openFilesystemSync, publishFile, type FilesystemSync } from "../common/index.ts";
import { attempting } from "./attempt.ts";
import { heldBackControlFile } from "./own-files.ts";

/** The file without which PostgreSQL does not start. */
export const controlFileOf = (data: string): string => join(data, "global", "pg_control");

/** The file systems of a cluster, opened before it is written: tablespaces may lie on others. */
export interface ClusterFilesystems {
  /** False: each file has to be synced before it is closed. */
  readonly coverFiles: boolean;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export async function openFilesystems(directories: readonly string[]): Promise<ClusterFilesystems> {
  const devices = new Map<number, FilesystemSync>();
  const close = async (): Promise<void> => {
    for (const filesystem of devices.values()) await filesystem.close();
  };
  try {
    for (const directory of directories) {
      const { dev } = await attempting("look at", directory, () => stat(directory));
      if (!devices.has(dev)) devices.set(dev, await attempting("open", directory, () => openFilesystemSync(directory)));
    }
  } catch (error) {
    // What could not be opened is the reason; that the others close is only tidy.
    await close().catch(() => undefined);
    throw error;
  }
  const each = [...devices.values()];
  return {
    coverFiles: each.every(({ coversFiles }) => coversFiles),
    async sync() {
      for (const filesystem of each) await filesystem.sync();
    },
    close,
  };
}

/** From here on PostgreSQL can start on the cluster. */
export async function sealCluster(filesystems: ClusterFilesystems, data: string): Promise<void> {
  await filesystems.sync();
  const control = controlFileOf(data);
  // By rename, which leaves no instant with both names; nothing can be replaced in a directory that was empty.
  await attempting("put in place", control, () => publishFile(join(data, heldBackControlFile), control, { replace: true }));
}

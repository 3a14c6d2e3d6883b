/** Begins to change a copy: from here until it is sealed again PostgreSQL cannot start on it, and a later run knows why. */
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "../../common/index.ts";
import { attempting } from "../attempt.ts";
import { heldBackControlFile } from "../own-files.ts";
import { controlFileOf } from "../seal-cluster.ts";
import { directoriesOf, kindOf, type TargetPaths } from "../target-directory.ts";
import { requireNoServer } from "./inspect-standby.ts";
import { writeStandbyState, type StandbyState } from "./standby-state.ts";

/**
 * Makes the directories, says durably that they are ours and unfinished, and takes pg_control away. Throws
 * HOT_STANDBY_IN_USE, and leaves the copy as it was, when a server began to start meanwhile.
 */
export async function claimStandby(paths: TargetPaths, mode: number, state: StandbyState): Promise<void> {
  const { data } = paths;
  const make = (directory: string): Promise<void> =>
    attempting("make the directory", directory, async () => {
      await mkdir(directory, { recursive: true, mode });
      // Whatever the umask is: PostgreSQL refuses a data directory that others can enter.
      await chmod(directory, mode);
    });
  await make(data);
  await writeStandbyState(data, { ...state, complete: false });
  for (const directory of directoriesOf(paths)) await make(directory);
  for (const parent of new Set(directoriesOf(paths).map((path) => dirname(path)))) await syncDirectory(parent);
  await unsealStandby(data);
}

/** Whether PostgreSQL could start on it. */
export const isSealed = async (data: string): Promise<boolean> => (await kindOf(controlFileOf(data))) !== "absent";

/**
 * A server that starts looks for pg_control, makes postmaster.pid, and reads pg_control. So one that is not seen here, once
 * pg_control is away, does not get any further.
 */
async function unsealStandby(data: string): Promise<void> {
  const control = controlFileOf(data);
  if (!(await isSealed(data))) return;
  const aside = join(data, heldBackControlFile);
  await attempting("take away", control, async () => {
    await rm(aside, { force: true });
    await rename(control, aside);
  });
  try {
    await requireNoServer(data);
  } catch (error) {
    await attempting("put back", control, () => rename(aside, control));
    throw error;
  }
  await attempting("sync", dirname(control), () => syncDirectory(dirname(control)));
}

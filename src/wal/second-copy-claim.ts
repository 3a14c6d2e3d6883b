/**
 * A second copy that was begun is found again, or it is an error: where its disk is not mounted nothing is begun anew in
 * the mount point. The repository notes where it was begun (`wal_second.json`), the copy which cluster it is of.
 */
import { changeLineage, finishLineageChange, formerLineages, openServerIdentity, readSecondCopyNote, serverLayout, writeSecondCopyNote, type ServerIdentity } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { walErrors } from "./errors.ts";

/** Throws WAL_SECOND_COPY_FAILED when the directory is not there, is not the one that was begun, or has other WAL. */
export async function claimSecondCopy(storage: Storage, copy: Storage, server: string, identity: ServerIdentity): Promise<void> {
  const layout = serverLayout(server);
  const refuse = (why: string) => walErrors.secondCopyFailed(`the second copy of the WAL of ${server} cannot be kept in "${copy.root}": ${why}`, { directory: copy.root });
  if ((await copy.stat(layout.wal))?.kind !== "directory") {
    if ((await readSecondCopyNote(storage, server)) === copy.root) {
      throw refuse(`"${layout.wal}", which was there, is not; mount its disk, or make that directory to begin anew`);
    }
    await copy.makeDirectory(layout.wal);
  }
  await finishLineageChange(copy, server);
  const found = await openServerIdentity(copy, server).read();
  // What the repository keeps apart is kept apart here as well.
  if (found !== undefined && (await formerLineages(storage, server)).includes(found.systemIdentifier)) {
    await changeLineage(copy, server, found.systemIdentifier, identity);
  } else if (found !== undefined && found.systemIdentifier !== identity.systemIdentifier) {
    throw refuse(`it has the WAL of cluster ${found.systemIdentifier}, the server is ${identity.systemIdentifier}`);
  }
  if (found === undefined) await openServerIdentity(copy, server).write(identity);
  await writeSecondCopyNote(storage, server, copy.root);
}

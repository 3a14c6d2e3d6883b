/**
 * The data keys of the job's server, opened with the master key that came by message, or with what its file holds by now:
 * it may have been rotated since the job, or the daemon, was started.
 */
import { openDataKeys, type DataKeyStore } from "../repository/index.ts";
import { masterKeySource } from "../vault/index.ts";
import type { JobEnvironment } from "./job.ts";

export function dataKeys({ repository, secrets, server, storage }: JobEnvironment): DataKeyStore {
  const { masterKey } = secrets;
  const known = masterKey === undefined ? undefined : { material: Buffer.from(masterKey, "base64") };
  return openDataKeys(storage, server.name, masterKeySource(repository.masterKeyFile, known));
}

/** The data keys of the job's server, opened with the master key that came by message. */
import { openDataKeys, type DataKeyStore } from "../repository/index.ts";
import type { JobEnvironment } from "./job.ts";

export function dataKeys({ secrets, server, storage }: JobEnvironment): DataKeyStore {
  const { masterKey } = secrets;
  return openDataKeys(
    storage,
    server.name,
    masterKey === undefined ? undefined : { material: Buffer.from(masterKey, "base64") },
  );
}

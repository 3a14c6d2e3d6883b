import pg from "pg";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { versionTraits } from "../../../src/postgres/index.ts";

/** Takes a base backup through the replication protocol, throws the files away, and returns the manifest's pieces. */
export async function manifestFromServer(cluster: Cluster): Promise<Buffer[]> {
  const { baseBackupSyntax, baseBackupProtocol } = versionTraits(cluster.major * 10_000);
  const options = { ...cluster.connectionOptions, replication: "true" };
  const client = new pg.Client(options);
  await client.connect();
  // The client has no interface for COPY; its connection hands out what arrives.
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
  let pieces: Buffer[] = [];
  let inManifest = false;
  connection.on("copyOutResponse", () => {
    // In the older protocol the manifest is the last copy of several.
    pieces = [];
  });
  connection.on("copyData", ({ chunk }: { chunk: Buffer }) => {
    if (baseBackupProtocol === "multiple-copies") {
      pieces.push(Buffer.from(chunk));
      return;
    }
    const kind = String.fromCharCode(chunk[0] ?? 0);
    if (kind === "n") inManifest = false;
    else if (kind === "m") inManifest = true;
    else if (kind === "d" && inManifest) pieces.push(Buffer.from(chunk.subarray(1)));
  });
  const command =
    baseBackupSyntax === "options"
      ? "BASE_BACKUP (LABEL 'test', CHECKPOINT 'fast', WAIT false, TABLESPACE_MAP true, MANIFEST 'yes')"
      : "BASE_BACKUP LABEL 'test' FAST NOWAIT TABLESPACE_MAP MANIFEST 'yes'";
  try {
    await client.query(command);
  } finally {
    await client.end();
  }
  return pieces;
}

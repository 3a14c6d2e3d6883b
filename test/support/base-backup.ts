/**
 * Base backups over the replication protocol as pgmoneta asks for them, also incremental ones: the embedded binaries bring no
 * pg_basebackup, and that of an older major refuses a newer server.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync, closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import type { Cluster } from "./postgres-cluster.ts";

export interface BaseBackup {
  /** The cluster directory. */
  readonly data: string;
  /** Positions as PostgreSQL prints them. */
  readonly start: string;
  readonly end: string;
}

interface PgConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

interface Answer {
  readonly rows: string[][];
  readonly pieces: Buffer[];
}

/** One command of the replication protocol in `pg`'s form of a query, its rows and CopyData collected. */
function command(client: pg.Client, text: string, upload?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const answer: Answer = { rows: [], pieces: [] };
    let failure: Error | undefined;
    const query = {
      submit: (connection: PgConnection) => connection.query(text),
      handleRowDescription: () => undefined,
      handleDataRow: ({ fields }: { fields: (string | null)[] }) => void answer.rows.push(fields.map((field) => field ?? "")),
      handleCommandComplete: () => undefined,
      handleEmptyQuery: () => undefined,
      handleCopyInResponse(connection: PgConnection) {
        connection.sendCopyFromChunk(upload ?? Buffer.alloc(0));
        connection.endCopyFrom();
      },
      handleCopyData: ({ chunk }: { chunk: Buffer }) => void answer.pieces.push(Buffer.from(chunk)),
      handleError: (error: Error) => {
        failure = error;
        reject(error);
      },
      handleReadyForQuery: () => {
        if (failure === undefined) resolve(answer);
      },
    };
    client.query(query as unknown as pg.Submittable);
  });
}

/** Takes a full backup into `directory`, or one of what changed since the backup whose directory `parent` is. */
export async function takeBaseBackup(cluster: Cluster, directory: string, parent?: string): Promise<BaseBackup> {
  const { host, port, user } = cluster.connectionOptions;
  const client = new pg.Client({ host, port, user, database: "postgres", replication: "true" } as pg.ClientConfig);
  await client.connect();
  try {
    if (parent !== undefined) await command(client, "UPLOAD_MANIFEST", readFileSync(join(parent, "backup_manifest")));
    const options = ["LABEL 'pgmoneta'", "CHECKPOINT 'fast'", "WAIT false", "WAL true", "MANIFEST 'yes'", "MANIFEST_CHECKSUMS 'SHA512'"];
    if (parent !== undefined) options.push("INCREMENTAL");
    const { rows, pieces } = await command(client, `BASE_BACKUP (${options.join(", ")})`);
    const data = join(directory, "data");
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const tar = join(directory, "base.tar");
    const archive = openSync(tar, "w");
    const manifest: Buffer[] = [];
    let inManifest = false;
    for (const piece of pieces) {
      const kind = String.fromCharCode(piece[0] ?? 0);
      if (kind === "m") inManifest = true;
      if (kind !== "d") continue;
      if (inManifest) manifest.push(piece.subarray(1));
      else writeSync(archive, piece.subarray(1));
    }
    closeSync(archive);
    execFileSync("tar", ["-xf", tar, "-C", data]);
    writeFileSync(join(data, "backup_manifest"), Buffer.concat(manifest));
    return { data, start: rows[0]?.[0] ?? "", end: rows.at(-1)?.[0] ?? "" };
  } finally {
    await client.end();
  }
}

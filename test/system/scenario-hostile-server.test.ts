/**
 * J05: a server that means harm. It is a real one behind a proxy that slips entries of its own into the archives of a
 * base backup. Whatever they are: the backup is refused, nothing comes to lie outside the repository or stays in it,
 * and the daemon goes on with its work.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backend } from "../support/backend-messages.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createMessageProxy, type MessageProxy } from "../support/message-proxy.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive, runOrFail } from "../support/processes.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { base256, file, header, symlink } from "../unit/tar/tar-archive.ts";
import { ask, receiverPid } from "./daemon-observation.ts";

let cluster: Cluster;
let proxy: MessageProxy;
let daemon: Daemon;
/** What the server slips in: at the beginning of the archive of this kind. */
let slip: { readonly archive: "base" | "tablespace" | "manifest"; readonly bytes: Buffer } | undefined;

beforeAll(async () => {
  cluster = await createCluster();
  await mkdir(join(cluster.root, "fast"), { mode: 0o700 });
  giveToUnprivileged(cluster.root);
  await cluster.sql(`CREATE TABLESPACE fast LOCATION '${join(cluster.root, "fast")}'`);
  proxy = await createMessageProxy(join(cluster.socketDir, `.s.PGSQL.${cluster.port}`), () => (message) => {
    // CopyData that begins an archive (`n` and its name) or the manifest (`m`).
    const kind = message[0] === "d".charCodeAt(0) ? String.fromCharCode(message[5] ?? 0) : "";
    const archive =
      kind === "m" ? "manifest" : message.toString("latin1", 6, 15) === "base.tar\0" ? "base" : "tablespace";
    if (slip === undefined || (kind !== "n" && kind !== "m") || slip.archive !== archive) return message;
    return Buffer.concat([message, backend.archiveData(slip.bytes)]);
  });
  daemon = await createDaemon({
    servers: [
      { name: "hostile", cluster, host: proxy.host, port: proxy.port },
      { name: "neighbour", cluster },
    ],
  });
  await mkdir(join(daemon.root, "precious"));
  await writeFile(join(daemon.root, "precious", "file"), "must not change");
  giveToUnprivileged(join(daemon.root, "precious"));
  await daemon.waitUntilStreaming("hostile");
  await daemon.waitUntilStreaming("neighbour");
  // Housekeeping of the start is over: from here on only the backups write.
  await ask(daemon, "backup", "neighbour");
});
afterAll(async () => {
  await daemon.destroy();
  await proxy.close();
  await cluster.destroy();
});

const body = Buffer.from("evil");
const oid = (): Promise<string> => cluster.value("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'");
const precious = (): string => join(daemon.root, "precious");

/** Kind, mode, size and content of everything around the repository of the hostile server. */
async function surroundings(): Promise<string> {
  const script = `cd "$1" && find . -path ./backup/hostile -prune -o -path ./backup/neighbour/wal -prune -o \
    -path './backup/neighbour/wal_*' -prune -o -path ./tmp -prune -o -printf '%y %m %u %l %P\\n' | sort; \
    find etc home precious backup/neighbour/backup -type f -exec sha256sum {} + | sort`;
  return runOrFail("sh", ["-c", script, "sh", daemon.root]);
}

type Slip = NonNullable<typeof slip>;
const base = (...bytes: Buffer[]): Slip => ({ archive: "base", bytes: Buffer.concat(bytes) });

const attacks: readonly (readonly [string, string, () => Slip | Promise<Slip>])[] = [
  ["a name that climbs out", "TAR_ENTRY_REFUSED", () => base(file("../../../../precious/file", body))],
  [
    "a name that climbs out by its prefix",
    "TAR_ENTRY_REFUSED",
    () => base(header({ name: "precious/file", prefix: "../../../.." })),
  ],
  ["an absolute name", "TAR_ENTRY_REFUSED", () => base(file(`${precious()}/file`, body))],
  ["a device", "TAR_ENTRY_REFUSED", () => base(header({ name: "base/null", type: "3" }))],
  [
    "a hard link",
    "TAR_ENTRY_REFUSED",
    () => base(header({ name: "base/hard", type: "1", link: `${precious()}/file` })),
  ],
  [
    "a name by an extension",
    "TAR_ENTRY_REFUSED",
    () => base(header({ name: "././@LongLink", type: "L", size: 4 }), body),
  ],
  ["a link that leads out", "BACKUP_MISMATCH", () => base(symlink("base/link", precious()))],
  ["a file behind such a link", "BACKUP_MISMATCH", () => base(symlink("base", precious()), file("base/file", body))],
  [
    "a file behind the link of a tablespace",
    "BACKUP_MISMATCH",
    async () => base(file(`pg_tblspc/${await oid()}/file`, body)),
  ],
  [
    "a name that climbs out of a tablespace",
    "TAR_ENTRY_REFUSED",
    () => ({ archive: "tablespace", bytes: file("../../../../../precious/file", body) }),
  ],
  ["a file that comes again", "STORAGE_EXISTS", () => base(file("PG_VERSION", body))],
  ["a file that nobody listed", "BACKUP_MISMATCH", () => base(file("base/1/evil", body))],
  ["a file that never ends", "TAR_MALFORMED", () => base(header({ name: "endless", size: base256(1n << 50n) }))],
  ["a size beyond all numbers", "TAR_MALFORMED", () => base(header({ name: "huge", size: Buffer.alloc(12, 0xff) }))],
  [
    "a second manifest before the manifest",
    "BACKUP_MANIFEST_DAMAGED",
    () => ({ archive: "manifest", bytes: Buffer.from('{"PostgreSQL-Backup-Manifest-Version": 1}\n') }),
  ],
];

describe("a hostile server", () => {
  it.each(attacks)("that sends %s is refused (%s), and harms nobody", async (_what, code, make) => {
    const before = await surroundings();
    const receiver = await receiverPid(daemon, "hostile");
    slip = await make();
    const { status, json } = await daemon.cli(["backup", "hostile"], { format: "raw" });
    slip = undefined;
    expect(status).toBeGreaterThan(0);
    expect(json?.Outcome).toMatchObject({ Status: false, Code: code });
    await waitFor(
      "nothing of it is left",
      async () => (await readdir(join(daemon.baseDir, "hostile", "backup")).catch(() => [])).length === 0,
      { seen: () => daemon.log().slice(-1500) },
    );
    expect(await surroundings()).toBe(before);
    expect(await ask(daemon, "list-backup", "hostile")).toMatchObject({ NumberOfBackups: 0 });
    expect([isAlive(receiver), await receiverPid(daemon, "hostile")]).toEqual([true, receiver]);
  });

  it("that behaves again is backed up", async () => {
    expect(existsSync(join(precious(), "file"))).toBe(true);
    expect(await ask(daemon, "backup", "hostile")).toMatchObject({ Valid: 1 });
  });
});

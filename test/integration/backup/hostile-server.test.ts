/** A server that lies, or something that only looks like one: refused, and nothing is written outside or left behind. */
import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backup, type BackupResult, type WalDurability } from "../../../src/backup/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { openCatalog } from "../../../src/repository/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import type { ScriptedWalsender } from "../../support/scripted-walsender.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { directory, file, header, symlink } from "../../unit/tar/tar-archive.ts";
import { archiveOf, createScriptedCluster, files, manifestOf, type ScriptedBackup } from "./scripted-cluster.ts";

let server: ScriptedWalsender;
let script: ScriptedBackup = {};
let outside = "";

beforeEach(async () => {
  script = {};
  outside = temporaryDirectory().path;
  server = await createScriptedCluster(() => script);
});

afterEach(async () => {
  expect(server.failures).toEqual([]);
  await server.close();
});

/** There is no WAL of a server that does not exist: these backups fail before, or the scripted server counts as right. */
const noReceiver: WalDurability = { receiverRunning: () => true, waitUntilDurable: () => Promise.resolve() };

const storage = () => openLocalStorage(`${outside}/repository`);

const take = (): Promise<BackupResult> =>
  backup(
    {
      server: "primary",
      connect: { host: server.host, port: server.port, user: "repl", tls: { mode: "disable" }, connectTimeoutMs: 20_000, keepAlive: true, noDelay: true },
      storage: storage(),
      spec: { compression: "zstd", encryption: "none" },
      hash: "sha256",
      link: false,
      workers: 1,
      maxRateBytes: () => 0,
      version: "0.1.0",
    },
    { clock: systemClock, logger: silentLogger, signal: new AbortController().signal, progress: () => undefined, wal: noReceiver },
  );

const body = Buffer.from("evil");
const changed = (changes: Readonly<Record<string, Buffer | undefined>>): Record<string, Buffer> =>
  Object.fromEntries(Object.entries({ ...files, ...changes }).filter((entry): entry is [string, Buffer] => entry[1] !== undefined));
const withEntries = (...entries: Buffer[]): Buffer => Buffer.concat([...entries, archiveOf(files)]);
const tablespace = { oid: "16400", location: "/mnt/fast", archive: directory("PG_15_202209061") };

describe("the scripted server, unchanged", () => {
  it("gives a valid backup: what is refused below is refused for its own fault", async () => {
    const { info, warnings } = await take();
    expect(warnings).toEqual([]);
    expect(info.own?.fileCount).toBe(Object.keys(files).length + 1);
    expect((await openCatalog(storage(), "primary").find("newest")).label).toBe(info.label);
  });

  it("of a PostgreSQL newer than the newest that is known is backed up with a warning", async () => {
    script = { version: "99.1" };
    const { info, warnings } = await take();
    expect(warnings).toEqual([expect.stringMatching(/^PostgreSQL 99\.1 is newer than \d+, the newest that is known/)]);
    expect(info).toMatchObject({ majorVersion: 99, minorVersion: 1, valid: true });
  });

  it("with a tablespace of which nothing comes is refused while its catalogue has it, and backed up with a warning when it was dropped", async () => {
    script = { tablespaces: [{ ...tablespace, archive: Buffer.alloc(0) }], archive: withEntries(symlink("pg_tblspc/16400", "/mnt/fast")) };
    await expect(take()).rejects.toMatchObject({ code: "BACKUP_MISMATCH" });
    script = { ...script, dropped: true };
    expect((await take()).warnings).toEqual([expect.stringContaining('the server sent nothing of "/mnt/fast"')]);
  });
});

describe("a server is not believed", () => {
  it.each<[string, string, ScriptedBackup]>([
    ["a name that leads out of the backup", "TAR_ENTRY_REFUSED", { archive: withEntries(file("../../../evil", body)) }],
    ["an absolute name", "TAR_ENTRY_REFUSED", { archive: withEntries(file("/tmp/evil", body)) }],
    ["a device", "TAR_ENTRY_REFUSED", { archive: withEntries(header({ name: "base/sda", type: "4" })) }],
    ["a hard link", "TAR_ENTRY_REFUSED", { archive: withEntries(header({ name: "base/x", type: "1", link: "/etc/passwd" })) }],
    ["a link away", "BACKUP_MISMATCH", { archive: withEntries(symlink("base/evil", "/etc"), file("base/evil/passwd", body)) }],
    ["a tablespace's link with a file behind it", "BACKUP_MISMATCH", { tablespaces: [tablespace], archive: withEntries(symlink("pg_tblspc/16400", "/mnt/fast"), file("pg_tblspc/16400/evil", body)) }],
    ["the same file twice", "STORAGE_EXISTS", { archive: withEntries(file("base/5/1259", body)) }],
    ["the same file in both lists twice", "BACKUP_MANIFEST_DAMAGED", { manifest: manifestOf(files).replace(/\{ "Path": "PG_VERSION".*\}/, (line) => `${line},\n${line}`) }],
    ["a tar header with a wrong checksum", "TAR_MALFORMED", { archive: withEntries(header({ name: "x", checksum: 1 })) }],
    ["an archive that is cut", "TAR_MALFORMED", { archive: archiveOf(files).subarray(0, -1100) }],
    ["bytes behind the end of an archive", "TAR_MALFORMED", { archive: Buffer.concat([archiveOf(files), file("late", body)]) }],
    ["a size beyond all numbers", "TAR_MALFORMED", { archive: header({ name: "huge", size: Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)]) }) }],
    ["a label of gigabytes", "BACKUP_MISMATCH", { archive: header({ name: "backup_label", size: 2 ** 32 }) }],
    ["an archive of a tablespace that it never named", "SERVER_PROTOCOL", { tablespaces: [{ ...tablespace, oid: "evil" }] }],
  ])("that sends %s: %s", async (_what, expected, hostile) => {
    script = hostile;
    await expect(take()).rejects.toMatchObject({ code: expected });
    expect(await readdir(outside)).toEqual(["repository"]);
    expect(await readdir(`${outside}/repository/primary/backup`)).toEqual([]);
  });

  it.each<[string, string, ScriptedBackup, RegExp]>([
    ["a file more than its manifest lists", "BACKUP_MISMATCH", { archive: archiveOf(changed({ extra: body })) }, /"extra" is not in the server's manifest/],
    ["a file less", "BACKUP_MISMATCH", { archive: archiveOf(changed({ PG_VERSION: undefined })) }, /"PG_VERSION" did not arrive/],
    ["an empty file less", "BACKUP_MISMATCH", { manifest: manifestOf(changed({ "base/5/empty": Buffer.alloc(0) })) }, /"base\/5\/empty" did not arrive/],
    ["a file that is shorter", "BACKUP_MISMATCH", { archive: archiveOf(changed({ "base/5/1247": Buffer.from("some bytes") })) }, /"base\/5\/1247" has 10 bytes instead of 21/],
    ["a file of other content", "BACKUP_MISMATCH", { archive: archiveOf(changed({ "base/5/1247": Buffer.from("same length of bytes!") })) }, /"base\/5\/1247" has other content/],
    ["a manifest without checksums", "BACKUP_MISMATCH", { manifest: withoutChecksums() }, /no CRC-32C/],
    ["a manifest with a wrong checksum of its own", "BACKUP_MANIFEST_DAMAGED", { manifest: manifestOf(files).replace(/[0-9a-f]"\}\n$/, (end) => `${end.startsWith("0") ? "1" : "0"}${end.slice(1)}`) }, /checksum/],
    ["a manifest that is cut", "BACKUP_MANIFEST_DAMAGED", { manifest: manifestOf(files).slice(0, -100) }, /./],
    ["a manifest with a path that leads out", "FILE_PATH_REFUSED", { manifest: manifestOf({ ...files, "../evil": body }) }, /evil/],
    ["no backup_label", "BACKUP_MISMATCH", { archive: archiveOf(changed({ backup_label: undefined })), manifest: manifestOf(changed({ backup_label: undefined })) }, /sent no "backup_label"/],
    ["no control file", "BACKUP_MISMATCH", { archive: archiveOf(changed({ "global/pg_control": undefined })), manifest: manifestOf(changed({ "global/pg_control": undefined })) }, /sent no "global\/pg_control"/],
    ["another start than its label has", "BACKUP_MISMATCH", { start: ["0/3000028", "1"] }, /backup_label begins at 0\/2000028/],
    ["another stop than its manifest has", "BACKUP_MISMATCH", { stop: ["0/2000200", "1"] }, /the manifest names the WAL/],
    ["a stop on another timeline", "BACKUP_TIMELINE_CHANGED", { stop: ["0/2000100", "2"] }, /ended on 2/],
    ["the control file of another cluster", "BACKUP_MISMATCH", { systemIdentifier: "7000000000000000001" }, /"global\/pg_control" is of cluster/],
  ])("that sends %s: %s", async (_what, expected, lying, message) => {
    script = lying;
    await expect(take()).rejects.toMatchObject({ code: expected, message: expect.stringMatching(message) as string });
    expect(await readdir(`${outside}/repository/primary/backup`)).toEqual([]);
  });
});

function withoutChecksums(): string {
  return manifestOf(files).replace(/, "Checksum-Algorithm": "CRC32C", "Checksum": "[0-9a-f]{8}"/g, "");
}

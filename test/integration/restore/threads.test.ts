/** A cluster that is large enough for threads to fetch its files: the same promises as without them. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { serverLayout, type BackupInfo } from "../../../src/repository/index.ts";
import { restore } from "../../../src/restore/index.ts";
import { createMasterKey, readMasterKey } from "../../../src/vault/index.ts";
import { expectSameContents, logicalDigest } from "../../support/compare-clusters.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRig, dependencies, promoted, startOn, type Rig } from "./rig.ts";

let source: Cluster;
let rig: Rig;
let sealed: BackupInfo;
let plain: BackupInfo;

beforeAll(async () => {
  const home = join(temporaryDirectory().path, "keys");
  mkdirSync(home, { mode: 0o700 });
  const keyFile = join(home, "master.key");
  await createMasterKey(keyFile, randomBytes(16).toString("hex"));
  source = await createCluster();
  await source.sql("CREATE TABLE wide AS SELECT g, repeat(md5(g::text), 20) AS t FROM generate_series(1, 90000) g");
  rig = await createRig(source, { masterKey: await readMasterKey(keyFile), masterKeyFile: keyFile });
  sealed = await rig.backup({ compression: "zstd", encryption: "aes-256-gcm" });
  plain = await rig.backup();
  await rig.caughtUp();
});

/** Absolute path of the largest stored file of a backup, and what it is called there. */
function largest({ label }: BackupInfo): { readonly path: string; readonly name: string } {
  const base = rig.storage.absolutePath(`${serverLayout("primary").backup(label)}/data/base`);
  const files = (readdirSync(base, { recursive: true }) as string[]).filter((name) => statSync(join(base, name)).isFile());
  const [name = ""] = files.sort((a, b) => statSync(join(base, b)).size - statSync(join(base, a)).size);
  return { path: join(base, name), name };
}

async function refused(backup: BackupInfo): Promise<Error> {
  const directory = temporaryDirectory({ prefix: "mrest", unprivileged: true }).path;
  const error = await rig.restore({ backup: backup.label, directory }).then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  if (error === undefined) throw new Error("the restore said yes");
  expect(readdirSync(directory)).toEqual([]);
  return error;
}

/** Changes a stored file, tries, and puts it back. */
async function damaged(path: string, change: (bytes: Buffer) => Buffer, attempt: () => Promise<void>): Promise<void> {
  const whole = readFileSync(path);
  unlinkSync(path);
  writeFileSync(path, change(Buffer.from(whole)));
  try {
    await attempt();
  } finally {
    writeFileSync(path, whole);
  }
}

describe("files that threads fetch", () => {
  it("come back as they were, from encrypted and from plain files, and progress counts each byte", async () => {
    const contents = await logicalDigest(source);
    for (const { label } of [sealed, plain]) {
      let done = 0;
      const progress = ({ bytesDone }: { bytesDone: number }): void => void (done = Math.max(done, bytesDone));
      const { plan, bytes } = await restore(rig.options({ backup: label }), { ...dependencies(), progress });
      expect(plan.bytes).toBeGreaterThan(64 * 1024 * 1024);
      expect(done).toBeGreaterThanOrEqual(bytes);
      const cluster = await startOn(plan.directory);
      await promoted(cluster);
      await expectSameContents(contents, cluster);
      await cluster.destroy();
    }
  });

  it.each([
    ["one bit of a sealed file", () => sealed, (bytes: Buffer) => (bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1), bytes)],
    ["one bit of a plain file", () => plain, (bytes: Buffer) => (bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1), bytes)],
    ["a sealed file that was cut", () => sealed, (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ["two blocks of a plain file, swapped", () => plain, (bytes: Buffer) => Buffer.concat([bytes.subarray(8192, 16384), bytes.subarray(0, 8192), bytes.subarray(16384)])],
    ["the key's id in the header", () => sealed, (bytes: Buffer) => (bytes.writeUInt8(bytes.readUInt8(13) ^ 1, 13), bytes)],
  ])("%s: refused by the name of the file, and nothing is left", async (_what, backup, change) => {
    const { path, name } = largest(backup());
    await damaged(path, change, async () => expect((await refused(backup())).message).toContain(name));
  });

  it("end at once when the restore is cancelled, and nothing is left", async () => {
    const directory = temporaryDirectory({ prefix: "mrest", unprivileged: true }).path;
    const stop = new AbortController();
    const progress = ({ phase, bytesDone }: { phase: string; bytesDone: number }): void => {
      if (phase === "files" && bytesDone > 0) stop.abort();
    };
    const attempt = restore(rig.options({ backup: plain.label, directory }), { ...dependencies(stop.signal), progress });
    await expect(attempt).rejects.toMatchObject({ code: "ABORTED" });
    expect(readdirSync(directory)).toEqual([]);
  });
});

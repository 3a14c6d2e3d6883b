/** A verification says yes exactly when a restore does, and finds besides what does not hinder one. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { messageOf } from "../../../src/common/index.ts";
import type { JobEnvironment } from "../../../src/job/job.ts";
import { verifyBackup as verifyJob } from "../../../src/job/verify.ts";
import type { MasterKey } from "../../../src/encryption/index.ts";
import { rootHistory, segmentsOfRange } from "../../../src/postgres/index.ts";
import { openCatalog, openVerifications, serverLayout, type BackupInfo, type PageChecksums } from "../../../src/repository/index.ts";
import { storageErrors, type LocalStorage } from "../../../src/storage/index.ts";
import { createMasterKey, readMasterKey } from "../../../src/vault/index.ts";
import type { VerifyState } from "../../../src/verify/index.ts";
import { corrupt, corruptionKinds } from "../../support/corruption.ts";
import { countFromEnvironment } from "../../support/long-run.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { seededNumbers } from "../../support/sample-bytes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { repositoryFiles, type RepositoryFile } from "../restore/corruption-world.ts";
import { createRig, dependencies, type Rig } from "../restore/rig.ts";
import { askVerify, verifyBackup } from "./asking.ts";

let source: Cluster;
let rig: Rig;
let master: MasterKey;
let plain: BackupInfo;
let sealed: BackupInfo;
let spoilt: BackupInfo;
let spoiltPlain: BackupInfo;
let sharing: BackupInfo;
let relation: string;
const spoiltBlock = 3;

beforeAll(async () => {
  const keyFile = join(temporaryDirectory().path, "keys", "master.key");
  mkdirSync(join(keyFile, ".."), { mode: 0o700 });
  await createMasterKey(keyFile, randomBytes(16).toString("hex"));
  source = await createCluster();
  await source.sql("CREATE TABLE kept AS SELECT g, md5(g::text) AS v FROM generate_series(1, 5000) g");
  master = await readMasterKey(keyFile);
  rig = await createRig(source, { masterKey: master, masterKeyFile: keyFile });
  plain = await rig.backup();
  sealed = await rig.backup({ compression: "zstd", encryption: "aes-256-gcm" });
  await rig.archive({ encryption: "aes-256-gcm" });
  // F05: a page of the source goes bad; the backup is an exact copy of it.
  await source.sql("CHECKPOINT");
  relation = await source.value("SELECT pg_relation_filepath('kept')");
  await source.stop("fast");
  spoil(join(source.dataDir, relation), spoiltBlock);
  await source.start();
  spoiltPlain = await rig.backup();
  spoilt = await rig.backup({ compression: "zstd" });
  sharing = await rig.backup({ compression: "zstd" }, { link: true });
  await rig.stopReceiver();
});
afterAll(() => source.destroy());

function spoil(path: string, block: number): void {
  const bytes = readFileSync(path);
  const at = block * 8192 + 5000;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

const backupPath = (info: BackupInfo, name: string): string => rig.storage.absolutePath(serverLayout(rig.server).backupFile(info.label, name));
const walPath = (name: string): string => rig.storage.absolutePath(serverLayout(rig.server).walFile(name));

describe("a backup that is what was stored", () => {
  it.each(["plain", "sealed"])("%s: every file is read, and its WAL", async (which) => {
    const info = which === "plain" ? plain : sealed;
    const files: string[] = [];
    const report = await verifyBackup(rig, info.label, {}, { onFile: ({ path }) => files.push(path) });
    expect(report).toMatchObject({ findings: [], findingCount: 0, harmful: 0, unread: [], skipped: 0 });
    expect(report.files).toBe(info.own?.fileCount);
    expect(new Set(files).size).toBe(report.files);
    expect(files).toContain("data/PG_VERSION");
    const needed = [...segmentsOfRange(rootHistory(info.startTimeline), info.startLsn, info.endLsn, 16 << 20)];
    expect(report.segments).toBe(needed.length);
  });

  it("what is stored as it was is read by threads alone", async () => {
    const opened = async (threads: boolean): Promise<number> => {
      const paths: string[] = [];
      const storage: LocalStorage = { ...rig.storage, threads, openFile: (path) => (paths.push(path), rig.storage.openFile(path)) };
      expect(await verifyBackup(rig, plain.label, { storage })).toMatchObject({ findingCount: 0, files: plain.own?.fileCount });
      return paths.filter((path) => path.endsWith(`data/${relation}`)).length;
    };
    expect([await opened(true), await opened(false)]).toEqual([0, 1]);
  });

  it.each(["threads", "event loop"])("ends soon when it is told to, read by %s", async (where) => {
    const stop = new AbortController();
    let done = 0;
    let filesAfter = 0;
    const progress = ({ bytesDone }: { readonly bytesDone: number }): void => {
      done = bytesDone;
      if (stop.signal.aborted) filesAfter += 1;
      else if (bytesDone > 0) stop.abort();
    };
    const storage: LocalStorage = { ...rig.storage, threads: where === "threads" };
    await expect(verifyBackup(rig, plain.label, { storage }, { signal: stop.signal, progress })).rejects.toMatchObject({ code: "ABORTED" });
    expect(done).toBeLessThan(plain.storedBytes / 2);
    // Threads do not even end the files that they have in hand.
    if (where === "threads") expect(filesAfter).toBe(0);
  });

  it("goes on where an earlier verification was stopped, and reads nothing twice", async () => {
    const states: VerifyState[] = [];
    const clock = stepping();
    await verifyBackup(rig, plain.label, { rateBytes: 1e12 }, { clock, checkpoint: async (state) => void states.push(state) });
    expect(states.length).toBeGreaterThan(3);
    const half = states[Math.floor(states.length / 2)];
    const before = states[0]?.files ?? 0;
    if (half === undefined) throw new Error("no state");
    expect(half.files).toBeGreaterThan(before);
    const read: string[] = [];
    const report = await verifyBackup(rig, plain.label, { resume: half }, { onFile: ({ path }) => read.push(path) });
    expect(report).toMatchObject({ findingCount: 0, files: plain.own?.fileCount });
    expect(read.length).toBe((plain.own?.fileCount ?? 0) - half.files);
    // What had been found before the stop is in the report of the rest.
    const finding = { kind: "changed", place: "backup", path: "data/x", reason: "it was", harmful: true } as const;
    const noted = { ...half, findings: [finding], findingCount: 1, harmful: 1 };
    expect(await verifyBackup(rig, plain.label, { resume: noted })).toMatchObject({ findings: [finding], findingCount: 1, harmful: 1 });
    // Of the files that describe the backup too: they are looked at each time, and each is one finding.
    const spoiling = corrupt("one byte replaced", { path: backupPath(plain, "backup.sha256"), other: "", twin: undefined }, () => 77);
    try {
      const found: VerifyState[] = [];
      const whole = await verifyBackup(rig, plain.label, { rateBytes: 1e12 }, { clock: stepping(), checkpoint: async (state) => void found.push(state) });
      expect(whole).toMatchObject({ findings: [{ kind: "changed", path: "backup.sha256" }], findingCount: 1 });
      expect(await verifyBackup(rig, plain.label, { resume: found.at(-1) })).toMatchObject({ findingCount: 1, harmful: 1 });
    } finally {
      spoiling?.undo();
    }
  });

  it("F02: what it shares with a proven backup is not read again, but only where it is the same file", async () => {
    const proven = new Set([spoilt.label]);
    const states: VerifyState[] = [];
    const whole = await verifyBackup(rig, sharing.label, { proven, rateBytes: 1e12 }, { clock: stepping(), checkpoint: async (state) => void states.push(state) });
    // A page that was bad is a finding of this backup as well, whatever the other one's proof says.
    expect(whole).toMatchObject({ harmful: 0, unread: [], findings: [{ kind: "bad-page", path: `data/${relation}.zstd` }] });
    // After a stop what was not read counts as dealt with, too.
    const shares: number[] = [];
    const rest = await verifyBackup(rig, sharing.label, { proven, resume: states[Math.floor(states.length / 2)] }, { progress: ({ bytesDone, bytesTotal }) => void shares.push(bytesDone / bytesTotal) });
    expect([rest.files, rest.skipped, shares.at(-1)]).toEqual([whole.files, whole.skipped, 1]);
    // Those without pages: this backup has a bad one.
    expect(whole.skipped).toBeGreaterThan(10);
    expect(whole.files + whole.skipped).toBe(sharing.own?.fileCount);
    // One of its own in the place of the shared one, and none at all: the other backup's proof says nothing of these.
    const [changed, missing] = ["data/PG_VERSION.zstd", "data/pg_hba.conf.zstd"] as const;
    const changing = corrupt("one byte replaced", { path: backupPath(sharing, changed), other: "", twin: undefined }, () => 7);
    const away = join(temporaryDirectory().path, "away");
    renameSync(backupPath(sharing, missing), away);
    const report = await verifyBackup(rig, sharing.label, { proven }).finally(() => {
      changing?.undo();
      renameSync(away, backupPath(sharing, missing));
    });
    expect(Object.fromEntries(report.findings.map(({ path, kind }) => [path, kind]))).toMatchObject({ [changed]: "changed", [missing]: "missing" });
    expect(report.harmful).toBe(2);
    expect(await verifyBackup(rig, spoilt.label)).toMatchObject({ harmful: 0 });
  });

  it("is whole again after a verification that finds nothing, also when nobody knows any more why it was marked", async () => {
    const catalog = openCatalog(rig.storage, rig.server);
    await catalog.update(plain.label, (now) => ({ ...now, valid: false }));
    const settings = { server: { name: rig.server }, serverConfiguration: () => ({ workers: 2 }), secrets: { masterKey: master.material.toString("base64") }, repository: { masterKeyFile: "/nowhere" } };
    const environment = { ...dependencies(), ...settings, storage: rig.storage, uses: () => undefined } as unknown as JobEnvironment;
    await verifyJob({ command: "verify", backup: plain.label, all: false, schedule: null }, environment);
    expect((await catalog.find(plain.label)).valid).toBe(true);
    expect((await openVerifications(rig.storage, rig.server).read()).backups.get(plain.label)?.outcome).toBe("good");
  });

  it("is read no faster than it may be", async () => {
    let slept = 0;
    let read = 0;
    const clock = { ...stepping(), monotonic: () => 0, sleep: async (ms: number) => void (slept = Math.max(slept, ms)) };
    const storage: LocalStorage = {
      ...rig.storage,
      async openFile(path) {
        const reader = await rig.storage.openFile(path);
        return { ...reader, read: async (offset, length, into) => ((read += Math.min(length, reader.size - offset)), reader.read(offset, length, into)) };
      },
    };
    await verifyBackup(rig, plain.label, { rateBytes: 1_000_000, storage }, { clock });
    // Time stands still, so that each wait is for all bytes before it as well: the last one is for all there are, the files
    // that describe the backup and the WAL among them.
    expect(read).toBeGreaterThan(plain.storedBytes);
    expect(slept).toBeGreaterThanOrEqual(read / 1000 - 1);
  });
});

/** A clock on which every look takes a second. */
function stepping() {
  let now = 0;
  return { now: () => Date.now(), monotonic: () => (now += 1000), sleep: () => Promise.resolve() };
}

describe("what is found", () => {
  it("a file that does not belong there: listed, and no reason to refuse a restore", async () => {
    const path = backupPath(plain, "data/base/stranger");
    writeFileSync(path, "x");
    const report = await verifyBackup(rig, plain.label).finally(() => rmSync(path));
    expect(report).toMatchObject({ harmful: 0, findingCount: 1, findings: [{ kind: "surplus", path: "data/base/stranger" }] });
  });

  it("a link in the place of a stored file, although it leads to the same bytes", async () => {
    const path = backupPath(plain, "data/PG_VERSION");
    const away = join(temporaryDirectory().path, "away");
    renameSync(path, away);
    symlinkSync(away, path);
    const report = await verifyBackup(rig, plain.label).finally(() => renameSync(away, path));
    expect(report).toMatchObject({ harmful: 0, findingCount: 1, findings: [{ kind: "changed", path: "data/PG_VERSION", reason: expect.stringContaining("link") as string }] });
  });

  it("missing, truncated, changed files, each by its name and kind, all at once", async () => {
    const [missing, cut, changed] = ["data/PG_VERSION", `data/${relation}`, "data/pg_hba.conf"] as const;
    const away = `${missing}.away`;
    const cutting = corrupt("cut somewhere", { path: backupPath(plain, cut), other: "", twin: undefined }, () => 8192 * 7);
    const changing = corrupt("one byte replaced", { path: backupPath(plain, changed), other: "", twin: undefined }, () => 77);
    renameSync(backupPath(plain, missing), backupPath(plain, away));
    const report = await verifyBackup(rig, plain.label).finally(() => {
      renameSync(backupPath(plain, away), backupPath(plain, missing));
      cutting?.undo();
      changing?.undo();
    });
    const found = Object.fromEntries(report.findings.map(({ path, kind, harmful }) => [path, [kind, harmful]]));
    expect(found).toEqual({
      [missing]: ["missing", true],
      [cut]: ["truncated", true],
      [changed]: ["changed", true],
      [away]: ["surplus", false],
    });
    const hba = report.findings.find(({ path }) => path === changed);
    expect(hba?.calculated).toMatch(/^[0-9a-f]{64}$/);
    expect(hba?.calculated).not.toBe(hba?.original);
  });

  it.each(["zstd", "none"])("F05: a page that was bad on the server, with its block, and no other: the backup is what was sent; %s", async (compression) => {
    const [info, suffix] = compression === "none" ? [spoiltPlain, ""] : [spoilt, ".zstd"];
    const report = await verifyBackup(rig, info.label);
    expect(info.own?.badPages).toBe(1);
    expect(report).toMatchObject({ harmful: 0, findingCount: 1, unread: [] });
    expect(report.findings[0]).toMatchObject({ kind: "bad-page", path: `data/${relation}${suffix}`, blocks: [spoiltBlock] });
  });

  it("pages are looked at where the backup saw bad ones: of one that saw none a look at each finds none", async () => {
    const asIf = async <T>({ label, own }: BackupInfo, pageChecksums: PageChecksums, work: () => Promise<T>): Promise<T> => {
      if (own === undefined) throw new Error("not ours");
      const catalog = openCatalog(rig.storage, rig.server);
      await catalog.update(label, (now) => ({ ...now, own: { ...own, pageChecksums } }));
      return work().finally(() => catalog.update(label, (now) => ({ ...now, own })));
    };
    expect([plain, sealed, spoiltPlain].map(({ own }) => own?.pageChecksums)).toEqual(["good", "good", "bad"]);
    for (const info of [plain, sealed]) {
      // Only the server saw some then: that is worth a remark, but no file has them.
      const report = await asIf(info, "bad", () => verifyBackup(rig, info.label));
      expect(report).toMatchObject({ findings: [{ kind: "bad-page", path: "backup.info", harmful: false }], findingCount: 1, unread: [] });
    }
    // What tells that nobody looks again.
    expect(await asIf(spoiltPlain, "good", () => verifyBackup(rig, spoiltPlain.label))).toMatchObject({ findingCount: 0, unread: [] });
  });

  it("a segment that is missing within the range to consistency", async () => {
    const first = sealed.firstSegment;
    const name = readdirSync(rig.storage.absolutePath(serverLayout(rig.server).wal)).find((each) => each.startsWith(first)) ?? "";
    renameSync(walPath(name), walPath(`away-${name}`));
    try {
      const report = await verifyBackup(rig, sealed.label);
      expect(report.findings).toMatchObject([{ kind: "missing", place: "wal", path: first, harmful: true }]);
      await expect(rig.restore({ backup: sealed.label, position: "immediate" })).rejects.toThrow(first);
    } finally {
      renameSync(walPath(`away-${name}`), walPath(name));
    }
  });

  it("a file that cannot be read is no damage, and no yes either", async () => {
    const failing = `data/${relation}`;
    const storage: LocalStorage = {
      ...rig.storage,
      threads: false,
      async openFile(path) {
        if (path.endsWith(failing)) throw storageErrors.inputOutput(`could not read "${path}": EIO`, { path });
        return rig.storage.openFile(path);
      },
    };
    const states: VerifyState[] = [];
    const report = await verifyBackup(rig, plain.label, { storage }, { checkpoint: async (state) => void states.push(state) });
    expect(report).toMatchObject({ findingCount: 0, harmful: 0, unreadCount: 1, files: plain.own?.fileCount });
    expect(report.unread[0]?.reason).toMatch(/EIO/);
    // Nothing may go on behind it as if it had been read.
    expect(states).toEqual([]);
  });
});

describe("D10: random corruptions", () => {
  const rounds = countFromEnvironment("MONETA_ROUNDS", 14);
  it(`${rounds} of them: verify and restore say the same, and verify finds each in the backup it is asked about`, async () => {
    const random = seededNumbers(20_261_130);
    const files = repositoryFiles(rig.storage.root, rig.server).filter(({ relative }) => statSync(join(rig.storage.root, rig.server, relative)).size > 0);
    const byKind = new Map<string, RepositoryFile[]>();
    for (const file of files) byKind.set(file.kind, [...(byKind.get(file.kind) ?? []), file]);
    const kinds = [...byKind.keys()];
    const infos = new Map([plain, sealed, spoilt].map((info) => [info.label, info]));
    const answers = { yes: 0, no: 0 };
    const problems: string[] = [];
    for (let round = 0; round < rounds; ) {
      const of = byKind.get(kinds[round % kinds.length] ?? "") ?? [];
      const file = of[random() % of.length];
      const other = files[random() % files.length];
      if (file === undefined || other === undefined) throw new Error("no file");
      const twins = files.filter((each) => each.label !== file.label && each.relative.slice(21) === file.relative.slice(21));
      const kind = corruptionKinds[random() % corruptionKinds.length] ?? "";
      const corruption = corrupt(kind, { path: file.absolute, other: other.absolute, twin: twins[random() % Math.max(1, twins.length)]?.absolute }, random);
      if (corruption === undefined) continue;
      const label = file.label ?? [...infos.keys()][random() % infos.size] ?? "";
      try {
        const verified = await askVerify(rig, label);
        const restored = await restores(label);
        answers[verified.answer] += 1;
        const own = corruption.changed.some((path) => path.includes(label));
        const where = `round ${round}, ${label}: ${corruption.what}`;
        if (verified.answer !== restored.answer) problems.push(`${where}: verify says ${verified.answer} (${verified.said}), restore ${restored.answer} (${restored.said})`);
        const usual = label === spoilt.label ? 1 : 0;
        if (own && verified.answer === "yes" && verified.findings === usual) problems.push(`${where}: verify finds nothing`);
      } finally {
        corruption.undo();
      }
      round += 1;
    }
    expect(problems).toEqual([]);
    expect(answers.no).toBeGreaterThan(rounds / 3);
    expect(answers.yes).toBeGreaterThan(0);
  });

  async function restores(backup: string): Promise<{ readonly answer: "yes" | "no"; readonly said: string }> {
    const directory = temporaryDirectory({ prefix: "mver", unprivileged: true });
    try {
      await rig.restore({ backup, position: "immediate", directory: directory.path });
      return { answer: "yes", said: "" };
    } catch (error) {
      return { answer: "no", said: messageOf(error) };
    } finally {
      await directory.remove();
    }
  }
});

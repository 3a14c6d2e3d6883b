/** Which files of a backup are read, and which another backup's proof stands for: told by entries, with a storage that only notes what it is asked. */
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import type { BackupInfo, BackupSource, IndexedFile, PageChecksums } from "../../../src/repository/index.ts";
import { storageErrors, type Storage } from "../../../src/storage/index.ts";
import { checkFiles, type FilesCheck } from "../../../src/verify/check-files.ts";
import { createFindings } from "../../../src/verify/finding.ts";
import type { VerifyState } from "../../../src/verify/index.ts";
import { sample } from "../repository/sample-backup.ts";

const [older, newer] = ["20261119090138", "20261120090138"] as const;
const fileOf = (path: string, more: Partial<IndexedFile> = {}): IndexedFile => ({
  kind: "file",
  path,
  mode: 0o600,
  size: 8192,
  suffix: "",
  digest: "",
  crc32c: 0,
  storedSize: 8192,
  storedDigest: "",
  headerSize: 0,
  chunks: [],
  owner: undefined,
  ...more,
});

/** Checks the files; gives the paths in the repository that were opened. All names are those of one file. */
async function opened(info: BackupInfo, files: readonly (readonly [IndexedFile, BackupInfo])[], more: Partial<FilesCheck> = {}) {
  const paths: string[] = [];
  const storage = {
    threads: false,
    isSameFile: () => Promise.resolve(true),
    openFile: (path: string) => (paths.push(path), Promise.reject(storageErrors.inputOutput("EIO: made by the test", { path }))),
  } as unknown as Storage;
  const sourceOf = (of: BackupInfo): BackupSource => ({ storage, server: "primary", info: of, keys: () => Promise.reject(new Error("no key is needed")) });
  const sums = await checkFiles({
    source: sourceOf(info),
    contents: async (onMember) => {
      for (const [file, member] of files) await onMember(file, sourceOf(member));
    },
    clock: systemClock,
    workers: 1,
    bytes: files.length * 8192,
    paced: false,
    pages: undefined,
    proven: new Set([older]),
    resume: undefined,
    findings: createFindings(undefined),
    signal: new AbortController().signal,
    done: () => undefined,
    onFile: () => undefined,
    reached: undefined,
    ...more,
  });
  return { paths: paths.map((path) => path.replace("primary/backup/", "")), sums };
}

describe("a file that a proven backup has as well", () => {
  const shared = { owner: older };
  const plain = (pageChecksums: PageChecksums): BackupInfo => sample({ label: newer, compression: "none" }, { pageChecksums });

  test("is read for its pages where this backup had bad ones: the other one may have begun before they were changed", async () => {
    const names = ["data/PG_VERSION", "data/base/5/16384", "tblspc_a/PG_15_202209061/5/16385", "data/base/5/pg_filenode.map"];
    const files = (info: BackupInfo) => names.map((name) => [fileOf(name, shared), info] as const);
    const good = await opened(plain("good"), files(plain("good")));
    expect(good).toEqual({ paths: [], sums: { files: 0, bytes: 0, skipped: 4 } });
    const bad = await opened(plain("bad"), files(plain("bad")));
    expect(bad.paths).toEqual([`${newer}/data/base/5/16384`, `${newer}/tblspc_a/PG_15_202209061/5/16385`]);
    expect(bad.sums.skipped).toBe(2);
  });

  test("is read where it is a link of pgmoneta's, which may lead to another file; what a chain rests on has proven itself", async () => {
    const foreign = (label: string): BackupInfo => ({ ...sample({ label, compression: "none" }), own: undefined });
    const location = `primary/backup/${older}/data/base/5/16384`;
    const { paths, sums } = await opened(foreign(newer), [
      [fileOf("data/base/5/16384", { owner: older, location }), foreign(newer)],
      [fileOf("data/base/5/16384", { location }), foreign(older)],
      [fileOf("data/base/5/16385", { owner: "20261118090138", location: location.replace(older, "20261118090138") }), foreign(older)],
    ]);
    expect(paths).toEqual([`${older}/data/base/5/16384`, "20261118090138/data/base/5/16384"]);
    expect(sums.skipped).toBe(1);
  });

  test("is counted in the state of a verification, and in the sum of the one that goes on there", async () => {
    const info = plain("good");
    const files = ["data/a", "data/b", "data/c"].map((name) => [fileOf(name, shared), info] as const);
    const states: VerifyState[] = [];
    await opened(info, files.slice(0, 2), { reached: async (state) => void states.push(state) });
    expect(states.at(-1)).toMatchObject({ entries: 2, files: 0, bytes: 0, skipped: 2, skippedBytes: 16_384 });
    const { sums } = await opened(info, files, { resume: states.at(-1) });
    expect(sums).toEqual({ files: 0, bytes: 0, skipped: 3 });
  });

  test("is not even asked about once the end was told", async () => {
    const info = plain("good");
    const stop = new AbortController();
    let done = 0;
    const files = Array.from({ length: 50 }, (_, number) => [fileOf(`data/${number}`, shared), info] as const);
    const checking = opened(info, files, { signal: stop.signal, done: () => ((done += 1), stop.abort()) });
    await expect(checking).rejects.toMatchObject({ code: "ABORTED" });
    expect(done).toBe(1);
  });
});

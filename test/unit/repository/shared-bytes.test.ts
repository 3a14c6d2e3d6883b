/** The figures of backups that share files, against a model of files with several names. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatBackupInfo, measureSharing, parseBackupInfo, type BackupInfo, type SharedBytes } from "../../../src/repository/index.ts";
import { sample, sampleOwn } from "./sample-backup.ts";

interface Taken {
  readonly info: BackupInfo;
  /** What each path is: the number of its file on the disk, who wrote it, and its size. */
  readonly files: ReadonlyMap<number, { readonly inode: number; readonly owner: string; readonly size: number }>;
}

/** Backups one after the other; of each the paths that changed since the one before, with their new sizes. */
function taken(changes: readonly (readonly (readonly [path: number, size: number])[])[]): Taken[] {
  let inode = 0;
  const backups: Taken[] = [];
  for (const [index, changed] of changes.entries()) {
    const label = String(20_260_101_000_000 + index);
    const files = new Map(backups.at(-1)?.files ?? []);
    for (const [path, size] of changed) files.set(path, { inode: inode++, owner: label, size });
    const shared = new Map<string, number>();
    let storedBytes = 0;
    for (const { owner, size } of files.values()) {
      if (owner === label) storedBytes += size;
      else shared.set(owner, (shared.get(owner) ?? 0) + size);
    }
    const owners: SharedBytes[] = [...shared].map(([owner, bytes]) => ({ owner, bytes }));
    backups.push({ info: sample({ label, storedBytes }, { ...sampleOwn, shared: owners }), files });
  }
  return backups;
}

const onDisk = (backups: readonly Taken[]): number => {
  const inodes = new Map(backups.flatMap(({ files }) => [...files.values()].map(({ inode, size }) => [inode, size] as const)));
  return [...inodes.values()].reduce((sum, size) => sum + size, 0);
};

const changed = fc.array(fc.tuple(fc.nat(8), fc.integer({ min: 1, max: 1000 })), { maxLength: 6 });

describe("backups that share files", () => {
  test("say together what lies on the disk, and each what its deletion frees, whichever are gone", () => {
    fc.assert(
      fc.property(fc.array(changed, { minLength: 1, maxLength: 8 }), fc.array(fc.nat(), { maxLength: 6 }), (changes, deletions) => {
        let left = taken(changes);
        for (const choice of [undefined, ...deletions]) {
          if (choice !== undefined) {
            const gone = left[choice % left.length];
            const freed = gone === undefined ? undefined : measureSharing(left.map(({ info }) => info)).get(gone.info.label)?.freedBytes;
            const before = onDisk(left);
            left = left.filter((backup) => backup !== gone);
            if (freed !== undefined) expect(before - onDisk(left)).toBe(freed);
          }
          if (left.length === 0) return;
          const figures = [...measureSharing(left.map(({ info }) => info)).values()];
          expect(figures.reduce((sum, { ownBytes }) => sum + ownBytes, 0)).toBe(onDisk(left));
          for (const [index, { ownBytes, sharedBytes }] of figures.entries()) {
            expect(ownBytes + sharedBytes).toBe([...(left[index]?.files.values() ?? [])].reduce((sum, { size }) => sum + size, 0));
          }
        }
      }),
    );
  });

  test("keep whose files they have in backup.info, and an earlier version's file has none", () => {
    const shared = [
      { owner: "20260101000000", bytes: 12 },
      { owner: "20260102000000", bytes: 345_678_901_234 },
    ];
    const info = sample({}, { ...sampleOwn, shared });
    const text = formatBackupInfo(info);
    expect(text.toString()).toContain("SHARED_OWNERS=2\nSHARED_OWNER1=20260101000000\nSHARED_BYTES1=12\nSHARED_OWNER2=");
    expect(parseBackupInfo(text, "backup.info", info.label).own?.shared).toEqual(shared);
    const without = formatBackupInfo(sample({}, sampleOwn));
    expect(without.toString()).not.toContain("SHARED");
    expect(parseBackupInfo(without, "backup.info", info.label).own?.shared).toBeUndefined();
  });
});

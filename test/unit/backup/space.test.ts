import { beforeEach, describe, expect, it } from "vitest";
import { openSpaceWatch, type SpaceOptions } from "../../../src/backup/space.ts";
import type { PipelineSpec } from "../../../src/pipeline/index.ts";
import { openLocalStorage, type Space, type Storage } from "../../../src/storage/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { sample } from "../repository/sample-backup.ts";

const MB = 1024 * 1024;
const none: PipelineSpec = { compression: "none", encryption: "none" };
const zstd: PipelineSpec = { compression: "zstd", encryption: "none" };
let free = 0;
let broken: Error | undefined;
let storage: Storage;

/** A storage on a disk of which the test decides how full it is. */
beforeEach(() => {
  broken = undefined;
  const freeSpace = async (): Promise<Space> => {
    if (broken !== undefined) throw broken;
    return { total: 10_000 * MB, free };
  };
  storage = { ...openLocalStorage(temporaryDirectory().path), freeSpace };
});

const watch = (options: Partial<SpaceOptions> = {}) =>
  openSpaceWatch({ storage, path: "primary/backup", spec: none, segmentSize: 16 * MB, backups: [], ...options });

describe("before the first byte", () => {
  it("a backup fits when its files and four segments for the receiver do", async () => {
    free = 164 * MB;
    const space = await watch();
    expect(space.judge(100 * MB)).toBeUndefined();
    expect(() => space.judge(100 * MB + 1)).toThrow(expect.objectContaining({ code: "BACKUP_NO_SPACE" }));
  });

  it("a compressed one is judged by what the newest backup of the same form came to", async () => {
    free = 164 * MB;
    const backups = [
      sample({ compression: "zstd", storedBytes: 10, restoredBytes: 10 }),
      sample({ compression: "zstd", storedBytes: 1, restoredBytes: 4 }),
      sample({ compression: "zstd", storedBytes: 1, restoredBytes: 1000, valid: false }),
      sample({ compression: "gzip", storedBytes: 1, restoredBytes: 1000 }),
    ];
    const space = await watch({ spec: zstd, backups });
    expect(space.judge(400 * MB)).toBeUndefined();
    expect(() => space.judge(401 * MB)).toThrow(/needs about 164 MB .* but only 164 MB are free/);
  });

  it("without such a backup a doubt is said, and nothing refused", async () => {
    free = 164 * MB;
    const space = await watch({ spec: zstd });
    expect(space.judge(100 * MB)).toBeUndefined();
    expect(space.judge(5000 * MB)).toMatch(/may not fit: the server has 4.88 GB of files, and 164 MB are free/);
  });
});

describe("while bytes arrive", () => {
  it("the backup is given up before it takes the receiver's room", async () => {
    free = 100 * MB;
    const space = await watch();
    free = 64 * MB;
    space.arrived(16 * MB);
    free = 64 * MB - 1;
    space.arrived(16 * MB - 1);
    expect(space.signal.aborted).toBe(false);
    await waitFor("the shortage is seen", () => {
      space.arrived(16 * MB);
      return space.signal.aborted;
    });
    expect(space.signal.reason).toMatchObject({ code: "BACKUP_NO_SPACE" });
  });

  it("a disk that cannot be asked any more ends it as well", async () => {
    free = 100 * MB;
    const space = await watch();
    broken = new Error("disk on fire");
    space.arrived(16 * MB);
    await waitFor("the failure is seen", () => space.signal.aborted);
    expect(space.signal.reason).toBe(broken);
  });
});

import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openFilesystems } from "../../../src/restore/seal-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

/** Descriptors of this process that lead to `path`. */
function descriptorsOf(path: string): number {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor of this very listing.
      return "";
    }
  });
  return targets.filter((target) => target === path).length;
}

test("file systems that were opened are closed again when the next one cannot be", async () => {
  const { path } = temporaryDirectory();
  await expect(openFilesystems([path, "/proc", join(path, "absent")])).rejects.toMatchObject({ code: "RESTORE_WRITE_FAILED", message: expect.stringContaining("absent") as string });
  expect([descriptorsOf(path), descriptorsOf("/proc")]).toEqual([0, 0]);
  const opened = await openFilesystems([path, "/proc", path]);
  expect([descriptorsOf(path), descriptorsOf("/proc")]).toEqual([1, 1]);
  await opened.close();
  expect([descriptorsOf(path), descriptorsOf("/proc")]).toEqual([0, 0]);
});

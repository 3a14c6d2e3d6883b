/** One daemon owns a repository (K07; two real daemons: test/system/daemon-operation.test.ts). */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Clock } from "../../../src/common/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import { acquireOwnerLock, repositoryErrors } from "../../../src/repository/index.ts";
import { bundled } from "../../support/bundle.ts";
import type { RunningProcess } from "../../support/processes.ts";
import { startProcess } from "../../support/processes.ts";
import { requires } from "../../support/requires.ts";
import type { TemporaryDirectory } from "../../support/temporary-directory.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

let directory: TemporaryDirectory;
const children: number[] = [];
let program: string;
beforeAll(async () => {
  program = await bundled("test/fixtures/repository/lock-owner.ts");
});
beforeEach(() => {
  directory = temporaryDirectory({ prefix: "owner" });
});
afterEach(async () => {
  // Those that a test did not come to end itself.
  for (const pid of children.splice(0)) endProcess(pid);
  await directory.remove();
});

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    expect(error).toMatchObject({ code: "ESRCH" });
  }
}

interface OtherOwner {
  readonly process: RunningProcess;
  readonly pid: number;
  readonly child: number | null;
  /** What the child started. */
  readonly helper: number | null;
}

/** A process that owns the directory, with a child that inherited the lock if asked for. */
async function otherOwner(withChild: boolean | "with-job"): Promise<OtherOwner> {
  const args = [program, directory.path];
  const process_ = await startProcess(process.execPath, withChild === false ? args : [...args, withChild === true ? "with-child" : withChild]);
  const line = await waitFor(
    "the other process owns the directory",
    () => process_.stdout().includes("\n") && process_.stdout(),
    {
      seen: () => process_.stderr(),
    },
  );
  const { pid, child, helper } = JSON.parse(line) as Omit<OtherOwner, "process">;
  for (const each of [pid, child, helper]) if (each !== null) children.push(each);
  return { process: process_, pid, child, helper };
}

requires("flock").describe("the owner lock", () => {
  test("is taken, given back and taken again", async () => {
    const first = await acquireOwnerLock(join(directory.path, "base"));
    expect(statSync(join(directory.path, "base/.moneta.lock")).mode & 0o777).toBe(0o600);
    await expect(acquireOwnerLock(join(directory.path, "base"))).rejects.toSatisfy(repositoryErrors.ownerLockHeld.is);
    await first.release();
    await first.release();
    const second = await acquireOwnerLock(join(directory.path, "base"));
    await second.release();
  });

  test("names the pid of the living owner at once, however long one would wait", async () => {
    const owner = await otherOwner(false);
    const never: Clock = { ...systemClock, sleep: () => Promise.reject(new Error("waited for a living owner")) };
    const attempt = acquireOwnerLock(directory.path, { waitMs: 600_000, clock: never });
    await expect(attempt).rejects.toMatchObject({ code: "OWNER_LOCK_HELD", details: { pid: owner.pid } });
    await expect(attempt).rejects.toThrow(new RegExp(`pid ${owner.pid}`));
  });

  test("dies with its owner, by whatever signal", async () => {
    const owner = await otherOwner(false);
    endProcess(owner.pid);
    await owner.process.finished;
    const lock = await acquireOwnerLock(directory.path, { waitMs: 60_000 });
    expect(readFileSync(join(directory.path, ".moneta.lock"), "utf8")).toContain(`"pid":${process.pid}`);
    await lock.release();
  });

  test("stays with the children of a dead owner until the last of them ends", async () => {
    const owner = await otherOwner(true);
    endProcess(owner.pid);
    await waitFor("the owner is gone", () => {
      try {
        return readFileSync(`/proc/${owner.pid}/stat`, "utf8").includes(") Z ");
      } catch {
        return true;
      }
    });
    await expect(acquireOwnerLock(directory.path)).rejects.toThrow(/children of the dead daemon/);
    const waits: (number | undefined)[] = [];
    const attempt = acquireOwnerLock(directory.path, {
      waitMs: 60_000,
      onWait: (pid) => {
        waits.push(pid);
        if (owner.child !== null) endProcess(owner.child);
      },
    });
    const lock = await attempt;
    expect(waits).toEqual([owner.pid]);
    await lock.release();
  });

  test("is not handed on to what a child of ours starts: a sync that outlives a killed job holds up nobody", async () => {
    const owner = await otherOwner("with-job");
    for (const pid of [owner.pid, owner.child ?? 0]) endProcess(pid);
    await owner.process.finished;
    const lock = await acquireOwnerLock(directory.path, { waitMs: 60_000 });
    expect(() => process.kill(owner.helper ?? 0, 0)).not.toThrow();
    await lock.release();
  });

  test("a pid that another process has now is not taken for the owner", async () => {
    const lock = await acquireOwnerLock(directory.path);
    // The same number as a living process, another start: the children of an owner before this boot, say.
    writeFileSync(join(directory.path, ".moneta.lock"), `{"pid":${process.pid},"started":"1"}\n`);
    await expect(acquireOwnerLock(directory.path)).rejects.toThrow(/children of the dead daemon/);
    writeFileSync(join(directory.path, ".moneta.lock"), "nonsense");
    await expect(acquireOwnerLock(directory.path)).rejects.toThrow(/unknown process/);
    await lock.release();
  });

  test("waiting ends with the signal", async () => {
    const lock = await acquireOwnerLock(directory.path);
    writeFileSync(join(directory.path, ".moneta.lock"), "");
    const controller = new AbortController();
    const attempt = acquireOwnerLock(directory.path, {
      waitMs: 600_000,
      signal: controller.signal,
      onWait: () => controller.abort(),
    });
    await expect(attempt).rejects.toMatchObject({ code: "ABORTED" });
    await lock.release();
  });
});

describe("a directory that cannot be locked", () => {
  test("is an error that names it", async () => {
    writeFileSync(join(directory.path, "file"), "");
    const attempt = acquireOwnerLock(join(directory.path, "file"));
    await expect(attempt).rejects.toSatisfy(repositoryErrors.ownerLockFailed.is);
    await expect(attempt).rejects.toThrow(/file\/\.moneta\.lock|file/);
  });
});

import { describe, expect, it } from "vitest";
import {
  changeLineage,
  finishLineageChange,
  formerLineages,
  layoutOfLineage,
  openServerIdentity,
  serverLayout,
} from "../../../src/repository/index.ts";
import type { Storage } from "../../../src/storage/index.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
const megabyte = 1024 * 1024;
const [first, second] = ["7412345678901234567", "7498765432109876543"];
const identity = (systemIdentifier: string) => ({ systemIdentifier, segmentSize: megabyte });
const parts = ["wal/000000010000000000000001", "wal_index/0000000100000000.jsonl", "wal_gaps.json", "wal_pruned.json", "wal_coverage.json"];

/** WAL and all that is known of it, each file with the name of its cluster. */
async function fill(systemIdentifier: string, some = parts): Promise<void> {
  for (const part of some) await repository.put(`primary/${part}`, systemIdentifier);
  await openServerIdentity(repository.storage, "primary").write(identity(systemIdentifier));
}

/** What lies where the WAL of a cluster is looked for. */
async function foundOf(systemIdentifier: string): Promise<Record<string, string>> {
  const { storage } = repository;
  const { place } = await layoutOfLineage(storage, "primary", systemIdentifier);
  const found: Record<string, string> = {};
  for (const part of parts) {
    if ((await storage.stat(`${place}/${part}`)) !== undefined) found[part] = await repository.text(`${place}/${part}`);
  }
  return found;
}
const all = (systemIdentifier: string, some = parts) => Object.fromEntries(some.map((part) => [part, systemIdentifier]));

/** A storage whose power fails before the change with this number. */
function failingAt(number: number): Storage {
  let left = number;
  const step = <Arguments extends unknown[], Result>(work: (...words: Arguments) => Promise<Result>) => {
    return async (...words: Arguments): Promise<Result> => {
      left -= 1;
      if (left < 0) throw new Error("the power fails");
      return work(...words);
    };
  };
  const { storage } = repository;
  return {
    ...storage,
    makeDirectory: step((path: string) => storage.makeDirectory(path)),
    move: step((from: string, to: string) => storage.move(from, to)),
    removeFile: step((path: string) => storage.removeFile(path)),
    removeTree: step((path: string) => storage.removeTree(path)),
    replaceFile: step((path: string, content: string | Uint8Array) => storage.replaceFile(path, content)),
  };
}

describe("the lineages of a server", () => {
  it("keep the WAL of each cluster and what is known of it apart, and give it back", async () => {
    const { storage } = repository;
    await fill(first);
    expect(await foundOf(first)).toEqual(all(first));
    await changeLineage(storage, "primary", first, identity(second));
    expect(await formerLineages(storage, "primary")).toEqual([first]);
    expect(await openServerIdentity(storage, "primary").read()).toEqual(identity(second));
    expect(await openServerIdentity(storage, serverLayout("primary", first)).read()).toEqual(identity(first));
    expect([await foundOf(first), await foundOf(second)]).toEqual([all(first), {}]);

    const some = parts.slice(0, 2);
    await fill(second, some);
    await changeLineage(storage, "primary", second, identity(first));
    expect([await foundOf(first), await foundOf(second)]).toEqual([all(first), all(second, some)]);
    expect(await formerLineages(storage, "primary")).toEqual([second]);
    expect((await storage.stat("primary/wal"))?.kind).toBe("directory");
  });

  it("are changed all the way or not at all, wherever the power fails", async () => {
    const { storage } = repository;
    await fill(first);
    await changeLineage(storage, "primary", first, identity(second));
    const some = parts.slice(0, 3);
    await fill(second, some);
    let [from, to] = [second, first];
    const filesOf = { [first]: all(first), [second]: all(second, some) };
    let completed = false;
    for (let at = 0; !completed; at += 1) {
      expect(at).toBeLessThan(100);
      completed = await changeLineage(failingAt(at), "primary", from, identity(to)).then(
        () => true,
        () => false,
      );
      const begun = (await storage.stat(serverLayout("primary").lineageChange)) !== undefined;
      if (begun) await expect(layoutOfLineage(storage, "primary", first)).rejects.toMatchObject({ code: "LINEAGE_CHANGE_UNFINISHED" });
      expect(await finishLineageChange(storage, "primary")).toBe(begun);
      if (begun || completed) [from, to] = [to, from];
      expect([await foundOf(first), await foundOf(second)], `at ${at}`).toEqual([filesOf[first], filesOf[second]]);
      expect(await openServerIdentity(storage, "primary").read(), `at ${at}`).toEqual(identity(from));
      expect(await formerLineages(storage, "primary"), `at ${at}`).toEqual([to]);
    }
  });

  it("are changed to the end although somebody made an empty directory anew in the place of the WAL that had moved", async () => {
    const { storage } = repository;
    const unfinished = async (): Promise<void> => {
      await storage.makeDirectory("primary/wal");
      // As somebody leaves it who was killed while he wrote.
      const sink = await storage.createFile("primary/wal/000000010000000000000002");
      await sink.write(Buffer.from("x"));
      await sink.close();
    };
    await fill(first);
    // The power fails after the first move, in the step that puts the WAL aside.
    await expect(changeLineage(failingAt(2), "primary", first, identity(second))).rejects.toThrow("the power fails");
    expect(await storage.stat("primary/wal")).toBeUndefined();
    await unfinished();
    expect(await finishLineageChange(storage, "primary")).toBe(true);
    expect([await foundOf(first), await foundOf(second)]).toEqual([all(first), {}]);
    await fill(second);
    // And before the WAL of the next one comes back: after its note, six parts that went, and the note of the second step.
    await expect(changeLineage(failingAt(9), "primary", second, identity(first))).rejects.toThrow("the power fails");
    await unfinished();
    expect(await finishLineageChange(storage, "primary")).toBe(true);
    expect([await foundOf(first), await foundOf(second)]).toEqual([all(first), all(second)]);
  });

  it("do not lose what somebody stored in the place of the WAL that had moved", async () => {
    const { storage } = repository;
    await fill(first);
    await expect(changeLineage(failingAt(2), "primary", first, identity(second))).rejects.toThrow("the power fails");
    await repository.put("primary/wal/00000002.history", "stored");
    await expect(finishLineageChange(storage, "primary")).rejects.toMatchObject({ code: "STORAGE_EXISTS" });
    expect(await repository.text("primary/wal/00000002.history")).toBe("stored");
  });

  it("stay as they are when the WAL cannot be moved", async () => {
    const { storage } = repository;
    await fill(first);
    const stuck: Storage = { ...storage, move: () => Promise.reject(new Error("a mount point")) };
    await expect(changeLineage(stuck, "primary", first, identity(second))).rejects.toThrow("a mount point");
    expect(await finishLineageChange(storage, "primary")).toBe(false);
    expect(await foundOf(first)).toEqual(all(first));
  });

  it("do not change while nobody can tell how far a change had come", async () => {
    const { storage } = repository;
    await fill(first);
    await repository.put(serverLayout("primary").lineageChange, "{}");
    await expect(finishLineageChange(storage, "primary")).rejects.toMatchObject({ code: "LINEAGE_CHANGE_UNFINISHED" });
    await expect(layoutOfLineage(storage, "primary", first)).rejects.toMatchObject({ code: "LINEAGE_CHANGE_UNFINISHED" });
    for (const wrong of [first, "..", ""]) {
      await expect(changeLineage(storage, "primary", first, identity(wrong))).rejects.toMatchObject({ code: "REPOSITORY_NAME_REFUSED" });
    }
  });
});

import { expect, it } from "vitest";
import { createManifestIntake } from "../../../src/backup/manifest-intake.ts";
import { nameTablespaces } from "../../../src/backup/backup-paths.ts";
import { openBackupLists } from "../../../src/backup/backup-lists.ts";
import { createEntryStore } from "../../../src/backup/entry-store.ts";
import { createPipeline } from "../../../src/pipeline/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { manifestText } from "../postgres/manifest-writer.ts";

async function intake(arrived: number) {
  const storage = openLocalStorage(temporaryDirectory().path);
  const tree = await storage.openTree("b");
  const tablespaces = nameTablespaces([]);
  const lists = await openBackupLists(tree, { label: "20261120090138", hash: "sha256", compression: "none", encryption: "none" }, tablespaces.oidOf);
  const plain = await createPipeline({ spec: { compression: "none", encryption: "none" }, hash: "sha256", memoryBytes: 1 << 20, concurrency: 1 });
  const store = createEntryStore(tree, lists);
  const close = async (): Promise<void> => {
    await plain.close();
    await store.idle();
    await lists.abort();
    await tree.abort();
  };
  return { manifest: createManifestIntake({ store, plain, tablespaces, arrived: () => arrived }), store, storage, tree, close };
}

const listOf = (count: number): Buffer =>
  Buffer.from(
    manifestText({
      version: 1,
      files: Array.from({ length: count }, (_, n) => ({ path: `base/${n}`, size: n, checksum: "00000000" })),
      ranges: [{ timeline: 1, start: "0/2000028", end: "0/2000100" }],
    }),
  );

it("the manifest is stored as it came and summed up, in pieces of any length", async () => {
  const { manifest, store, storage, tree, close } = await intake(10);
  const text = listOf(10);
  for (let at = 0; at < text.length; at += 7) manifest.write(text.subarray(at, at + 7));
  manifest.end();
  await store.settled();
  expect(manifest.summary()).toMatchObject({ fileCount: 10, totalSize: 45 });
  expect(manifest.expected.files).toBe(10);
  expect(await storage.readFile(`${tree.temporaryPath}/data/backup_manifest`, 1 << 20)).toEqual(text);
  await close();
});

it("a manifest that did not come is missed", async () => {
  const { manifest, close } = await intake(10);
  expect(() => manifest.end()).toThrow(expect.objectContaining({ code: "BACKUP_MISMATCH" }));
  await close();
});

it("a manifest with names without end is not believed before it fills the memory", async () => {
  const { manifest, close } = await intake(5);
  const text = listOf(100_006);
  expect(() => {
    for (let at = 0; at < text.length; at += 65_536) manifest.write(text.subarray(at, at + 65_536));
  }).toThrow(/lists more than 100005 files, but only 5 have arrived/);
  await close();
});

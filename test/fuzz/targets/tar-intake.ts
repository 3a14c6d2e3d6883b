/** Archives of a base backup on their whole way to the disk: nothing may come to lie outside of the backup. */
import { lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openArchiveHouse } from "../../unit/backup/archive-house.ts";
import { cut } from "../engine/mutate.ts";
import type { Random } from "../engine/random.ts";
import { mustEqual, mustHold, type FuzzTarget } from "../engine/target.ts";
import { openScratchSet } from "./scratch.ts";
import { archiveOf, repairChecksums, tarCorpus } from "./tar.ts";

/** What an archive may make: files and directories, and links to tablespaces of the backup. */
function checkTree(directory: Buffer): void {
  for (const name of readdirSync(directory, { encoding: "buffer" })) {
    const path = Buffer.concat([directory, Buffer.from("/"), name]);
    const stats = lstatSync(path);
    mustHold(stats.isFile() || stats.isDirectory() || stats.isSymbolicLink(), "only files, directories and links are made");
    mustHold(!stats.isSymbolicLink() || directory.toString("latin1").endsWith("/pg_tblspc"), "only tablespaces are linked");
    if (stats.isDirectory()) checkTree(path);
  }
}

/** Stores the archive in a repository of its own below `scratch`, where nothing else is. */
async function takeIn(scratch: string, input: Buffer, random: Random): Promise<undefined> {
  const around = join(scratch, "around");
  mkdirSync(around);
  try {
    const house = await openArchiveHouse({ outside: around, tablespaces: random.once(2) ? [{ oid: 16384, location: "/srv/space", name: "space" }] : [] });
    let committed = false;
    try {
      const reader = house.reader(random.once(4) && random.once(2) ? 16384 : undefined);
      for (const piece of cut(input, random)) reader.write(piece);
      reader.finish();
      await house.store.settled();
      await house.commit();
      committed = true;
    } finally {
      if (!committed) await house.close();
      mustEqual(readdirSync(scratch), ["around"], "nothing is made beside the repository");
      mustEqual(readdirSync(around).filter((name) => name !== "repository"), [], "nor outside of it");
      const made = readdirSync(join(around, "repository"));
      mustEqual(made, committed ? ["b"] : [], "a backup that was given up leaves nothing");
      if (committed) checkTree(Buffer.from(join(around, "repository", "b")));
    }
  } finally {
    rmSync(around, { recursive: true, force: true });
  }
  return undefined;
}

export const tarIntakeTarget: FuzzTarget = {
  name: "tar-intake",
  cost: 128,
  allocation: 24 * 1024 * 1024,
  atOnce: 8,
  open() {
    const scratches = openScratchSet((path) => path);
    return {
      corpus: tarCorpus.filter((archive) => !archive.includes("pg_tblspc")),
      words: ["ustar\x0000", "../", "pg_tblspc/16384", "/tmp/evil"],
      generate: archiveOf,
      repair: repairChecksums,
      run: async (input, random) => scratches.use((scratch) => takeIn(scratch, input, random)),
      close: () => {
        scratches.remove();
      },
    };
  },
};

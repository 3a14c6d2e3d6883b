/** Line 15: many small files. The target is 100,000 relations with 300,000 files; what was measured is said beside each goal. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { monetaBackup, pgBasebackup, withReleases } from "./contenders.ts";
import { absoluteGoal, figureOf, largest, ratioGoal, wall } from "./goal.ts";
import type { Line } from "./line.ts";

export const manyRelationsLine: Line = {
  number: 15,
  title: "many relations",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.manyRelations();
      const contests = await context.compare([
        pgBasebackup(context, cluster, "pg_basebackup -Fp", "-Fp"),
        await monetaBackup(context, cluster, atEnd, "Moneta, not compressed", { compression: "none" }),
        await monetaBackup(context, cluster, atEnd, "Moneta, zstd", { compression: "zstd" }),
      ]);
      const files = (await readdir(join(cluster.dataDir, "base"), { recursive: true })).length.toLocaleString("en");
      const size = `${context.relations.toLocaleString("en")} relations, ${files} files`;
      const resident = figureOf(contests, "Moneta, zstd", largest);
      return {
        rounds: [{ title: `Full backup, ${size}`, metric: "wall", contests }],
        verdicts: [
          ratioGoal(`${size}, not compressed: ≤ 1.2 × pg_basebackup -Fp`, contests, "Moneta, not compressed", "pg_basebackup -Fp", wall, { atMost: 1.2 }),
          ratioGoal(`${size}, zstd: ≤ 1.2 × pg_basebackup -Fp`, contests, "Moneta, zstd", "pg_basebackup -Fp", wall, { atMost: 1.2 }),
          absoluteGoal("≤ 200 MB resident (job)", "MB", typeof resident === "number" ? resident / 1024 / 1024 : resident, { atMost: 200 }),
        ],
      };
    }),
};

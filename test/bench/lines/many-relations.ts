/** Line 15: many small files. */
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
      const resident = figureOf(contests, "Moneta, zstd", largest);
      return {
        rounds: [{ title: `Full backup, ${context.relations.toLocaleString("en")} relations`, metric: "wall", contests }],
        verdicts: [
          ratioGoal("not compressed: ≤ 1.2 × pg_basebackup -Fp", contests, "Moneta, not compressed", "pg_basebackup -Fp", wall, { atMost: 1.2 }),
          ratioGoal("zstd: ≤ 1.2 × pg_basebackup -Fp", contests, "Moneta, zstd", "pg_basebackup -Fp", wall, { atMost: 1.2 }),
          absoluteGoal("≤ 200 MB resident (job)", "MB", typeof resident === "number" ? resident / 1024 / 1024 : resident, { atMost: 200 }),
        ],
      };
    }),
};

/** Line 8: verification of the content of a backup, as an operator asks for it: command line, daemon, job. */
import { runOrFail } from "../../support/processes.ts";
import type { Contender } from "../measure/index.ts";
import { newMoneta, withReleases } from "./contenders.ts";
import { ratioGoal, wall, withoutFigure } from "./goal.ts";
import type { BenchContext, Line } from "./line.ts";

export const verifyLine: Line = {
  number: 8,
  title: "verify, the content of every file",
  run: (context) =>
    withReleases(async (atEnd) => {
      const plain = await context.plain(await context.standard());
      const contests = await context.compare([
        {
          name: "pg_verifybackup, SHA-256",
          role: "peer",
          ...context.programs.missing("pg_verifybackup"),
          run: async () => void (await runOrFail(context.programs.get("pg_verifybackup"), ["-n", plain])),
        },
        await moneta(context, atEnd, "Moneta, not compressed", { compression: "none" }),
        await moneta(context, atEnd, "Moneta, zstd", { compression: "zstd" }),
        await moneta(context, atEnd, "Moneta, zstd and AES-256-GCM", { compression: "zstd", encryption: "aes-256-gcm" }),
      ]);
      return {
        rounds: [{ title: "Verify", metric: "wall", contests }],
        verdicts: [
          ratioGoal("not compressed: ≤ 1.0 × pg_verifybackup with SHA-256", contests, "Moneta, not compressed", "pg_verifybackup, SHA-256", wall, { atMost: 1 }),
          withoutFigure("≤ 0.5 × pgmoneta", "pgmoneta is not driven by these benchmarks"),
        ],
      };
    }),
};

async function moneta(
  context: BenchContext,
  atEnd: Parameters<typeof newMoneta>[2],
  name: string,
  settings: Parameters<typeof newMoneta>[3],
): Promise<Contender> {
  const one = await newMoneta(context, await context.standard(), atEnd, settings);
  await one.start();
  await one.backup();
  await one.stop();
  return {
    name,
    role: "moneta",
    surroundings: { daemon: one.daemon.pid },
    prepare: one.start,
    run: async () => void (await one.daemon.ask(["verify", "primary", "newest"])),
    after: one.stop,
  };
}

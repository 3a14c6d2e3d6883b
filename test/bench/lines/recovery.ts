/** Line 16: recovery that fetches its WAL by restore_command, against the same recovery with plain segments in pg_wal. */
import { appendFile, mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { runOnDirectory } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { waitFor } from "../../support/wait-for.ts";
import type { Contender } from "../measure/index.ts";
import type { Moneta } from "../setting/index.ts";
import { backUpWithWal, newMoneta, withReleases } from "./contenders.ts";
import { ratioGoal, wall } from "./goal.ts";
import type { BenchContext, Line } from "./line.ts";

/** As the source's; nobody archives what the recovered server writes. */
const SETTINGS = { shared_buffers: "512MB", max_wal_size: "8GB", fsync: true, archive_mode: false };

export const recoveryLine: Line = {
  number: 16,
  title: "recovery through restore_command",
  run: (context) =>
    withReleases(async (atEnd) => {
      const source = await context.standard();
      const moneta = await newMoneta(context, source, atEnd, { compression: "zstd", encryption: "aes-256-gcm" });
      await backUpWithWal(moneta, source, context.walMegabytes);
      const contests = await context.compare([
        contender(context, moneta, { name: "plain segments in pg_wal", role: "floor", flags: ["--copy-wal"] }),
        contender(context, moneta, { name: "cp of plain segments", role: "floor", flags: ["--copy-wal"], change: asArchive }),
        contender(context, moneta, { name: "Moneta's restore_command", role: "moneta" }),
      ]);
      return {
        rounds: [{ title: `Recovery of ${(context.walMegabytes / 1000).toFixed(1)} GB of WAL, zstd and AES-256`, metric: "wall", contests }],
        verdicts: [ratioGoal("≤ 1.15 × plain segments in pg_wal", contests, "Moneta's restore_command", "plain segments in pg_wal", wall, { atMost: 1.15 })],
        notes: ["The processor seconds of restore_command are the server's, whose children they are."],
      };
    }),
};

/** What any archive costs: PostgreSQL starts a shell for each segment, and writes and syncs what it is given. */
async function asArchive(dataDirectory: string, archive: string): Promise<void> {
  await mkdir(archive);
  const pgWal = join(dataDirectory, "pg_wal");
  for (const name of await readdir(pgWal)) if (/^[0-9A-F]{24}$/.test(name)) await rename(join(pgWal, name), join(archive, name));
  await appendFile(join(dataDirectory, "postgresql.auto.conf"), `restore_command = 'cp "${archive}/%f" "%p"'\n`);
}

interface Recovery {
  readonly name: string;
  readonly role: Contender["role"];
  readonly flags?: readonly string[];
  /** Called with the restored data directory and the path of a directory that is not there yet. */
  readonly change?: (dataDirectory: string, beside: string) => Promise<void>;
}

function contender(context: BenchContext, moneta: Moneta, { name, role, flags = [], change }: Recovery): Contender {
  const target = join(context.scratch, "recovery");
  let restored: Cluster | undefined;
  return {
    name,
    role,
    surroundings: { server: () => restored?.pid() },
    async prepare() {
      await mkdir(target);
      await moneta.start();
      await moneta.restore(target, ...flags);
      await moneta.stop();
      const [directory = ""] = await readdir(target);
      const dataDirectory = join(target, directory);
      await change?.(dataDirectory, join(target, "archive"));
      restored = await runOnDirectory({ major: 15, dataDir: dataDirectory, settings: SETTINGS, start: false });
    },
    async run() {
      const server = restored;
      await server?.start();
      await waitFor("recovery is over", async () => (await server?.value("SELECT pg_is_in_recovery()")) === "f", { everyMs: 50, deadlineMs: 600_000 });
    },
    async after() {
      await restored?.stop("immediate");
      await restored?.destroy();
      restored = undefined;
      await context.bury(target);
    },
  };
}

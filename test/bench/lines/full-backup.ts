/** Lines 1 to 5: a full backup of the standard cluster, each against those who do the same. */
import { createHash } from "node:crypto";
import type { Contender } from "../measure/index.ts";
import { copyAndSync, monetaBackup, pgBackRestBackup, pgBasebackup, toolOnTar, withReleases } from "./contenders.ts";
import { ratioGoal, wall, withoutFigure } from "./goal.ts";
import type { BenchContext, Line } from "./line.ts";

const NO_PGMONETA = "pgmoneta is not driven by these benchmarks";

const uncompressed: Line = {
  number: 1,
  title: "full backup, not compressed",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.standard();
      const contests = await context.compare([
        pgBasebackup(context, cluster, "pg_basebackup -Fp", "-Fp"),
        await monetaBackup(context, cluster, atEnd, "Moneta", { compression: "none" }),
        await pgBackRestBackup(context, cluster, atEnd, "pgBackRest, 2 processes", { "compress-type": "none" }),
        await floorCopy(context),
      ]);
      return {
        rounds: [{ title: "Full backup, not compressed", metric: "wall", contests }],
        verdicts: [
          ratioGoal("≤ 1.2 × pg_basebackup -Fp, SHA-256 of every byte included", contests, "Moneta", "pg_basebackup -Fp", wall, { atMost: 1.2 }),
          ratioGoal("≤ 1.0 × pg_basebackup -Fp with CRC-32C only (Moneta always computes the digest too)", contests, "Moneta", "pg_basebackup -Fp", wall, { atMost: 1 }),
        ],
      };
    }),
};

const zstd: Line = {
  number: 2,
  title: "full backup, zstd 3",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.standard();
      const contests = await context.compare([
        await pgBackRestBackup(context, cluster, atEnd, "pgBackRest, 2 processes", { "compress-type": "zst", "compress-level": "3" }),
        await monetaBackup(context, cluster, atEnd, "Moneta", { compression: "zstd", compression_level: 3 }),
        pgBasebackup(context, cluster, "pg_basebackup client-zstd", "-Ft", "--compress=client-zstd:3"),
        pgBasebackup(context, cluster, "pg_basebackup client-zstd, 2 workers", "-Ft", "--compress=client-zstd:level=3,workers=2"),
        await floorTool(context, "zstd", "zstd -3 -T2 of a tar", "-q", "-3", "-T2"),
      ]);
      return {
        rounds: [{ title: "Full backup, zstd 3", metric: "wall", contests }],
        verdicts: [
          ratioGoal("≤ 0.9 × pgBackRest with 2 processes", contests, "Moneta", "pgBackRest, 2 processes", wall, { atMost: 0.9 }),
          ratioGoal("≤ 1.0 × pg_basebackup client-zstd", contests, "Moneta", "pg_basebackup client-zstd", wall, { atMost: 1 }),
          withoutFigure("≤ 0.55 × pgmoneta", NO_PGMONETA),
        ],
      };
    }),
};

const lz4: Line = {
  number: 3,
  title: "full backup, lz4",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.standard();
      const contests = await context.compare([
        await pgBackRestBackup(context, cluster, atEnd, "pgBackRest, 2 processes", { "compress-type": "lz4", "repo1-bundle": "y" }),
        await monetaBackup(context, cluster, atEnd, "Moneta", { compression: "lz4" }),
        pgBasebackup(context, cluster, "pg_basebackup client-lz4", "-Ft", "--compress=client-lz4"),
        await floorTool(context, "lz4", "lz4 -1 of a tar", "-q", "-1"),
      ]);
      return {
        rounds: [{ title: "Full backup, lz4", metric: "wall", contests }],
        verdicts: [ratioGoal("≤ 0.95 × pgBackRest with 2 processes", contests, "Moneta", "pgBackRest, 2 processes", wall, { atMost: 0.95 })],
      };
    }),
};

const gzip: Line = {
  number: 4,
  title: "full backup, gzip 6",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.standard();
      const contests = await context.compare([
        await pgBackRestBackup(context, cluster, atEnd, "pgBackRest, 2 processes", { "compress-type": "gz", "compress-level": "6" }),
        await monetaBackup(context, cluster, atEnd, "Moneta", { compression: "gzip", compression_level: 6 }),
        await floorTool(context, "pigz", "pigz -6 -p2 of a tar", "-6", "-p2"),
      ]);
      return {
        rounds: [{ title: "Full backup, gzip 6", metric: "wall", contests }],
        verdicts: [ratioGoal("≤ 0.6 × pgBackRest with 2 processes", contests, "Moneta", "pgBackRest, 2 processes", wall, { atMost: 0.6 })],
      };
    }),
};

const encrypted: Line = {
  number: 5,
  title: "full backup, zstd 3 and AES-256",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.standard();
      const passphrase = createHash("sha256").update("pass phrase of the benchmark").digest("hex");
      const cipher = { "repo1-cipher-type": "aes-256-cbc", "repo1-cipher-pass": passphrase };
      const contests = await context.compare([
        await pgBackRestBackup(context, cluster, atEnd, "pgBackRest, AES-256-CBC", { "compress-type": "zst", "compress-level": "3", ...cipher }),
        await monetaBackup(context, cluster, atEnd, "Moneta, AES-256-GCM", { compression: "zstd", compression_level: 3, encryption: "aes-256-gcm" }),
        await monetaBackup(context, cluster, atEnd, "Moneta, not encrypted", { compression: "zstd", compression_level: 3 }),
      ]);
      return {
        rounds: [{ title: "Full backup, zstd 3, encrypted", metric: "wall", contests }],
        verdicts: [
          ratioGoal("≤ 0.85 × pgBackRest (CBC) with 2 processes", contests, "Moneta, AES-256-GCM", "pgBackRest, AES-256-CBC", wall, { atMost: 0.85 }),
          ratioGoal("≤ 1.1 × the same without encryption", contests, "Moneta, AES-256-GCM", "Moneta, not encrypted", wall, { atMost: 1.1 }),
        ],
      };
    }),
};

async function floorCopy(context: BenchContext): Promise<Contender> {
  return copyAndSync(context, await context.plain(await context.standard()));
}

async function floorTool(context: BenchContext, program: "zstd" | "lz4" | "pigz", name: string, ...options: string[]): Promise<Contender> {
  return toolOnTar(context, program, name, await context.tar(await context.standard()), ...options);
}

export const fullBackupLines: readonly Line[] = [uncompressed, zstd, lz4, gzip, encrypted];

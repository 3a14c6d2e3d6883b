/** One restore of a soak: to the end or to a random earlier moment, started, and compared row for row. */
import { join } from "node:path";
import type { Marker } from "../support/marker-table.ts";
import { runOnDirectory } from "../support/postgres-cluster.ts";
import { compareWithServer, segmentsIn } from "../support/repository-judge.ts";
import { waitFor } from "../support/wait-for.ts";
import { judgeMixedLoad } from "./mixed-load.ts";
import type { SoakWorld } from "./soak-world.ts";

export interface RestoreResult {
  readonly what: string;
  /** False: the daemon was struck while it restored, and the client was told that it failed. */
  readonly done: boolean;
  readonly rows: number;
  /** Segments that came out of the repository as the server has them, in whatever form they were stored. */
  readonly segments: number;
  readonly wrong: readonly string[];
}

interface Target {
  readonly position: readonly string[];
  /** Marker rows below this number and no others; undefined: all. */
  readonly below: number | undefined;
}

/** How to restore where there is no daemon; else it is left to chance. */
export type RestoreMode = "alone" | "alone, copying WAL";

/** Restores, starts, compares; `struck` says whether something was done to the daemon since the restore began. */
export async function restoreAndCompare(world: SoakWorld, backup: string, target: "end" | "moment", struck: () => boolean, how?: RestoreMode): Promise<RestoreResult> {
  const { chance, daemon, load, markers } = world;
  const acknowledged = [...markers.acknowledged()];
  const atLeast = load.acknowledged();
  const { position, below } = target === "end" ? { position: [], below: undefined } : momentAfter(world, backup, acknowledged);
  const offline = chance.oneOf([true, false]) || how !== undefined;
  const copyWal = chance.oneOf([true, false]) || how === "alone, copying WAL";
  const place = world.place();
  const words = ["restore", ...(copyWal ? ["--copy-wal"] : []), "primary", backup, ...position, place];
  const what = `${offline ? "--offline " : ""}${words.slice(0, -1).join(" ")}`;
  try {
    const { status, stdout, stderr, json } = await daemon.cli(offline ? ["--offline", "-D", daemon.configDir, ...words] : words, { format: "raw" });
    if (status !== 0) return { what, done: false, rows: 0, segments: 0, wrong: struck() && !offline ? [] : [`${what} failed: ${stdout.slice(-600)}${stderr.slice(-600)}`] };
    const dataDir = String(json?.Response["Directory"]);
    const wal = await judgeCopiedWal(join(dataDir, "pg_wal"), join(world.cluster.dataDir, "pg_wal"));
    const copy = await runOnDirectory({ major: 15, dataDir, settings: { synchronous_standby_names: "" } });
    try {
      await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", { seen: () => copy.log().slice(-2000), deadlineMs: 300_000 });
      const expected = below === undefined ? acknowledged : acknowledged.filter(({ n }) => n < below);
      const { rows, wrong } = await judgeMarkers(copy, expected, below ?? markers.attempted() + 1);
      const mixed = await judgeMixedLoad(copy, target === "end" ? atLeast : []);
      return { what, done: true, rows: rows + mixed.rows, segments: wal.segments, wrong: [...wal.wrong, ...wrong, ...mixed.wrong].map((line) => `${what}: ${line}`) };
    } finally {
      await copy.destroy();
    }
  } finally {
    world.forgetPlace(place);
  }
}

/** The segments that the restore copied, none unless it was asked to, held against the server's own. */
async function judgeCopiedWal(copied: string, servers: string): Promise<{ segments: number; wrong: readonly string[] }> {
  const { complete, differences } = await compareWithServer(copied, servers);
  // The last one may have been in the middle of being received: then nothing stands where the server has gone on since.
  const last = (await segmentsIn(copied)).at(-1);
  return { segments: complete, wrong: differences.filter((line) => last === undefined || !line.startsWith(last)) };
}

/** A moment at which the rows below a marker are there and it is not: before its commit, or with the one before it. */
function momentAfter({ backups, chance }: SoakWorld, backup: string, acknowledged: readonly Marker[]): Target {
  const candidates = acknowledged.slice((backups.get(backup) ?? 0) + 1, -3);
  // Its predecessor must have been acknowledged, so that nothing unknown lies between them.
  const usable = candidates.filter(({ n }, index) => candidates[index - 1]?.n === n - 1);
  const marker = usable.length === 0 ? undefined : chance.oneOf(usable);
  if (marker === undefined) return { position: [], below: undefined };
  const before = candidates[candidates.indexOf(marker) - 1];
  const kind = chance.oneOf(["time", "lsn", "xid"] as const);
  if (kind === "time") return { position: [`time=${marker.time},inclusive=off`], below: marker.n };
  if (kind === "lsn") return { position: [`lsn=${marker.lsn},inclusive=off`], below: marker.n };
  return { position: [`xid=${before?.xid ?? ""},inclusive=on`], below: marker.n };
}

async function judgeMarkers(copy: Parameters<typeof judgeMixedLoad>[0], expected: readonly Marker[], below: number): Promise<{ rows: number; wrong: string[] }> {
  const wrong: string[] = [];
  const found = await copy.sql("SELECT n, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'), lsn, xid, length(filler) FROM marker ORDER BY n");
  const byNumber = new Map(found.map((row) => [Number(row[0]), row]));
  const missing = expected.filter(({ n }) => !byNumber.has(n)).map(({ n }) => n);
  if (missing.length > 0) wrong.push(`${missing.length} acknowledged marker rows are missing, the first is ${missing[0] ?? ""}`);
  for (const { n, time, lsn, xid } of expected) {
    const row = byNumber.get(n);
    if (row !== undefined && row.slice(1).join() !== [time, lsn, xid, "100"].join()) wrong.push(`marker row ${n} is ${row.join()}`);
  }
  const late = [...byNumber.keys()].filter((n) => n >= below);
  if (late.length > 0) wrong.push(`${late.length} marker rows are from after the target, the first is ${late[0] ?? ""}, expected below ${below}`);
  return { rows: found.length, wrong: wrong.slice(0, 5) };
}

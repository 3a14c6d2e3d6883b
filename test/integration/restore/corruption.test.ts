/**
 * G01: whatever becomes of a file of the repository, a restore says no, by name, and leaves nothing; or what was
 * changed did not matter, which PostgreSQL and every row have to agree to. D10: verify says of each what a restore does.
 * `npm run corrupt` has more rounds, in every
 * compression.
 */
import { readdirSync } from "node:fs";
import { beforeAll, expect, it } from "vitest";
import { planRestore, type RestorePlan } from "../../../src/restore/index.ts";
import { messageOf, MonetaError } from "../../../src/common/index.ts";
import { rootHistory, segmentsOfRange } from "../../../src/postgres/index.ts";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { expectSameContents } from "../../support/compare-clusters.ts";
import { corrupt, corruptionKinds, type Corruption } from "../../support/corruption.ts";
import { countFromEnvironment, timeForAnother } from "../../support/long-run.ts";
import { run } from "../../support/processes.ts";
import { tool } from "../../support/requires.ts";
import { seededNumbers } from "../../support/sample-bytes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createWorld, repositoryFiles, type RepositoryFile, type World } from "./corruption-world.ts";
import { askVerify } from "../verify/asking.ts";
import { dependencies, promoted, startOn } from "./rig.ts";

const rounds = countFromEnvironment("MONETA_ROUNDS", 8);
const long = rounds > 30;
/** The short form asks the same each time: who changes nothing about it must not be stopped by what was never met before. */
const seed = Number(process.env["MONETA_SEED"] ?? (long ? Math.floor(Math.random() * 1e9) : 732_719_364));
let world: World;
let files: readonly RepositoryFile[];

beforeAll(async () => {
  console.log(`corruptions: seed ${seed}, ${rounds} rounds (repeat with MONETA_SEED and MONETA_ROUNDS)`);
  world = await createWorld(long);
  files = repositoryFiles(world.rig.storage.root, world.rig.server);
}, 600_000);

/** What a restore adds or changes by intent; everything else must be as the server's manifest says. */
const ownFiles = ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "tablespace_map", "recovery.signal", "moneta_recovery.json"];

/** PostgreSQL's word, and every row. */
async function proveEqual(plan: RestorePlan): Promise<void> {
  const ignore = ownFiles.flatMap((name) => ["-i", name]);
  const { status, stderr } = await run(tool("pg_verifybackup"), ["-n", "-q", ...ignore, plan.directory]);
  if (status !== 0) throw new Error(`pg_verifybackup: ${stderr}`);
  const cluster = await startOn(plan.directory);
  try {
    await promoted(cluster);
    await expectSameContents(world.contents, cluster);
  } finally {
    await cluster.destroy();
  }
}

/** By what of the path a message names it. */
function namesOf({ changed }: Corruption): string[] {
  return changed.flatMap((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    return /^[0-9A-F]{24}/.test(name) ? [name.slice(0, 24)] : [name];
  });
}

/** The WAL that makes this backup consistent. */
function ownSegments({ startLsn, endLsn, startTimeline, own }: BackupInfo): string[] {
  return [...segmentsOfRange(rootHistory(startTimeline), startLsn, endLsn, own?.walSegmentSize ?? 0)].map(({ name }) => name);
}

/** A backup that has nothing to do with the damage: another one, and its own WAL untouched. */
function bystander(label: string, { changed }: Corruption, random: () => number): BackupInfo | undefined {
  const touched = changed.map((path) => path.slice(path.lastIndexOf("/") + 1));
  const shared = changed.some((path) => /\/keys\/|\.history$|\/wal_index\//.test(path));
  const free = world.backups.filter((info) => {
    if (info.label === label || changed.some((path) => path.includes(info.label))) return false;
    if (shared && (info.encryption !== "none" || info.startTimeline > 1)) return false;
    return !ownSegments(info).some((segment) => touched.some((name) => name.startsWith(segment)));
  });
  return free[random() % Math.max(1, free.length)];
}

interface Round {
  readonly outcome: "refused" | "harmless";
  readonly problem: string | undefined;
}

async function tryRestore(label: string, corruption: Corruption): Promise<Round> {
  const directory = temporaryDirectory({ prefix: "mcor", unprivileged: true });
  try {
    let plan: RestorePlan;
    try {
      ({ plan } = await world.rig.restore({ backup: label, directory: directory.path }));
    } catch (error) {
      const left = readdirSync(directory.path);
      if (left.length > 0) return { outcome: "refused", problem: `left behind: ${left.join(", ")}` };
      const said = messageOf(error);
      const named = namesOf(corruption).some((name) => said.includes(name));
      return { outcome: "refused", problem: named ? undefined : `does not name it: ${said}` };
    }
    if (corruption.changed.some((path) => files.some((file) => file.label === label && file.absolute === path))) {
      return { outcome: "harmless", problem: "RESTORE SAID YES, although a file of the backup itself was changed" };
    }
    try {
      await proveEqual(plan);
      return { outcome: "harmless", problem: undefined };
    } catch (error) {
      return { outcome: "harmless", problem: `RESTORE SAID YES: ${messageOf(error).slice(0, 1500)}` };
    }
  } finally {
    await directory.remove();
  }
}

it(`${rounds} random corruptions: a restore names the file and leaves nothing, or they did not matter`, async () => {
  const random = seededNumbers(seed);
  const byKind = new Map<string, RepositoryFile[]>();
  for (const file of files) byKind.set(file.kind, [...(byKind.get(file.kind) ?? []), file]);
  const kinds = [...byKind.keys()].sort(() => (random() % 2 === 0 ? 1 : -1));
  const problems: string[] = [];
  const counts = { refused: 0, harmless: 0 };
  const more = timeForAnother();
  let round = 0;
  while (round < rounds && more()) {
    const of = byKind.get(kinds[round % kinds.length] ?? "") ?? [];
    const file = of[random() % of.length];
    const other = files[random() % files.length];
    if (file === undefined || other === undefined) throw new Error("no file");
    const twinPath = file.relative.replace(/^backup\/[0-9]{14}/, "");
    const twins = files.filter((each) => each.label !== file.label && each.label !== undefined && each.relative.endsWith(twinPath));
    const sibling = of[random() % of.length];
    const twin = file.label === undefined ? sibling : twins[random() % Math.max(1, twins.length)];
    const damage = corruptionKinds[random() % corruptionKinds.length] ?? "";
    const corruption = corrupt(damage, { path: file.absolute, other: other.absolute, twin: twin?.absolute }, random);
    if (corruption === undefined) continue;
    const label = file.label ?? world.backups[random() % world.backups.length]?.label ?? "";
    const say = (problem: string): void => {
      problems.push(`round ${round}, ${file.kind}, backup ${label}: ${corruption.what}: ${problem}`);
      console.log(problems.at(-1));
    };
    try {
      const { outcome, problem } = await tryRestore(label, corruption);
      counts[outcome] += 1;
      if (problem !== undefined) say(problem);
      const disagreement = await verifyProblem(label, outcome);
      if (disagreement !== undefined) say(disagreement);
      const free = bystander(label, corruption, random);
      if (free !== undefined) {
        const others = await othersProblem(free);
        if (others !== undefined) say(`backup ${free.label} is not usable: ${others}`);
      }
    } finally {
      corruption.undo();
    }
    round += 1;
    if (round % 20 === 0) console.log(`corruptions: ${round} rounds, ${problems.length} problems`);
  }
  console.log(`corruptions: ${counts.refused} refused by name, ${counts.harmless} proven harmless, kinds of files: ${kinds.join(", ")}`);
  expect(problems).toEqual([]);
  expect(counts.refused + counts.harmless).toBe(round);
  expect(round).toBeGreaterThan(0);
}, 3_600_000);

/** D10: what verify says of a backup is what a restore to its end does; one to the end of the archive may need more. */
async function verifyProblem(label: string, outcome: Round["outcome"]): Promise<string | undefined> {
  const { answer, said } = await askVerify(world.rig, label);
  const restored = outcome === "harmless" ? "yes" : await restoreToOwnEnd(label);
  return answer === restored ? undefined : `verify says ${answer} (${said}), a restore ${restored}`;
}

async function restoreToOwnEnd(backup: string): Promise<"yes" | "no"> {
  const directory = temporaryDirectory({ prefix: "mcor", unprivileged: true });
  try {
    await world.rig.restore({ backup, position: "immediate", directory: directory.path });
    return "yes";
  } catch (error) {
    if (!(error instanceof MonetaError)) throw error;
    return "no";
  } finally {
    await directory.remove();
  }
}

async function othersProblem({ label }: BackupInfo): Promise<string | undefined> {
  try {
    const plan = await planRestore(world.rig.options({ backup: label, position: "immediate" }), dependencies());
    return plan.problems[0];
  } catch (error) {
    return messageOf(error);
  }
}

it("and with all of it undone every backup comes back whole", async () => {
  const checked = long ? world.backups : world.backups.slice(0, 1);
  for (const { label } of checked) {
    const directory = temporaryDirectory({ prefix: "mcor", unprivileged: true });
    const { plan } = await world.rig.restore({ backup: label, directory: directory.path });
    await proveEqual(plan);
    await directory.remove();
  }
}, 600_000);

/**
 * A drill, as a procedure: make scratch space, restore into it, start PostgreSQL there, wait until it is open, look at
 * everything in it, stop it, take it all away, and say what was found. Whatever the backup does the answer is a report;
 * an error is thrown only for what says nothing about the backup: a drill that was cancelled, or asked for wrongly.
 */
import { access, constants } from "node:fs/promises";
import {
  commonErrors,
  formatByteSize,
  messageOf,
  MonetaError,
  roomAt,
  throwIfAborted,
  toMonetaError,
} from "../common/index.ts";
import { checkTables, runOperatorFile, type CheckOptions } from "./checks.ts";
import type { DrillDependencies, DrillOptions, DrillPlan } from "./drill-options.ts";
import { drillErrors } from "./errors.ts";
import { findPrograms, type PostgresPrograms } from "./find-programs.ts";
import { inspectServer, type DrilledFacts } from "./inspect-server.ts";
import type { DrillCheckResult, DrillReport, DrillStage } from "./report.ts";
import { complaintOfRoom, readServerLog, startServer } from "./run-server.ts";
import { openScratch, type Scratch } from "./scratch.ts";

/** What is known so far; a drill that fails reports what it had come to. */
interface Findings {
  stage: DrillStage;
  plan?: DrillPlan;
  programs?: PostgresPrograms;
  restored?: { readonly files: number; readonly bytes: number };
  restoreMs?: number;
  replayMs?: number;
  facts?: DrilledFacts;
  serverLog: string;
  readonly checks: DrillCheckResult[];
  readonly notes: string[];
}

/** Recovery keeps about this much of its WAL beside the cluster (max_wal_size by default, and what is being replayed). */
const walRoom = 1.5 * 1024 ** 3;
/** With less than this nothing can be written, not even the line of the log that says so. */
const leastRoom = 1024 * 1024;

/** Runs a drill. Nothing of it is left but what is returned. */
export async function drill(options: DrillOptions, deps: DrillDependencies): Promise<DrillReport> {
  const { clock, logger, signal } = deps;
  const started = clock.now();
  const began = clock.monotonic();
  await refuseUnreadable(options.sqlFile);
  const found: Findings = { stage: "restore", serverLog: "", checks: [], notes: [] };
  const scratch = await openScratch(options.workspace, clock);
  let failure: DrillReport["failure"] = null;
  try {
    await rehearse(scratch, found, options, deps);
  } catch (error) {
    if (signal.aborted || commonErrors.aborted.is(error) || saysNothing(error, deps)) throw error;
    await refuseIfFull(scratch, options.workspace, error);
    const { code, message } = toMonetaError(error);
    failure = { stage: found.stage, code, message };
  } finally {
    deps.phase("cleanup");
    await cleanUp(scratch, found, deps);
  }
  throwIfAborted(signal);
  const report = reportOf(found, failure, options, {
    started,
    ended: clock.now(),
    totalMs: Math.round(clock.monotonic() - began),
  });
  if (failure === null)
    logger.info(`the drill of backup ${found.plan?.label ?? "?"} proved it up to ${report.reached?.moment ?? "?"}`);
  else
    logger.error(`the drill of backup ${found.plan?.label ?? "?"} failed: ${failure.message}`, {
      stage: failure.stage,
      code: failure.code,
    });
  return report;
}

/** True for what lies with this machine or with what was asked for, and not with the backup. */
function saysNothing(error: unknown, { saysNothingOfBackup }: DrillDependencies): boolean {
  const own = [drillErrors.programsMissing, drillErrors.noSpace, drillErrors.position, drillErrors.workspaceRefused];
  return error instanceof MonetaError && (own.some((known) => known.is(error)) || saysNothingOfBackup(error));
}

/** Somebody filled the workspace, or the server did: why it ended says nothing of the backup. */
async function refuseIfFull(scratch: Scratch, workspace: string, cause: unknown): Promise<void> {
  const { free, freeInodes, inodes } = await roomAt(workspace);
  const said = complaintOfRoom(await readServerLog(scratch));
  if (said === undefined && free >= leastRoom && (inodes === 0 || freeInodes > 0)) return;
  throw drillErrors.noSpace(
    `the workspace "${workspace}" ran full while the drilled server worked, ${formatByteSize(free)} and ${inodes === 0 ? "any number of" : freeInodes} inodes are free now: ${said ?? messageOf(cause)}`,
    { path: workspace, free, freeInodes },
    cause,
  );
}

async function refuseUnreadable(file: string | undefined): Promise<void> {
  if (file === undefined) return;
  try {
    await access(file, constants.R_OK);
  } catch (error) {
    throw drillErrors.sqlFile(`the file of drill_sql cannot be read: ${messageOf(error)}`, { path: file }, error);
  }
}

async function rehearse(
  scratch: Scratch,
  found: Findings,
  options: DrillOptions,
  deps: DrillDependencies,
): Promise<void> {
  const { clock, signal } = deps;
  deps.phase("restore");
  let at = clock.monotonic();
  const took = (): number => {
    const ms = Math.round(clock.monotonic() - at);
    at = clock.monotonic();
    return ms;
  };
  found.restored = await deps.restore(scratch.cluster, async (plan) => {
    refusePosition(plan);
    found.plan = plan;
    found.notes.push(...plan.notes);
    found.programs = await findPrograms({
      major: majorOf(plan),
      configured: options.programDirectories,
      environment: options.environment,
      signal,
    });
    refuseShortage(plan, options.workspace);
  });
  found.restoreMs = took();
  const { plan, programs } = found;
  if (plan === undefined || programs === undefined)
    throw drillErrors.failed("the restore did not say what it restored");

  found.stage = "start";
  deps.phase("replay");
  const { environment, preloadLibraries } = options;
  const major = majorOf(plan);
  const server = await startServer(
    { postgres: programs.postgres, major, dataDirectory: plan.directory, scratch, environment, preloadLibraries },
    clock,
  );
  try {
    found.stage = "replay";
    await server.opened(signal);
    found.replayMs = took();
    found.facts = await inspectServer(server, options.knownUsers, signal);
    deps.phase("check");
    await check(found, options, { programs, scratch, server, user: found.facts.user, environment, clock, signal });
  } finally {
    deps.phase("cleanup");
    await server.stop();
  }
}

const majorOf = ({ version }: DrillPlan): number => Number.parseInt(version, 10);

function refusePosition({ action, role }: DrillPlan): void {
  if (role === "primary" && action === "promote") return;
  throw drillErrors.position(`a drill cannot end in ${role === "replica" ? "a replica" : `action=${action}`}`);
}

/** The restore has counted the files; recovery needs room for WAL as well. */
function refuseShortage({ bytes, freeBytes, walBytes }: DrillPlan, workspace: string): void {
  const needed = bytes + Math.min(walBytes, walRoom);
  if (needed <= freeBytes) return;
  throw drillErrors.noSpace(
    `a drill needs ${formatByteSize(needed)} in the workspace "${workspace}", which has ${formatByteSize(freeBytes)}: ${formatByteSize(needed - freeBytes)} are missing`,
    { path: workspace, needed, free: freeBytes, missing: needed - freeBytes },
  );
}

/** All checks are made, also when one fails: the report shall say everything. */
async function check(found: Findings, options: DrillOptions, checkOptions: CheckOptions): Promise<void> {
  found.stage = "amcheck";
  const tables = await checkTables(checkOptions, options.workers);
  found.checks.push(tables);
  if (tables.outcome === "not run") found.notes.push(tables.what);
  found.stage = "sql";
  const file = await runOperatorFile(checkOptions, options.sqlFile, options.database);
  found.checks.push(file);
  const failed = found.checks.filter(({ outcome }) => outcome === "failed");
  if (failed.length === 0) return;
  found.stage = failed[0]?.name ?? "sql";
  throw drillErrors.failed(failed.map(sentenceOf).join("; "));
}

const titles: Readonly<Record<DrillCheckResult["name"], string>> = {
  amcheck: "pg_amcheck found damage",
  sql: "the operator's SQL file failed",
};

/** What failed, with the first lines of what was said. */
function sentenceOf({ name, output }: DrillCheckResult): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  return `${titles[name]}: ${lines
    .slice(0, 3)
    .map((line) => line.trim())
    .join(" ")}${lines.length > 3 ? ` (and ${lines.length - 3} more lines)` : ""}`;
}

/** What cannot be removed now is removed by whoever looks for leftovers next. */
async function cleanUp(scratch: Scratch, found: Findings, { logger }: DrillDependencies): Promise<void> {
  try {
    found.serverLog = await readServerLog(scratch);
    await scratch.remove();
  } catch (error) {
    const note = `the scratch space "${scratch.path}" could not be removed: ${messageOf(error)}; the next start of the daemon removes it`;
    logger.error(note);
    found.notes.push(note);
  }
}

function reportOf(
  found: Findings,
  failure: DrillReport["failure"],
  options: DrillOptions,
  times: { readonly started: number; readonly ended: number; readonly totalMs: number },
): DrillReport {
  const { checks, facts, notes, plan, programs, replayMs, restored, restoreMs, serverLog } = found;
  const iso = (ms: number): string => new Date(ms).toISOString();
  const stamp = iso(times.started).replace(/[-:T]|\..*/g, "");
  return {
    version: 1,
    id: `${stamp}-${plan?.label ?? "none"}`,
    writer: `moneta ${options.writer}`,
    signer: options.signer,
    server: options.server,
    outcome: failure === null ? "proven" : "failed",
    started: iso(times.started),
    ended: iso(times.ended),
    backup: plan === undefined ? null : { label: plan.label, version: plan.version, ended: iso(plan.endTime) },
    position: options.position,
    target: plan?.target ?? null,
    timeline: plan?.timeline ?? null,
    reached: plan === undefined || facts === undefined ? null : reachedBy(plan, facts),
    restored: restored ?? null,
    walBytes: plan?.walBytes ?? null,
    times: {
      restoreMs: restoreMs ?? null,
      replayMs: replayMs ?? null,
      recoverMs: restoreMs === undefined || replayMs === undefined ? null : restoreMs + replayMs,
      totalMs: times.totalMs,
    },
    program: programs?.version ?? null,
    databases: facts?.databases ?? [],
    checks,
    failure,
    notes,
    serverLog,
  };
}

/** The last replayed transaction; where there was none, the end of the backup, up to which everything is in it. */
function reachedBy(
  { endTime }: DrillPlan,
  { lastTransaction, lsn }: DrilledFacts,
): NonNullable<DrillReport["reached"]> {
  const transaction = lastTransaction !== undefined && lastTransaction > endTime;
  return { moment: new Date(transaction ? lastTransaction : endTime).toISOString(), lsn, transaction };
}

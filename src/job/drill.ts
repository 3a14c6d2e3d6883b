/** `drill`: a restore into scratch space and its proof; what was found is recorded, whatever it is. */
import { messageOf } from "../common/index.ts";
import {
  createReportSigner,
  drill,
  drillErrors,
  formatReport,
  formatReportPage,
  type DrillPhase,
  type DrillReport,
  type DrillRestore,
  type ReportSigner,
} from "../drill/index.ts";
import type { JobResult, JsonValue } from "../ipc/index.ts";
import { parseLsn } from "../postgres/index.ts";
import {
  openDrillRecords,
  repositoryErrors,
  serverLayout,
  type DrillCheck,
  type DrillRecord,
} from "../repository/index.ts";
import { restore, restoreErrors, type RestorePlan } from "../restore/index.ts";
import { masterKeySource } from "../vault/index.ts";
import type { JobEnvironment, JobHandler, RequestOf } from "./job.ts";
import { restoreOptions, restorePhases } from "./restore.ts";

const phases: Readonly<Record<DrillPhase, string>> = {
  restore: "restore",
  replay: "recovery settings",
  check: "verify",
  cleanup: "cleanup",
};

/** The names of the environment that programs of PostgreSQL and `restore_command` need; none of libpq's is among them. */
const inherited = ["PATH", "HOME", "TMPDIR"] as const;

function surroundings(): Record<string, string> {
  const values = inherited.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { PATH: "/usr/local/bin:/usr/bin:/bin", ...Object.fromEntries(values), LC_ALL: "C" };
}

/** The restore of the drill: as an operator's, with the plan shown before anything is written. */
function restoring(request: RequestOf<"drill">, environment: JobEnvironment): DrillRestore {
  const { clock, logger, progress, signal, uses } = environment;
  return async (directory, planned) => {
    const { backup, position } = request;
    const { files, bytes } = await restore(
      restoreOptions({ backup, position, directory, copyWal: false }, environment),
      {
        clock,
        logger,
        signal,
        progress: ({ phase, bytesDone, bytesTotal }) =>
          progress({ phase: restorePhases[phase], bytesDone, bytesTotal }),
        planned: (plan) => {
          uses([plan.backup.label]);
          return planned(planOf(plan));
        },
      },
    );
    return { files, bytes };
  };
}

function planOf(plan: RestorePlan): Parameters<Parameters<DrillRestore>[1]>[0] {
  const { action, backup, bytes, choice, directory, freeBytes, notes, role, target, timelines, wal } = plan;
  return {
    label: backup.label,
    version: backup.version,
    directory,
    bytes,
    freeBytes,
    walBytes: Number(parseLsn(wal.to) - parseLsn(wal.from)),
    endTime: Date.parse(backup.endTime),
    target,
    timeline: timelines.at(-1)?.timeline ?? backup.timeline,
    role,
    action,
    notes: choice === null ? notes : [choice, ...notes],
  };
}

/** A drill proves what it proves, also where nobody can sign what it says. */
async function signerOf({ logger, repository, secrets }: JobEnvironment): Promise<ReportSigner | undefined> {
  const { masterKey } = secrets;
  const known = masterKey === undefined ? undefined : { material: Buffer.from(masterKey, "base64") };
  try {
    return createReportSigner((await masterKeySource(repository.masterKeyFile, known).read()).current);
  } catch (error) {
    logger.info(`the report of the drill is not signed: ${messageOf(error)}`);
    return undefined;
  }
}

export const drillBackup: JobHandler<"drill"> = async (request, environment) => {
  const { clock, logger, progress, server, serverConfiguration, signal, storage, version } = environment;
  const signer = await signerOf(environment);
  const report = await drill(
    {
      server: server.name,
      position: request.position,
      workspace: request.workspace,
      programDirectories: new Map(request.programs.map(({ major, directory }) => [major, directory])),
      environment: surroundings(),
      sqlFile: request.sqlFile ?? undefined,
      database: request.database,
      preloadLibraries: request.preloadLibraries,
      knownUsers: [server.connection.user],
      workers: Math.max(1, serverConfiguration().workers),
      writer: version,
      signer: signer?.id ?? null,
    },
    {
      restore: restoring(request, environment),
      saysNothingOfBackup: (error) =>
        [restoreErrors.position, restoreErrors.noSpace, repositoryErrors.backupNotFound].some((known) =>
          known.is(error),
        ),
      clock,
      logger,
      signal,
      phase: (phase) => progress({ phase: phases[phase] }),
    },
  );
  const html = formatReportPage(report);
  const json = formatReport(report);
  const signed =
    signer === undefined ? undefined : { by: signer.id, publicKey: signer.publicKey, json: signer.sign(json), html: signer.sign(html) };
  const records = openDrillRecords(storage, server.name, (path) =>
    logger.warn(`the history of drills was damaged, it is kept as "${path}" and begins anew`),
  );
  await records.add(recordOf(report), { json, html, signed });
  return resultOf(report, environment);
};

function recordOf(report: DrillReport): DrillRecord {
  const { backup, ended, failure, id, outcome, position, reached, started, times } = report;
  const checkOf = (name: "amcheck" | "sql"): DrillCheck => {
    const check = report.checks.find((one) => one.name === name);
    return check === undefined || check.outcome === "not run" ? null : check.outcome;
  };
  return {
    id,
    label: backup?.label ?? null,
    outcome,
    started: Date.parse(started),
    ended: Date.parse(ended),
    position,
    moment: outcome === "proven" && reached !== null ? Date.parse(reached.moment) : null,
    lsn: reached?.lsn ?? null,
    restoreMs: times.restoreMs,
    replayMs: times.replayMs,
    amcheck: checkOf("amcheck"),
    sql: checkOf("sql"),
    reason: failure?.message ?? null,
  };
}

/** A drill that failed is a job that failed: its error names the report. */
function resultOf(report: DrillReport, { server, storage }: JobEnvironment): JobResult {
  const { backup, checks, failure, id, notes, reached, target, times } = report;
  const layout = serverLayout(server.name);
  const page = storage.absolutePath(layout.drillReport(id, "html"));
  if (failure !== null) {
    const details = { server: server.name, label: backup?.label ?? "", stage: failure.stage, report: page };
    throw drillErrors.failed(
      `the drill of ${backup === null ? server.name : `backup ${backup.label}`} failed: ${failure.message}; report: ${page}`,
      details,
    );
  }
  const facts: Record<string, JsonValue> = {
    target: target ?? "",
    moment: reached?.moment ?? null,
    lsn: reached?.lsn ?? null,
    restoreMs: times.restoreMs,
    replayMs: times.replayMs,
    recoverMs: times.recoverMs,
    totalMs: times.totalMs,
    checks: checks.map(({ name, outcome }) => ({ name, outcome })),
    page,
    report: storage.absolutePath(layout.drillReport(id, "json")),
  };
  return { label: backup?.label ?? null, notes, facts };
}

/** `verify`: reads a backup back, keeps what came of it, and marks a backup that cannot be restored any more. */
import type { JobResult } from "../ipc/index.ts";
import { messageOf } from "../common/index.ts";
import { openCatalog, openVerifications, ownersOf, type UnfinishedVerification, type Verifications } from "../repository/index.ts";
import { consistencyHistory } from "../restore/index.ts";
import {
  createFileList,
  plainReport,
  requireGood,
  verify,
  type Finding,
  type VerifyReport,
  type VerifyState,
} from "../verify/index.ts";
import { dataKeys } from "./data-keys.ts";
import type { JobEnvironment, JobHandler } from "./job.ts";
import { markSharing } from "./shared-damage.ts";

export const verifyBackup: JobHandler<"verify"> = async (request, environment) => {
  const { clock, logger, progress, server, serverConfiguration, signal, storage, uses } = environment;
  const { all, schedule } = request;
  const store = openVerifications(storage, server.name);
  const before = await store.read();
  const { label, own } = await openCatalog(storage, server.name).find(request.backup);
  uses([label]);
  const unfinished = resumable(before, label, schedule?.since);
  const began = unfinished?.began ?? clock.now();
  // Nobody else marks a backup of ours; in one of pgmoneta's it may be pgmoneta that says it is none.
  const marked = own !== undefined || before.backups.get(label)?.outcome === "bad";
  const files = createFileList();
  const keys = dataKeys(environment);
  progress({ phase: "verify" });
  const report = await verify(
    {
      storage,
      server: server.name,
      backup: label,
      workers: Math.max(1, serverConfiguration().workers),
      rateBytes: schedule?.rateBytes ?? 0,
      keys: () => keys.ring(),
      historyOf: consistencyHistory,
      marked,
      resume: unfinished === undefined ? undefined : stateOf(unfinished),
      proven: schedule === null ? undefined : provenSince(before, schedule.since),
    },
    {
      clock,
      logger,
      signal,
      progress,
      checkpoint: schedule === null ? undefined : (state) => store.checkpoint(noted(label, began, state)),
      onFile: (file) => {
        if (all) files.add(file);
      },
    },
  );
  await keep(report, began, marked, environment);
  const plain = plainReport(storage.root, server.name, report, files);
  requireGood(plain);
  return { label, notes: [], facts: { report: plain as unknown as JobResult["facts"][string] } };
};

/** What was stopped within the period goes on where it was. */
function resumable({ unfinished }: Verifications, label: string, since: number | undefined): UnfinishedVerification | undefined {
  if (since === undefined || unfinished?.label !== label || unfinished.began < since) return undefined;
  return unfinished;
}

function stateOf({ findings, ...state }: UnfinishedVerification): VerifyState {
  // The file has a checksum, and only this job writes it.
  return { ...state, findings: findings as unknown as readonly Finding[] };
}

function noted(label: string, began: number, { findings, ...state }: VerifyState): UnfinishedVerification {
  return { label, began, ...state, findings: findings.map((finding) => ({ ...finding })) };
}

/** What another verification found, or could not read, in files of a backup outweighs that it was read before. */
function provenSince({ backups, doubts }: Verifications, since: number): ReadonlySet<string> {
  const doubted = new Set([...doubts.values()].flatMap(({ owners }) => owners));
  return new Set([...backups].filter(([label, { began, outcome }]) => began >= since && outcome !== "bad" && !doubted.has(label)).map(([label]) => label));
}

/**
 * A file that could not be read proves nothing, in either direction; damage beside it is damage all the same. New backups take
 * nothing over from either.
 */
async function keep(report: VerifyReport, began: number, marked: boolean, environment: JobEnvironment): Promise<void> {
  const { clock, logger, server, storage } = environment;
  const { info, findings, findingCount, harmful, unreadCount, files, bytes } = report;
  const { label } = info;
  const store = openVerifications(storage, server.name);
  // Before anything else: a backup that is being taken asks for this at its end, and whoever looks for the same files comes after it.
  if (harmful > 0 || unreadCount > 0) await store.doubt(label, { since: clock.now(), owners: ownersOf(info) });
  if (harmful === 0 && unreadCount > 0) return;
  const catalog = openCatalog(storage, server.name);
  const valid = harmful === 0;
  // A record would look as if it had been marked by a verification, which the next one could then take back.
  if (!valid && !info.valid && !marked) return;
  const outcome = !valid ? "bad" : findingCount > 0 ? "remarks" : "good";
  const first = findings.find((finding) => finding.harmful === !valid) ?? findings[0];
  const reason = first === undefined ? null : `${first.path} (${first.kind}): ${first.reason}`;
  const verification = { began, ended: clock.now(), outcome, files, bytes, findings: findingCount, reason } as const;
  const labels = new Set((await catalog.entries()).map((entry) => entry.label));
  // The reason first: a backup that is marked without one would be a riddle.
  await store.record(label, verification, labels);
  if (info.valid !== valid) {
    await catalog.update(label, (now) => ({ ...now, valid }));
    if (valid) logger.warn(`backup ${label} is whole again and is offered again`);
    else logger.error(`backup ${label} cannot be restored any more, and is no longer offered: ${reason ?? ""}`);
  }
  if (valid) return;
  try {
    await markSharing(report, verification, environment);
  } catch (error) {
    logger.error(`whether other backups have the damaged files of ${label} could not be seen: ${messageOf(error)}`);
  }
}

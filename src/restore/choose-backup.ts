/** Which backup a restore begins from. */
import { MonetaError } from "../common/index.ts";
import { formatLsn } from "../postgres/index.ts";
import { openCatalog, repositoryErrors, type BackupInfo } from "../repository/index.ts";
import { choiceAfter, noneReaches, passing, type Approach } from "./approach.ts";
import { checkTarget } from "./check-target.ts";
import { chooseByEvent } from "./choose-by-event.ts";
import { restoreErrors } from "./errors.ts";
import { foreignBranch } from "./foreign-branch.ts";
import { findWay, questionOf, type WayRequest } from "./way.ts";

const byName = new Set(["oldest", "newest", "latest"]);

/**
 * Finds the approach. A backup that was asked for by its label is taken as it is, its problem included. With `oldest`,
 * `newest` or `latest` and a target it is the newest backup that can reach the target.
 * Throws BACKUP_NOT_FOUND, RESTORE_TARGET_UNREACHABLE and what reading the repository throws.
 */
export async function chooseBackup(wanted: Omit<WayRequest, "faults">): Promise<Approach> {
  const request: WayRequest = { ...wanted, faults: new Map() };
  const { options, position } = request;
  const { target, timeline } = position;
  const catalog = openCatalog(options.storage, options.server);
  if (!byName.has(options.backup)) return { ...withNote(await approachFrom(await catalog.find(options.backup), request)), choice: undefined };
  const anyMoment = target.kind === "immediate" || (target.kind === "end" && timeline === undefined);
  if (anyMoment) {
    const found = await approachFrom(await catalog.find(options.backup), request);
    // The end of a backup is on no other branch.
    return { ...(target.kind === "immediate" ? withNote(found) : refusing(found)), choice: `the ${options.backup} backup` };
  }

  const valid = (await catalog.list()).filter((info) => info.valid).reverse();
  if (valid.length === 0) throw repositoryErrors.backupNotFound(`server ${options.server} has no valid backup`, { server: options.server });
  if (target.kind === "xid" || target.kind === "name") return chooseByEvent(valid, target, request);
  const refusals: MonetaError[] = [];
  for (const info of valid) {
    const approach = await passing(async () => refusing(await attempt(info, request)));
    const refusal = approach instanceof MonetaError ? approach : approach.checked.problem;
    if (refusal === undefined && !(approach instanceof MonetaError)) return { ...approach, choice: choiceAfter(refusals) };
    if (refusal !== undefined) refusals.push(refusal);
  }
  throw noneReaches(options.server, refusals);
}

/** An approach before it is decided what a branch that does not go on from the backup means for it. */
interface Candidate extends Omit<Approach, "choice"> {
  readonly foreign: MonetaError | undefined;
}

/** Somebody chose this very backup, and with it its branch. */
function withNote({ foreign, ...approach }: Candidate): Omit<Approach, "choice"> {
  if (foreign === undefined) return approach;
  const { checked } = approach;
  return { ...approach, checked: { ...checked, notes: [foreign.message, ...checked.notes] } };
}

function refusing({ foreign, ...approach }: Candidate): Omit<Approach, "choice"> {
  const { checked } = approach;
  return foreign === undefined ? approach : { ...approach, checked: { ...checked, problem: checked.problem ?? foreign } };
}

async function attempt(info: BackupInfo, request: WayRequest): Promise<Candidate> {
  const { target } = request.position;
  // Without reading its chunk index.
  if (target.kind === "lsn" && target.lsn < info.endLsn) {
    throw restoreErrors.unreachable(`${formatLsn(target.lsn)} lies before the end of backup ${info.label} at ${formatLsn(info.endLsn)}`);
  }
  return approachFrom(info, request);
}

async function approachFrom(info: BackupInfo, request: WayRequest): Promise<Candidate> {
  const way = await findWay(info, request);
  return { ...way, checked: await checkTarget(questionOf(way, request)), foreign: await foreignBranch(way, request.position) };
}

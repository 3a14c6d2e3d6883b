/** `moneta-admin init`: from the address of a PostgreSQL server to a proven backup, in steps that can each be repeated. */
import { commonErrors, throwIfAborted, toMonetaError, type MonetaError } from "../../common/index.ts";
import { adminErrors } from "../errors.ts";
import type { ActionResult } from "../actions.ts";
import { lookAsAdministrator, type Administrator } from "./administrator.ts";
import { createAsk, settle } from "./answers.ts";
import { configure, refuseDifferences } from "./configure.ts";
import type { InitContext } from "./context.ts";
import { lookAround, sayFindings } from "./examine.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { checkPlaces, lookHere, placesOf } from "./local-state.ts";
import { prepareRole } from "./prepare-role.ts";
import { protect, refuseForeignDaemon } from "./protect.ts";
import { reportFields } from "./report.ts";
import type { InitRequest, InitSurroundings } from "./request.ts";
import { createSpeech, type Speech } from "./speech.ts";

/**
 * Carries it out. Each step finds what is there and goes on. Throws errors of the catalogue, after saying what exists by then; what
 * exists is whole.
 */
export async function runInit(request: InitRequest, surroundings: InitSurroundings): Promise<ActionResult> {
  const speech = createSpeech(surroundings.write);
  const ledger = createLedger();
  try {
    return await steps(request, surroundings, speech, ledger);
  } catch (error) {
    const known = surroundings.signal.aborted || adminErrors.interrupted.is(error) || commonErrors.aborted.is(error) ? interruptedBy(error) : toMonetaError(error);
    ledger.tell(speech);
    throw known;
  }
}

const interruptedBy = (error: unknown): MonetaError =>
  adminErrors.initInterrupted.is(error) ? error : adminErrors.initInterrupted("interrupted", {}, error);

async function steps(request: InitRequest, surroundings: InitSurroundings, speech: Speech, ledger: Ledger): Promise<ActionResult> {
  const { environment, prompt } = surroundings;
  const local = await lookHere(request, surroundings);
  if (!request.yes) {
    speech.say("A few questions; Enter takes what stands in brackets. Nothing is changed before you are asked, and what is there already is found and kept.");
    speech.blank();
  }
  const wanted = await settle(request, local, createAsk(prompt, request.yes, (text) => speech.mark("note", text)), environment);
  const context: InitContext = { request, surroundings, local, wanted, speech, ledger };
  refuseDifferences(context);
  checkPlaces(placesOf(local, wanted), surroundings.account);
  await refuseForeignDaemon(context);
  const administrator = await meetServer(context);
  const facts = await prepareRole(context, administrator);
  // Between two steps nothing is half done.
  throwIfAborted(surroundings.signal);
  await configure(context, Math.floor(facts.serverVersion / 10_000));
  throwIfAborted(surroundings.signal);
  if (!request.start) return notStarted(context);
  const report = await protect(context);
  return { message: "", lines: [], fields: { ...reportFields(report), Made: ledger.made() }, users: undefined, generatedPassword: undefined };
}

/** Step 1: the server as it is. Throws `ADMIN_SERVER_UNFIT` before anything is changed. */
async function meetServer(context: InitContext): Promise<Administrator | undefined> {
  const { request, surroundings, wanted, speech } = context;
  const { administrator: user, host, port } = wanted;
  speech.heading(`1. The server ${host.startsWith("/") ? `at ${host}, port ${port}` : `${host}:${port}`}`);
  if (user === undefined) {
    speech.mark("note", "nobody looks at the server before Moneta's own role can: what it lacks shows then");
    return undefined;
  }
  const administrator = await lookAsAdministrator(request, surroundings, wanted, user, speech);
  sayFindings(context, await lookAround(context, administrator.look));
  return administrator;
}

function notStarted({ local, request, wanted, speech, ledger }: InitContext): ActionResult {
  const again = ["moneta-admin", ...local.directoryOption, "init", "--server-name", wanted.server].join(" ");
  speech.heading("Not started, as you asked. To start the daemon, then take and prove the first backup:");
  speech.copy([`moneta -D ${local.directory} -d`, `${again}${request.yes ? " --yes" : ""}`]);
  const fields = { Server: wanted.server, Configuration: local.main, UsersFile: local.users, MasterKey: local.masterKey, Repository: wanted.repository, Backup: null, Proof: null, Made: ledger.made() };
  return { message: "", lines: [], fields, users: undefined, generatedPassword: undefined };
}

/** Steps 4 and 5: the daemon runs and streams; the first backup is taken and proven; what there is now is told. */
import { adminErrors } from "../errors.ts";
import { textIn } from "../../management/index.ts";
import { askYesNo } from "./answers.ts";
import { ask, isRunning, startDaemon, waitUntilStreaming } from "./daemon.ts";
import { printedOptions, type DaemonPlace } from "./daemon-place.ts";
import type { InitContext } from "./context.ts";
import { pgCtlOf } from "./programs-here.ts";
import { ensureBackup, prove, validBackups, type Proof } from "./proof.ts";
import { complaintsIn, majorIn, plannedIn, sayReport, windowIn, type Report } from "./report.ts";

/** Resolves when all that was asked for is so. */
export async function protect(context: InitContext): Promise<Report> {
  const { request, speech, surroundings, wanted } = context;
  const { server } = wanted;
  const place = placeOf(context);
  speech.heading("4. The daemon");
  await bringUp(context, place);
  await waitUntilStreaming(place, surroundings, server);
  speech.mark("ok", `the WAL of ${server} is streamed`);
  let proof: Proof | undefined;
  speech.heading("5. The first backup");
  if (request.backup) {
    const backup = await ensureBackup(place, surroundings, server, speech);
    context.ledger.add(`the backup ${backup.label}`);
    proof = await prove(place, surroundings, server, backup, speech);
    speech.mark("ok", proof.kind === "drill" ? `proven: PostgreSQL runs on what ${proof.label} restores` : `verified: every stored byte of ${proof.label} is right`);
  } else {
    speech.mark("note", "not taken, as you asked");
  }
  const report = await gather(context, place, proof);
  sayReport(report, speech);
  return report;
}

/** Where the daemon of this configuration answers. */
const placeOf = ({ local, wanted }: Pick<InitContext, "local" | "wanted">): DaemonPlace => ({ socketDirectory: wanted.socketDirectory, directory: local.directory, main: local.main });

/** Before anything is made. Throws `ADMIN_FOREIGN_DAEMON` where another daemon has the socket that this one is to have. */
export async function refuseForeignDaemon(context: InitContext): Promise<void> {
  await isRunning(placeOf(context), context.surroundings);
}

/** The daemon with this configuration in force. Throws `ADMIN_DAEMON_NOT_STARTED` and `ADMIN_FOREIGN_DAEMON`. */
async function bringUp(context: InitContext, place: DaemonPlace): Promise<void> {
  const { ledger, local, speech, surroundings } = context;
  if (await isRunning(place, surroundings)) {
    // It has read the files before this run changed them, or it has not: either way it is asked to read them now.
    await ask(place, surroundings, "conf reload");
    speech.mark("ok", "the daemon runs, and has read its configuration again");
    return;
  }
  if (local.unit !== undefined) {
    await startedBySystemd(context, place, local.unit);
    return;
  }
  await startDaemon(place, surroundings);
  if (!(await isRunning(place, surroundings))) throw adminErrors.daemonNotStarted(`the daemon was started, and none answers in ${place.socketDirectory}`, { path: place.socketDirectory });
  ledger.add("the daemon, which runs in the background");
  speech.mark("done", "started the daemon in the background");
  speech.mark("note", "after a restart of this machine it has to be started again:");
  speech.copy([`moneta -D ${place.directory} -d`]);
}

/** A service is the business of root: it is said how, and waited for where somebody can do it. */
async function startedBySystemd({ request, speech, surroundings }: InitContext, place: DaemonPlace, unit: string): Promise<void> {
  speech.say(`The unit ${unit} is installed. As root:`);
  speech.copy([`systemctl enable --now ${unit}`]);
  while (!request.yes && (await askYesNo(surroundings.prompt, "Go on, when that is done?", true))) {
    if (await isRunning(place, surroundings)) {
      speech.mark("ok", "the daemon runs");
      return;
    }
    speech.mark("note", `no daemon answers in ${place.socketDirectory}: journalctl -u ${unit} says why`);
  }
  throw adminErrors.daemonNotStarted(`the daemon is started by systemctl enable --now ${unit}, as root; --background starts it without systemd`, { unit });
}

/** Asks the daemon for all that the page at the end tells. */
async function gather({ local, request, surroundings, wanted }: InitContext, place: DaemonPlace, proof: Proof | undefined): Promise<Report> {
  const { server } = wanted;
  const status = await waitUntilStreaming(place, surroundings, server);
  const backups = await validBackups(place, surroundings, server);
  const schedule = await ask(place, surroundings, "schedule", { Server: server });
  const check = await ask(place, surroundings, "check", { Server: server });
  const now = surroundings.clock.now();
  const major = majorIn(status);
  return {
    server,
    major,
    repository: wanted.repository,
    configuration: local.main,
    users: local.users,
    masterKey: local.masterKey,
    logFile: wanted.logFile,
    backups,
    proof,
    window: windowIn(check, now),
    planned: plannedIn(schedule, server),
    retention: textIn(status, "Retention"),
    complaints: complaintsIn(check),
    client: printedOptions(local, request, wanted.socketDirectory, surroundings.environment),
    restores: `${local.home}/restore`,
    pgCtl: await pgCtlOf(major, surroundings.environment, surroundings.signal),
    now,
  };
}

/** Step 2: a role of Moneta's own, with its password in the vault, let in by the server. */
import { MonetaError, messageOf } from "../../common/index.ts";
import type { Prerequisite, ServerFacts } from "../../replication/index.ts";
import { adminErrors } from "../errors.ts";
import type { Administrator } from "./administrator.ts";
import { askYesNo } from "./answers.ts";
import type { InitContext } from "./context.ts";
import { makePlaces, placesOf } from "./local-state.ts";
import { runStatements, scramSecretOf, tryRole, type Trial } from "./role.ts";
import { ensureMasterKey, newPassword, passwordFrom, storedPassword, storePassword } from "./secrets.ts";
import { hbaLines, roleStatements, type RoleStatement } from "./statements.ts";

/** Makes role and password as far as they are missing; what the server says to the role, as it will to the daemon. Throws what stands in the way. */
export async function prepareRole(context: InitContext, administrator: Administrator | undefined): Promise<ServerFacts> {
  const { wanted, speech, request, local } = context;
  speech.heading(`2. The role ${wanted.role}`);
  const stored = await passwordSoFar(context);
  if (stored === undefined || request.resetPassword) await givePassword(context, administrator, stored);
  else if (administrator !== undefined) await complete(context, administrator, stored);
  const password = await storedPassword(local, wanted.role);
  return admit(context, administrator, password);
}

/** The master key comes first: without it nothing can be stored. */
async function passwordSoFar({ local, wanted, ledger, speech, request, surroundings }: InitContext): Promise<string | undefined> {
  if (!request.yes && !(await askYesNo(surroundings.prompt, "Make directories, master key and passwords on this machine?", true))) {
    throw adminErrors.declined("nothing was made, as you said");
  }
  for (const path of await makePlaces(placesOf(local, wanted))) {
    ledger.add(`the directory ${path}`);
    speech.mark("done", `made the directory ${path}`);
  }
  if (await ensureMasterKey(local)) {
    ledger.add(`the master key ${local.masterKey}`);
    speech.mark("done", `made the master key ${local.masterKey}`);
  } else {
    speech.mark("ok", `the master key ${local.masterKey} is there`);
  }
  return storedPassword(local, wanted.role);
}

/** The users file has no password of the role yet, or it is to get a new one. */
async function givePassword(context: InitContext, administrator: Administrator | undefined, stored: string | undefined): Promise<void> {
  const { request, wanted } = context;
  const exists = administrator?.look.role !== undefined;
  // A role that is there has a password that others may use: it is asked for, unless a new one is wanted.
  if ((exists || request.rolePasswordFile !== undefined) && !request.resetPassword) {
    await keepPassword(context, administrator);
    return;
  }
  if (administrator === undefined && request.resetPassword) throw adminErrors.usage("--reset-password needs somebody who may change the role: give --user");
  const password = newPassword();
  const statements = roleStatements({ ...wanted, found: administrator?.look.role, secret: await scramSecretOf(password) });
  if (!(await consent(context, statements, administrator))) return;
  // Stored before the server knows it: a password that nobody knows any more would be worse than one too many.
  await store(context, password, stored !== undefined);
  if (administrator !== undefined) await run(context, administrator, statements);
  else if (request.yes || !(await askYesNo(context.surroundings.prompt, "Have they been run?", true))) {
    throw adminErrors.serverUnfit("the statements for the role have to be run on the server by somebody who may", { role: wanted.role });
  }
}

/** The password of a role that exists: from a file or a question, and tried before it is stored. */
async function keepPassword(context: InitContext, administrator: Administrator | undefined): Promise<void> {
  const { request, surroundings, wanted } = context;
  const { role } = wanted;
  if (request.rolePasswordFile === undefined && request.yes) {
    throw adminErrors.roleUnusable(`the role ${role} exists on the server, and its password is not known here`, { role });
  }
  const password = request.rolePasswordFile === undefined ? await surroundings.prompt.askSecret(`  Password of ${role}, which exists already: `) : passwordFrom(request.rolePasswordFile);
  if (administrator !== undefined) await complete(context, administrator, password);
  const trial = await tryRole(wanted, password, surroundings.signal);
  if (!trial.reached && trial.missing?.code === "PASSWORD") throw adminErrors.roleUnusable(`the password of the role ${role} is wrong`, { role }, trial.error);
  await store(context, password, false);
}

/** Gives a role that exists what it lacks; its password stays. A role that is gone is made again with the stored one. */
async function complete(context: InitContext, administrator: Administrator, password: string): Promise<void> {
  const { wanted, speech } = context;
  const { role: found } = administrator.look;
  const statements = roleStatements({ ...wanted, found, secret: found === undefined ? await scramSecretOf(password) : undefined });
  if (statements.length === 0) {
    speech.mark("ok", "it exists, with all rights that it needs");
    return;
  }
  if (await consent(context, statements, administrator)) await run(context, administrator, statements);
}

/** Shows the statements; true when they may be run here. Throws `ADMIN_DECLINED`. */
async function consent({ request, surroundings, speech, wanted }: InitContext, statements: readonly RoleStatement[], administrator: Administrator | undefined): Promise<boolean> {
  const { role } = wanted;
  if (administrator === undefined) {
    speech.say(`A superuser of the server has to run these; the text behind PASSWORD is what PostgreSQL stores, not the password:`);
    speech.copy(statements.map(({ sql }) => sql));
    return true;
  }
  speech.say(`On the server ${administrator.look.me.name} runs:`);
  speech.copy(statements.map(({ sql }) => sql.replace(/PASSWORD 'SCRAM-SHA-256[^']*'/, "PASSWORD '…'")));
  if (request.yes || (await askYesNo(surroundings.prompt, "Run them now?", true))) return true;
  throw adminErrors.declined(`the statements for the role ${role} were not run`, { role });
}

async function store({ ledger, local, speech, wanted }: InitContext, password: string, replace: boolean): Promise<void> {
  await storePassword(local, wanted.role, password, replace);
  ledger.add(`the password of ${wanted.role} in ${local.users}`);
  speech.mark("done", `its password is in ${local.users}, encrypted by the master key`);
}

async function run({ ledger, speech, surroundings, wanted }: InitContext, { look, options }: Administrator, statements: readonly RoleStatement[]): Promise<void> {
  let refused = 0;
  try {
    for (const { sql, reason } of await runStatements(options, statements, surroundings.signal)) {
      refused += 1;
      speech.mark("note", `${reason}; Moneta works without it, and checks say what it cannot see:`);
      speech.copy([sql]);
    }
  } catch (error) {
    if (!(error instanceof MonetaError) || look.provider === undefined) throw error;
    throw adminErrors.roleUnusable(`${error.message}; this is a managed server (${look.provider}): its provider says how a role is given the right to replicate`, {}, error);
  }
  if (refused === statements.length) return;
  ledger.add(`the role ${wanted.role} on the server`);
  speech.mark("done", look.role === undefined ? "made it on the server" : "completed it on the server");
}

/** Tries the role until it is let in; at a terminal as often as the operator wants. Throws `ADMIN_SERVER_UNFIT`. */
async function admit(context: InitContext, administrator: Administrator | undefined, password: string | undefined): Promise<ServerFacts> {
  const { request, surroundings, speech, wanted } = context;
  for (;;) {
    const trial = await tryRole(wanted, password, surroundings.signal);
    if (trial.reached && judge(context, trial.prerequisites)) return trial.facts;
    if (!trial.reached && trial.missing?.code === "PASSWORD" && administrator !== undefined) {
      throw adminErrors.roleUnusable(`the password of ${wanted.role} that is stored here is not the one that the server has`, { role: wanted.role }, trial.error);
    }
    if (!trial.reached) await explain(context, administrator, trial, password);
    const what = trial.reached ? "the server lacks what is named above" : messageOf(trial.error);
    if (request.yes || !(await askYesNo(surroundings.prompt, "Try again, when that is done?", true))) {
      throw adminErrors.serverUnfit(`the role ${wanted.role} cannot stream from ${wanted.host} yet: ${what}`, { role: wanted.role }, trial.reached ? undefined : trial.error);
    }
    speech.blank();
  }
}

/** True when nothing stands in the way. What could be better is said. */
function judge({ speech, wanted }: InitContext, prerequisites: readonly Prerequisite[]): boolean {
  for (const { ok, severity, message, statement } of prerequisites.filter((one) => !one.ok)) {
    speech.mark(!ok && severity === "error" ? "stop" : "note", message);
    if (statement !== undefined) speech.copy([statement]);
  }
  const good = prerequisites.every(({ ok, severity }) => ok || severity !== "error");
  if (good) speech.mark("ok", `${wanted.role} logs in, and may stream the WAL`);
  return good;
}

/** What has to be done on the server. */
async function explain(
  { speech, wanted }: InitContext,
  administrator: Administrator | undefined,
  { error, missing }: Trial & { reached: false },
  password: string | undefined,
): Promise<void> {
  speech.mark("stop", missing?.message ?? messageOf(error));
  const look = administrator?.look;
  if (missing?.code === "HBA") {
    const encrypted = look === undefined || look.encrypted || look.settings.get("ssl") === "on";
    speech.say(`Add these lines to ${look?.settings.get("hba_file") ?? "pg_hba.conf"}, above those that would match before:`);
    speech.copy(hbaLines({ ...wanted, encrypted, seenFrom: look?.seenFrom }));
    speech.say("then have PostgreSQL read it:");
    speech.copy(["SELECT pg_reload_conf();"]);
    if (look?.provider !== undefined) {
      speech.say(
        `This is a managed server (${look.provider}): what stands in its pg_hba.conf is its provider's matter. Many do not let anybody in for physical replication; Moneta cannot back such a server up.`,
      );
    }
    return;
  }
  // To a stranger PostgreSQL says the same of a role that does not exist as of a wrong password.
  if (administrator === undefined && password !== undefined && (missing?.code === "PASSWORD" || missing?.code === "ROLE")) {
    speech.say("If a superuser has not run these yet, they are what is missing:");
    speech.copy(roleStatements({ ...wanted, found: undefined, secret: await scramSecretOf(password) }).map(({ sql }) => sql));
    return;
  }
  if (missing?.statement !== undefined) speech.copy([missing.statement]);
}

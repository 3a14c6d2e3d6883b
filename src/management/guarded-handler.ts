/**
 * What stands between a request and what it asks for: the role of whoever asks must suffice, and whatever changes
 * something leaves a line behind (who, from where, what, outcome), also when it was refused.
 */
import { roleAllows, type Role } from "../auth/index.ts";
import { toMonetaError } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { CommandSpec } from "./command-spec.ts";
import { commandTable, type CommandName } from "./command-table.ts";
import type { ManagementRequest, RequestFields, ResponseResult } from "./document.ts";
import { managementErrors } from "./errors.ts";
import { describePrincipal, roleOf } from "./principal.ts";
import type { ManagementHandler, ManagementSession } from "./session.ts";

/** The least role for a request: what only looks, of a command that can also change something, needs less. */
export function leastRole(command: CommandName, fields: RequestFields): Role {
  const { role, looking }: CommandSpec = commandTable[command];
  return looking !== undefined && (fields[looking.field] ?? null) === looking.is ? "viewer" : role;
}

/** `restore primary newest /srv/restore`: the command with what it was asked, without what must not be shown. */
function describeRequest({ command, fields }: ManagementRequest): string {
  const { secretFields = [] }: CommandSpec = commandTable[command];
  const words = Object.entries(fields).flatMap(([name, value]) => {
    if (value === null || value === false) return [];
    if (secretFields.includes(name)) return [`${name}=(not shown)`];
    return value === true ? [name] : [`${name}=${JSON.stringify(value)}`];
  });
  return [command, ...words].join(" ");
}

/**
 * Wraps the handler of the daemon.
 *
 * @param audit gets a line for each request that is more than a look, whatever the level of the log, when it has ended; a job has one
 *   more when it begins
 */
export function guardHandler(handle: ManagementHandler, audit: Logger): ManagementHandler {
  return async (request, session) => {
    const needed = leastRole(request.command, request.fields);
    const role = roleOf(session.principal);
    if (!roleAllows(role, needed)) {
      const error = managementErrors.roleInsufficient(
        `${request.command} needs the role ${needed}, and the role of this login is ${role}`,
        { command: request.command, needed, role },
      );
      await write(audit, request, session, { status: false, error });
      throw error;
    }
    if (needed === "viewer") return handle(request, session);
    // Asked at once: the client may be gone when the job ends.
    const who = describePrincipal(session.principal);
    // A job can outlast its daemon, and then nobody writes down how it ended; who began it is written down in any case.
    if (commandTable[request.command].job) void begun(audit, request, session, who);
    let result: ResponseResult;
    try {
      result = await handle(request, session);
    } catch (error) {
      result = { status: false, error: toMonetaError(error) };
    }
    await write(audit, request, session, result, who);
    return result;
  };
}

async function begun(audit: Logger, request: ManagementRequest, session: ManagementSession, who: Promise<string>): Promise<void> {
  audit.info(`${await who}: ${describeRequest(request)}: begun`, { session: session.id, command: request.command });
}

async function write(
  audit: Logger,
  request: ManagementRequest,
  session: ManagementSession,
  result: ResponseResult,
  who: Promise<string> = describePrincipal(session.principal),
): Promise<void> {
  const outcome = result.status ? "done" : `refused or failed with ${result.error.code}`;
  audit.info(`${await who}: ${describeRequest(request)}: ${outcome}`, {
    session: session.id,
    command: request.command,
    status: result.status,
    ...(result.status ? {} : { code: result.error.code }),
  });
}

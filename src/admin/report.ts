/** How a result is shown: sentences for people, pgmoneta's document for programs. */
import { errorToRecord, messageOf, toMonetaError, wrap } from "../common/index.ts";
import { formatElapsed, formatTimestamp, outputCodes, protocolVersion } from "../management/index.ts";
import { adminCommands, type ActionResult, type AdminCommand } from "./actions.ts";

export interface Occasion {
  readonly command: AdminCommand;
  /** Milliseconds since 1970 at the start. */
  readonly startedAt: number;
  readonly elapsedMs: number;
}

function header({ command, startedAt }: Occasion): Record<string, unknown> {
  return {
    ClientVersion: protocolVersion,
    Command: adminCommands[command],
    Output: outputCodes.json,
    Timestamp: formatTimestamp(startedAt),
  };
}

/** The document of a command that succeeded; `Roles` and `Password` are ours, the latter there only when it was generated. */
export function successDocument(occasion: Occasion, { fields, users, roles, generatedPassword, rotation }: ActionResult): string {
  const response = {
    ...fields,
    ...(rotation === undefined
      ? {}
      : {
          Resumed: rotation.resumed,
          Keys: rotation.keys,
          UsersFiles: rotation.usersFiles,
          LeftOut: rotation.leftOut,
          Kept: rotation.kept ?? null,
        }),
    ...(users === undefined ? {} : { Users: users }),
    ...(roles === undefined ? {} : { Roles: Object.fromEntries(roles) }),
    ...(generatedPassword === undefined ? {} : { Password: generatedPassword }),
  };
  const outcome = { Status: true, Time: formatElapsed(occasion.elapsedMs) };
  return JSON.stringify({ Header: header(occasion), Outcome: outcome, Response: response }, null, 2);
}

/** The document of a command that failed, with the fields that management documents have. */
export function failureDocument(occasion: Occasion, error: unknown): string {
  const { code, exit, hint, retryable } = errorToRecord(error);
  const outcome = {
    Code: code,
    Error: 1,
    Exit: exit,
    Hint: hint,
    Message: messageOf(toMonetaError(error)),
    Retryable: retryable,
    Status: false,
    Workflow: "admin",
  };
  return JSON.stringify({ Header: header(occasion), Outcome: outcome }, null, 2);
}

export function successText({ lines, message, users, roles, generatedPassword }: ActionResult): string {
  if (lines !== undefined) return [...(message === "" ? [] : [message]), ...lines].map((line) => `${line}\n`).join("");
  if (message === "") return (users ?? []).map((user) => `${roles === undefined ? user : `${(roles.get(user) ?? "").padEnd(8)}  ${user}`}\n`).join("");
  return generatedPassword === undefined ? `${message}\n` : `${message}\nPassword: ${generatedPassword}\n`;
}

/** What went wrong, and how to fix it: in two lines, or broken at `width` where people read it. */
export function failureText(error: unknown, width?: number): string {
  const known = toMonetaError(error);
  const lines = [`moneta-admin: ${messageOf(known)}`, `Hint: ${known.hint}`];
  return `${(width === undefined ? lines : lines.flatMap((line) => wrap(line, width))).join("\n")}\n`;
}

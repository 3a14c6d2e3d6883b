/**
 * The documents of the management protocol: categories Header, Request, Response and Outcome, as pgmoneta 0.22
 * writes them. A response is the request with Response and Outcome added.
 */
import { errorToRecord } from "../common/index.ts";
import type { MonetaError } from "../common/index.ts";
import type { CommandSpec } from "./command-spec.ts";
import { commandByNumber, commandTable } from "./command-table.ts";
import type { CommandName } from "./command-table.ts";
import { incompleteBundle } from "./diagnose-response.ts";
import { managementErrors } from "./errors.ts";
import { wireErrorNumber } from "./failure.ts";
import { encodeJson, isDecimal, isJsonObject, parseJson } from "./json.ts";
import type { JsonObject, JsonScalar, JsonValue } from "./json.ts";
import { verifyFindings } from "./verify-response.ts";

/** Version of pgmoneta whose protocol we speak: what `ClientVersion` and `ServerVersion` say. */
export const protocolVersion = "0.22.0";

/** Value of `Header.Output`: how the client is going to print. The daemon does not care. */
export const outputCodes = { text: 0, json: 1, raw: 2 } as const;
export type OutputFormat = keyof typeof outputCodes;

/** Values of the request fields; every field of the command's table is there. */
export type RequestFields = Readonly<Record<string, string | boolean | null>>;

/** A request that passed every check. */
export interface ManagementRequest {
  readonly command: CommandName;
  readonly fields: RequestFields;
  /** Header and Request as they came, to be sent back. */
  readonly document: { readonly Header: JsonObject; readonly Request: JsonObject };
}

/** What a handler answers. `response` is the Response category without `ServerVersion`; null where there is none. */
export type ResponseResult =
  | { readonly status: true; readonly response: JsonObject | null }
  | { readonly status: false; readonly error: MonetaError };

/** What a client learned; `response` keeps every key as it came. */
export interface ManagementResponse {
  readonly document: JsonObject;
  readonly response: JsonObject;
  readonly outcome: Outcome;
}

export interface Outcome {
  readonly status: boolean;
  /** pgmoneta's error number; 0 when the status is true. */
  readonly error: number;
  readonly workflow: string;
  readonly time: string | undefined;
  /** Ours, absent in what pgmoneta's daemon sends: code of the catalogue, sentence, hint, exit status. */
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly hint: string | undefined;
  readonly exit: number | undefined;
  readonly workerErrors: readonly string[];
}

const two = (value: number): string => String(value).padStart(2, "0");

/** `YYYYMMDDHHMMSS` in local time, the form of `Header.Timestamp`. */
export function formatTimestamp(ms: number): string {
  const t = new Date(ms);
  return `${t.getFullYear()}${two(t.getMonth() + 1)}${two(t.getDate())}${two(t.getHours())}${two(t.getMinutes())}${two(t.getSeconds())}`;
}

/** `HH:MM:S.ffff`, the form of `Outcome.Time`: pgmoneta does not pad the seconds. */
export function formatElapsed(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  const rest = Math.floor((seconds % 60) * 10_000) / 10_000;
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${rest.toFixed(4)}`;
}

/** The two unsigned halves in which an LSN travels. */
export function lsnHalves(lsn: bigint): { readonly high: number; readonly low: number } {
  return { high: Number(lsn >> 32n), low: Number(lsn & 0xffff_ffffn) };
}

/** Builds the request document of a command; `fields` that are missing are sent with their empty value. */
export function buildRequest(
  command: CommandName,
  fields: RequestFields,
  header: {
    readonly output: OutputFormat;
    readonly compression: number;
    readonly encryption: number;
    readonly now: number;
  },
): JsonObject {
  const spec = commandTable[command];
  const request = Object.entries(spec.fields).map(
    ([name, type]) => [name, fields[name] ?? (type === "flag" ? false : null)] as const,
  );
  return {
    Header: {
      ClientVersion: protocolVersion,
      Command: spec.number,
      Compression: header.compression,
      Encryption: header.encryption,
      Output: outputCodes[header.output],
      Timestamp: formatTimestamp(header.now),
    },
    Request: Object.fromEntries(request),
  };
}

/** A value longer than this cannot be a name, a path or a position. */
const maxFieldLength = 16_384;
const maxFields = 64;

function scalars(category: string, value: JsonValue | undefined): Record<string, JsonScalar> {
  if (!isJsonObject(value)) {
    // An empty category is `{}`, but pgmoneta's writer leaves null where it has none.
    if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) return {};
    throw managementErrors.documentInvalid(`the category ${category} is not an object`);
  }
  const entries = Object.entries(value);
  if (entries.length > maxFields)
    throw managementErrors.documentInvalid(`the category ${category} has ${entries.length} entries`);
  return Object.fromEntries(
    entries.map(([key, field]) => {
      const plain = typeof field !== "object" || field === null || isDecimal(field);
      if (!plain || key.length > 128 || (typeof field === "string" && field.length > maxFieldLength)) {
        throw managementErrors.documentInvalid(`the category ${category} holds something that is no plain value`);
      }
      return [key, field];
    }),
  );
}

/** Header, Request and command number of a request, before anything is known about the command. */
export interface RawRequest {
  readonly number: number;
  readonly document: { readonly Header: JsonObject; readonly Request: JsonObject };
}

/** Takes a request document apart. Throws `MANAGEMENT_DOCUMENT_INVALID`. */
export function parseRequest(text: string): RawRequest {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw managementErrors.documentInvalid("the document is not an object");
  const header = scalars("Header", value.Header);
  const number = header.Command;
  if (typeof number !== "number") throw managementErrors.documentInvalid("the header names no command number");
  return { number, document: { Header: header, Request: scalars("Request", value.Request) } };
}

/** A field of few words must have one of them; which error it is decides pgmoneta's number. */
function checkChoice(spec: CommandSpec, field: string, value: string): void {
  const choices = [...spec.arguments, ...spec.flags].find((part) => part.field === field)?.choices;
  if (choices === undefined || choices.includes(value)) return;
  const refuse = field === "Sort" ? managementErrors.sortInvalid : managementErrors.actionUnknown;
  throw refuse(`${field} must be ${choices.join(" or ")}, not "${value}"`, { command: spec.name, field });
}

/**
 * Finds the command and checks its fields. Throws `ACTION_UNKNOWN`, `SORT_INVALID`, `COMMAND_UNKNOWN`, `COMMAND_NOT_AVAILABLE` or `REQUEST_INVALID`.
 */
export function checkRequest(raw: RawRequest): ManagementRequest {
  const command = commandByNumber(raw.number);
  if (command === undefined)
    throw managementErrors.commandUnknown(`there is no command with the number ${raw.number}`, { command: raw.number });
  const spec = commandTable[command];
  if (!spec.available)
    throw managementErrors.commandNotAvailable(`the command ${command} is not available yet`, { command });
  const fields = Object.entries(spec.fields).map(([name, type]): [string, string | boolean | null] => {
    const value = raw.document.Request[name] ?? null;
    if (type === "flag") {
      if (value === null || typeof value === "boolean") return [name, value ?? false];
    } else if (typeof value === "string" && value !== "") {
      if (!value.includes("\0")) {
        checkChoice(spec, name, value);
        return [name, value];
      }
    } else if (type === "text?" && (value === null || value === "")) {
      return [name, null];
    }
    throw managementErrors.requestInvalid(`the request ${command} has no usable field ${name}`, {
      command,
      field: name,
    });
  });
  return { command, fields: Object.fromEntries(fields), document: raw.document };
}

/** The failed outcome of an error: pgmoneta's keys, and beside them our code, sentence, hint and exit status. */
function failedOutcome(command: CommandName | undefined, error: MonetaError): JsonObject {
  const record = errorToRecord(error);
  const cause = record.cause === undefined || record.message.includes(record.cause) ? "" : `: ${record.cause}`;
  return {
    Code: record.code,
    Error: wireErrorNumber(command, error),
    Exit: record.exit,
    Hint: record.hint,
    Message: `${record.message}${cause}`,
    Retryable: record.retryable,
    Status: false,
    Workflow: command === undefined ? "main" : commandTable[command].workflow,
  };
}

/** Keys whose values are secrets; a test compares them with the table of keys. */
const secretKey = /(secret|_shared_key|_access_key_id|password|token|webhook|slack|alertmanager)/;

/** What was asked is repeated, but for a secret that was to be set: what a client prints may end up in a log. */
function withoutSecret(request: JsonObject): JsonObject {
  const { ConfigKey: key, ConfigValue: value } = request;
  return typeof key === "string" && secretKey.test(key) && typeof value === "string" ? { ...request, ConfigValue: "***" } : request;
}

/**
 * Builds the response document. On failure the Response category is reset to server and version, as pgmoneta does,
 * so that nothing of a half-done result can be taken for one.
 */
export function buildResponse(raw: RawRequest | undefined, result: ResponseResult, elapsedMs: number): JsonObject {
  const command = raw === undefined ? undefined : commandByNumber(raw.number);
  const base =
    raw === undefined
      ? { Header: { ClientVersion: protocolVersion, Command: 0, Compression: 0, Encryption: 0, Output: 0 }, Request: {} }
      : { ...raw.document, Request: withoutSecret(raw.document.Request) };
  if (!result.status) {
    const server = base.Request.Server;
    return {
      ...base,
      Outcome: failedOutcome(command, result.error),
      Response: {
        Server: typeof server === "string" ? server : null,
        ...refusedPlan(result.error),
        ...verifyFindings(result.error),
        ...incompleteBundle(result.error),
        ServerVersion: protocolVersion,
      },
    };
  }
  const outcome = { Status: true, Time: formatElapsed(elapsedMs) };
  if (result.response === null) return { ...base, Outcome: outcome };
  return { ...base, Outcome: outcome, Response: { ...result.response, ServerVersion: protocolVersion } };
}

const textOf = (value: JsonValue | undefined): string | undefined => (typeof value === "string" ? value : undefined);
const numberOf = (value: JsonValue | undefined): number | undefined => (typeof value === "number" ? value : undefined);

/** A dry run that finds what speaks against the restore still tells what it had planned; a plan is no result. */
function refusedPlan({ details }: MonetaError): JsonObject {
  const { backup, directory, target, plan, problems } = details;
  if (typeof plan !== "string" || typeof problems !== "string") return {};
  const lines = (text: string): readonly string[] => text.split("\n").filter((line) => line !== "");
  return {
    Backup: String(backup),
    Directory: String(directory),
    Target: String(target),
    DryRun: true,
    Plan: lines(plan),
    Problems: lines(problems),
  };
}

/** Reads a response document. Throws `MANAGEMENT_DOCUMENT_INVALID`: without an outcome there is no yes. */
export function parseResponse(text: string): ManagementResponse {
  const document = parseJson(text);
  if (!isJsonObject(document) || !isJsonObject(document.Outcome) || typeof document.Outcome.Status !== "boolean") {
    throw managementErrors.documentInvalid("the answer has no outcome");
  }
  const outcome = document.Outcome;
  const workers = Array.isArray(outcome.WorkerErrors) ? (outcome.WorkerErrors as readonly JsonValue[]) : [];
  return {
    document,
    response: isJsonObject(document.Response) ? document.Response : {},
    outcome: {
      status: outcome.Status === true,
      error: numberOf(outcome.Error) ?? 0,
      workflow: textOf(outcome.Workflow) ?? "",
      time: textOf(outcome.Time),
      code: textOf(outcome.Code),
      message: textOf(outcome.Message),
      hint: textOf(outcome.Hint),
      exit: numberOf(outcome.Exit),
      workerErrors: workers.filter((worker) => typeof worker === "string"),
    },
  };
}

export const encodeDocument = (document: JsonObject): string => encodeJson(document);

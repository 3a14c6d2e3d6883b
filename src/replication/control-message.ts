import type { DatabaseError, NoticeMessage } from "pg-protocol/dist/messages.js";
import { Parser } from "pg-protocol/dist/parser.js";
import type * as wire from "pg-protocol/dist/messages.js";
import { messageOf } from "../common/index.ts";
import { pathFromBytes } from "../postgres/index.ts";
import { replicationErrors } from "./errors.ts";

/** A warning or notice of the server. */
export interface ServerNotice {
  readonly severity: string;
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

/** The messages of a server except CopyData, decoded. */
export type ControlMessage =
  | { readonly kind: "authentication"; readonly step: AuthenticationStep }
  | { readonly kind: "parameter"; readonly name: string; readonly value: string }
  | { readonly kind: "key"; readonly processId: number; readonly secretKey: number }
  | { readonly kind: "ready" }
  | { readonly kind: "columns"; readonly names: readonly string[] }
  | { readonly kind: "row"; readonly values: (string | null)[] }
  | { readonly kind: "complete"; readonly tag: string }
  | { readonly kind: "copy-out" | "copy-both" | "copy-done" | "notification" }
  | { readonly kind: "error" | "notice"; readonly notice: ServerNotice };

export type AuthenticationStep =
  | { readonly method: "ok" | "cleartext" | "md5" }
  | { readonly method: "sasl"; readonly mechanisms: readonly string[] }
  | { readonly method: "sasl-continue" | "sasl-final"; readonly data: string }
  | { readonly method: "other"; readonly name: string };

/** Authentication requests that only need naming (PostgreSQL manual, "Message Formats"). */
const otherMethods: Readonly<Record<number, string>> = { 2: "Kerberos V5", 6: "SCM credentials", 7: "GSSAPI", 8: "GSSAPI", 9: "SSPI" };

/**
 * Decodes one whole message (type byte, length, body). Throws SERVER_PROTOCOL when it is malformed.
 * pg-protocol's parser does the work except for rows (values that are no UTF-8 must survive) and for what
 * it cannot say; every message is given to it whole, because it keeps views of what it was given before.
 */
export function decodeControlMessage(frame: Buffer): ControlMessage {
  const type = String.fromCharCode(frame[0] ?? 0);
  try {
    if (type === "D") return { kind: "row", values: decodeRow(frame) };
    if (type === "v") throw replicationErrors.protocol("server asks for another protocol version");
    if (type === "R") return { kind: "authentication", step: decodeAuthentication(frame) };
    return translate(type, parseWhole(type === "E" || type === "N" ? withTerminators(frame) : frame));
  } catch (error) {
    if (replicationErrors.protocol.is(error)) throw error;
    throw replicationErrors.protocol(`malformed message ${type}: ${messageOf(error)}`, {}, error);
  }
}

function parseWhole(frame: Buffer): wire.BackendMessage {
  let parsed: wire.BackendMessage | undefined;
  new Parser().parse(frame, (message) => {
    parsed = message;
  });
  if (parsed === undefined) throw replicationErrors.protocol("message is shorter than it says");
  return parsed;
}

/** The parser looks for the end of an error's fields without a bound: two zero bytes more stop it in any case. */
function withTerminators(frame: Buffer): Buffer {
  const guarded = Buffer.concat([frame, Buffer.alloc(2)]);
  guarded.writeUInt32BE(frame.length + 1, 1);
  return guarded;
}

function translate(type: string, message: wire.BackendMessage): ControlMessage {
  switch (type) {
    case "S": {
      const { parameterName, parameterValue } = message as wire.ParameterStatusMessage;
      return { kind: "parameter", name: parameterName, value: parameterValue };
    }
    case "K": {
      const { processID, secretKey } = message as wire.BackendKeyDataMessage;
      return { kind: "key", processId: processID, secretKey };
    }
    case "Z":
      return { kind: "ready" };
    case "T":
      return { kind: "columns", names: (message as wire.RowDescriptionMessage).fields.map((field) => field.name) };
    case "C":
      return { kind: "complete", tag: (message as wire.CommandCompleteMessage).text };
    case "I":
      return { kind: "complete", tag: "" };
    case "H":
      return { kind: "copy-out" };
    case "W":
      return { kind: "copy-both" };
    case "c":
      return { kind: "copy-done" };
    case "A":
      return { kind: "notification" };
    case "E":
      return { kind: "error", notice: decodeNotice(message as unknown as DatabaseError) };
    case "N":
      return { kind: "notice", notice: decodeNotice(message as NoticeMessage) };
    default:
      throw replicationErrors.protocol(`unexpected message ${type}`);
  }
}

function decodeNotice(fields: DatabaseError | NoticeMessage): ServerNotice {
  return {
    severity: fields.severity ?? "ERROR",
    sqlstate: fields.code ?? "XX000",
    message: fields.message ?? "(no message)",
    ...(fields.detail === undefined ? {} : { detail: fields.detail }),
    ...(fields.hint === undefined ? {} : { hint: fields.hint }),
  };
}

function decodeAuthentication(frame: Buffer): AuthenticationStep {
  const code = frame.readUInt32BE(5);
  const body = frame.subarray(9);
  switch (code) {
    case 0:
      return { method: "ok" };
    case 3:
      return { method: "cleartext" };
    case 5:
      return { method: "md5" };
    case 10: {
      const names = body.toString("latin1").split("\0");
      return { method: "sasl", mechanisms: names.filter((name) => name !== "") };
    }
    case 11:
      return { method: "sasl-continue", data: body.toString("utf8") };
    case 12:
      return { method: "sasl-final", data: body.toString("utf8") };
    default:
      return { method: "other", name: otherMethods[code] ?? `method ${code}` };
  }
}

function decodeRow(frame: Buffer): (string | null)[] {
  const values: (string | null)[] = [];
  const count = frame.readUInt16BE(5);
  let offset = 7;
  for (let i = 0; i < count; i++) {
    const length = frame.readInt32BE(offset);
    offset += 4;
    if (length > frame.length - offset) throw replicationErrors.protocol("row is longer than its message");
    values.push(length < 0 ? null : pathFromBytes(frame.subarray(offset, offset + length)));
    offset += Math.max(0, length);
  }
  return values;
}

/**
 * The messages of a login, without sockets: PostgreSQL's start-up, SASL and error messages (PostgreSQL manual, "Message
 * Formats"), as pgmoneta uses them.
 */
import { managementErrors } from "./errors.ts";

/** Codes in place of a protocol version. */
export const startCodes = { cancel: 80_877_102, tls: 80_877_103, gss: 80_877_104 } as const;

/** The database that pgmoneta's clients name. */
export const adminDatabase = "admin";

/** Longest start-up message that PostgreSQL takes. */
export const maxStartBytes = 10_000;
/** Longest message of a login: those of SCRAM have some 200 bytes. */
export const maxLoginMessageBytes = 4_096;

const broken = (what: string): Error => managementErrors.loginProtocol(what);

/** A start-up message or one of its siblings, without the length. */
export interface StartMessage {
  readonly code: number;
  /** By name; a parameter that comes twice has its last value, as in PostgreSQL. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Body of a start-up message, after its length. Throws `REMOTE_PROTOCOL`. */
export function parseStart(body: Buffer): StartMessage {
  const code = body.readUInt32BE(0);
  const parameters = new Map<string, string>();
  if (code >>> 16 !== 3) return { code, parameters };
  const words = body.toString("utf8", 4).split("\0");
  // A list of names and values, each ended by a zero byte, and one more zero byte at the end.
  if (words.length % 2 !== 0 || words.at(-1) !== "" || words.at(-2) !== "") throw broken("a start-up message that does not end");
  for (let at = 0; at < words.length - 2; at += 2) {
    const name = words[at] ?? "";
    if (name === "") throw broken("a start-up message with a parameter without a name");
    parameters.set(name, words[at + 1] ?? "");
  }
  return { code, parameters };
}

/** Only a length and a code: SSLRequest. */
export function encodeStartCode(code: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(8, 0);
  bytes.writeUInt32BE(code, 4);
  return bytes;
}

export function encodeStart(parameters: Readonly<Record<string, string>>): Buffer {
  const words = Object.entries(parameters).flatMap(([name, value]) => [`${name}\0`, `${value}\0`]);
  const body = Buffer.from(`${words.join("")}\0`);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(header.length + body.length, 0);
  header.writeUInt32BE(3 << 16, 4);
  return Buffer.concat([header, body]);
}

/** A message with its type, as both sides send it after the start. */
export function encodeMessage(type: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 0, 1, "latin1");
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

const authentication = (kind: number, data: Buffer): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(kind, 0);
  return encodeMessage("R", Buffer.concat([head, data]));
};

export const encodeSasl = (mechanisms: readonly string[]): Buffer =>
  authentication(10, Buffer.from(`${mechanisms.map((name) => `${name}\0`).join("")}\0`));
export const encodeSaslContinue = (text: string): Buffer => authentication(11, Buffer.from(text));
export const encodeSaslFinal = (text: string): Buffer => authentication(12, Buffer.from(text));
export const encodeAuthenticationOk = (): Buffer => authentication(0, Buffer.alloc(0));

/** "I speak 3.0, and know none of these options" (NegotiateProtocolVersion). */
export function encodeNegotiation(options: readonly string[]): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(0, 0);
  head.writeUInt32BE(options.length, 4);
  return encodeMessage("v", Buffer.concat([head, Buffer.from(options.map((name) => `${name}\0`).join(""))]));
}

/** A refusal as PostgreSQL says it. */
export interface LoginRefusal {
  /** SQLSTATE. */
  readonly state: string;
  readonly message: string;
}

export function encodeRefusal({ state, message }: LoginRefusal): Buffer {
  const fields = [`SFATAL`, `VFATAL`, `C${state}`, `M${message}`];
  return encodeMessage("E", Buffer.from(`${fields.map((field) => `${field}\0`).join("")}\0`));
}

/** Body of an ErrorResponse; what is missing is empty. */
export function parseRefusal(body: Buffer): LoginRefusal {
  const fields = new Map(body.toString("utf8").split("\0").map((field) => [field.slice(0, 1), field.slice(1)] as const));
  return { state: fields.get("C") ?? "", message: fields.get("M") ?? "" };
}

/** SASLInitialResponse. Throws `REMOTE_PROTOCOL`. */
export function parseSaslInitial(body: Buffer): { readonly mechanism: string; readonly data: string } {
  const end = body.indexOf(0);
  if (end < 0 || body.length < end + 5) throw broken("a first SASL message that does not name its mechanism");
  const length = body.readInt32BE(end + 1);
  const data = body.subarray(end + 5);
  // -1 stands for no data, which SCRAM does not know.
  if (length !== data.length) throw broken("a first SASL message with a wrong length");
  return { mechanism: body.toString("latin1", 0, end), data: data.toString("utf8") };
}

export function encodeSaslInitial(mechanism: string, data: string): Buffer {
  const bytes = Buffer.from(data);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length, 0);
  return encodeMessage("p", Buffer.concat([Buffer.from(`${mechanism}\0`), length, bytes]));
}

export const encodeSaslResponse = (data: string): Buffer => encodeMessage("p", Buffer.from(data));

/** What a server says about authentication. Throws `REMOTE_PROTOCOL`. */
export function parseAuthentication(body: Buffer): { readonly kind: number; readonly data: Buffer } {
  if (body.length < 4) throw broken("an authentication message without a kind");
  return { kind: body.readUInt32BE(0), data: body.subarray(4) };
}

/** Mechanisms of AuthenticationSASL. */
export const parseMechanisms = (data: Buffer): readonly string[] =>
  data.toString("latin1").split("\0").filter((name) => name !== "");

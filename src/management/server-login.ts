/**
 * The daemon's side of a login, from the first byte of a connection to the proof of the password: PostgreSQL's start-up
 * with TLS where it is asked for, then SCRAM. Who is not known is treated like who has a wrong password.
 */
import type { Socket } from "node:net";
import { authErrors, createScramServer, type Role, type ScramSecret } from "../auth/index.ts";
import { readBytes } from "./byte-source.ts";
import { managementErrors } from "./errors.ts";
import {
  adminDatabase,
  encodeAuthenticationOk,
  encodeNegotiation,
  encodeRefusal,
  encodeSasl,
  encodeSaslContinue,
  encodeSaslFinal,
  maxLoginMessageBytes,
  maxStartBytes,
  parseSaslInitial,
  parseStart,
  startCodes,
  type LoginRefusal,
  type StartMessage,
} from "./login-messages.ts";

/** Somebody who may log in. */
export interface AdminLogin {
  readonly secret: ScramSecret;
  readonly role: Role;
}

export interface ServerLoginOptions {
  /** Goes on in TLS on this socket; undefined where there is none. Rejects when the handshake fails. */
  readonly startTls: ((socket: Socket) => Promise<Socket>) | undefined;
  /** Refuses whoever does not ask for TLS. */
  readonly tlsRequired: boolean;
  /** What SCRAM-SHA-256-PLUS binds to, once in TLS. */
  readonly channelBinding: Buffer | undefined;
  readonly admins: ReadonlyMap<string, AdminLogin>;
  /** Salts of those who are not known come from it, as those of the others do. */
  readonly saltKey: Buffer;
  /** Milliseconds for which nothing of this client is looked at, asked once more when its proof is there. */
  readonly delay: () => number;
}

export interface LoggedIn {
  /** Where the request will come; in TLS another one than the login began with. */
  readonly socket: Socket;
  readonly user: string;
  readonly role: Role;
  /** `TLSv1.3`; undefined in clear. */
  readonly tls: string | undefined;
}

/** What the client is told: nothing about who exists. */
const wrongPassword = (user: string): LoginRefusal => ({
  state: "28P01",
  message: `password authentication failed for user "${user}"`,
});

/** Sends a refusal and lets it leave; what still comes is thrown away, because a reset could overtake the refusal. */
function refuse(socket: Socket, refusal: LoginRefusal): void {
  if (socket.destroyed) return;
  socket.end(encodeRefusal(refusal));
  socket.resume();
}

/** Longest name that is looked at and logged. */
const maxNameLength = 256;

/**
 * Runs the login. Throws `REMOTE_LOGIN_REFUSED` for a wrong password, `REMOTE_LOGIN_DELAYED` for who has to wait,
 * `REMOTE_CLEAR_TEXT_REFUSED`, `REMOTE_TLS_FAILED`, `REMOTE_PROTOCOL` for what is no login, `MANAGEMENT_CONNECTION_CLOSED`; the client was
 * told then, as far as it can be.
 */
export async function logIn(plain: Socket, options: ServerLoginOptions): Promise<LoggedIn> {
  const { socket, start } = await begin(plain, options).catch((error: unknown) => {
    // Who failed in TLS has been told there; everybody else is a stranger to this protocol.
    if (!managementErrors.tlsFailed.is(error)) plain.destroy();
    throw error;
  });
  const tls = socket === plain ? undefined : protocolOf(socket);
  try {
    const user = checkStart(start, tls !== undefined, options);
    negotiate(socket, start);
    const role = await prove(socket, user, tls === undefined ? undefined : options.channelBinding, options);
    return { socket, user, role, tls };
  } catch (error) {
    refuse(socket, refusalOf(error));
    throw error;
  }
}

const protocolOf = (socket: Socket): string => ("getProtocol" in socket ? ((socket as unknown as { getProtocol(): string | null }).getProtocol() ?? "TLS") : "TLS");

/** What a client may hear of a failure. */
function refusalOf(error: unknown): LoginRefusal {
  if (managementErrors.loginRefused.is(error)) return wrongPassword(String(error.details["user"] ?? ""));
  if (managementErrors.loginDelayed.is(error)) return { state: "57P03", message: error.message };
  if (managementErrors.clearTextRefused.is(error)) return { state: "28000", message: error.message };
  if (managementErrors.databaseUnknown.is(error)) return { state: "3D000", message: error.message };
  return { state: "08P01", message: "the login does not follow the protocol" };
}

/** Up to the start-up message; requests for TLS (at most one) and GSS encryption before it are answered. */
async function begin(plain: Socket, { startTls }: ServerLoginOptions): Promise<{ readonly socket: Socket; readonly start: StartMessage }> {
  let socket = plain;
  let asked = 0;
  for (;;) {
    const start = await readStart(socket);
    if (start.code === startCodes.cancel) throw managementErrors.loginProtocol("a request to cancel, which means nothing here");
    const encryption = start.code === startCodes.tls || start.code === startCodes.gss;
    if (!encryption) return { socket, start };
    asked += 1;
    if (asked > 2 || socket !== plain) throw managementErrors.loginProtocol("encryption is asked for again and again");
    if (start.code === startCodes.gss || startTls === undefined) {
      socket.write("N");
      continue;
    }
    // Clear text that somebody slipped in before the handshake (CVE-2021-23214).
    if (socket.readableLength > 0) throw managementErrors.loginProtocol("clear text came behind the request for TLS");
    socket.write("S");
    socket = await startTls(socket);
  }
}

async function readStart(socket: Socket): Promise<StartMessage> {
  const length = (await readBytes(socket, 4)).readUInt32BE(0);
  if (length < 8 || length > maxStartBytes) throw managementErrors.loginProtocol(`a start-up message of ${length} bytes`);
  return parseStart(await readBytes(socket, length - 4));
}

/** The user of a start-up message that is acceptable. */
function checkStart({ code, parameters }: StartMessage, encrypted: boolean, options: ServerLoginOptions): string {
  if (code >>> 16 !== 3) throw managementErrors.loginProtocol(`version ${code >>> 16}.${code & 0xffff} of PostgreSQL's protocol`);
  if (options.tlsRequired && !encrypted) {
    throw managementErrors.clearTextRefused("this daemon does not speak to clients in clear text: use TLS");
  }
  const delay = options.delay();
  if (delay > 0) throw delayed(delay);
  const user = parameters.get("user") ?? "";
  if (user === "" || user.length > maxNameLength) throw managementErrors.loginProtocol("a start-up message without a usable user");
  // PostgreSQL's default for the database is the name of the user.
  const database = parameters.get("database") ?? user;
  if (database !== adminDatabase) {
    throw managementErrors.databaseUnknown(`there is no database here but "${adminDatabase}": this is Moneta, not PostgreSQL`);
  }
  return user;
}

/** A client of a later minor version is told what we speak, and goes on with that or leaves. */
function negotiate(socket: Socket, { code, parameters }: StartMessage): void {
  const unknown = [...parameters.keys()].filter((name) => name.startsWith("_pq_."));
  if ((code & 0xffff) > 0 || unknown.length > 0) socket.write(encodeNegotiation(unknown));
}

const delayed = (ms: number): Error =>
  managementErrors.loginDelayed(`too many failed logins from this address: try again in ${Math.ceil(ms / 1000)} s`);

async function readSasl(socket: Socket): Promise<Buffer> {
  const head = await readBytes(socket, 5);
  const length = head.readUInt32BE(1);
  if (head.toString("latin1", 0, 1) !== "p" || length < 4 || length > maxLoginMessageBytes) {
    throw managementErrors.loginProtocol("something else than an answer to the request for a password");
  }
  return readBytes(socket, length - 4);
}

/** SCRAM with the client; the role of the user who is proven then. */
async function prove(socket: Socket, user: string, channelBinding: Buffer | undefined, options: ServerLoginOptions): Promise<Role> {
  const { admins, saltKey } = options;
  const known = admins.get(user);
  const scram = createScramServer({
    user,
    lookup: () => Promise.resolve(known?.secret),
    pretenceKey: saltKey,
    ...(channelBinding === undefined ? {} : { channelBinding }),
  });
  socket.write(encodeSasl(scram.mechanisms));
  const initial = parseSaslInitial(await readSasl(socket));
  const serverFirst = await scram.first(initial.mechanism, initial.data);
  socket.write(encodeSaslContinue(serverFirst));
  const clientFinal = (await readSasl(socket)).toString("utf8");
  // Many connections at once are no way to try many passwords before the first failure counts.
  const delay = options.delay();
  if (delay > 0) throw delayed(delay);
  const { serverFinal } = finish(scram, clientFinal, user);
  if (known === undefined) throw wrong(user);
  // In one piece, as pgmoneta's client is glad to have it.
  socket.write(Buffer.concat([encodeSaslFinal(serverFinal), encodeAuthenticationOk()]));
  return known.role;
}

const wrong = (user: string, cause?: unknown): Error =>
  managementErrors.loginRefused(`the login of ${JSON.stringify(user)} is refused`, { user }, cause);

function finish(scram: ReturnType<typeof createScramServer>, clientFinal: string, user: string): ReturnType<typeof scram.final> {
  try {
    return scram.final(clientFinal);
  } catch (error) {
    if (authErrors.rejected.is(error)) throw wrong(user, error);
    throw error;
  }
}

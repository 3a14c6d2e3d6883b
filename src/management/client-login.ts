/** The operator's side of a login to remote management: TLS, then SCRAM. Speaks to pgmoneta's daemon as well. */
import type { Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { createScramClient, effectiveTlsMode, loadTlsOptions, tlsReason, tlsRemedy, tlsServerEndPoint, type ChannelBinding } from "../auth/index.ts";
import { readBytes } from "./byte-source.ts";
import { managementErrors } from "./errors.ts";
import {
  encodeSaslInitial,
  encodeSaslResponse,
  adminDatabase,
  encodeStart,
  encodeStartCode,
  maxLoginMessageBytes,
  parseAuthentication,
  parseMechanisms,
  parseRefusal,
  startCodes,
} from "./login-messages.ts";
import { describeRemote, type RemoteAddress } from "./remote-address.ts";

/**
 * Logs in on a socket that is connected; the one to go on with. Throws `REMOTE_CLEAR_TEXT_REFUSED`, `REMOTE_TLS_FAILED`,
 * `REMOTE_LOGIN_REFUSED`, `REMOTE_LOGIN_DELAYED`, `REMOTE_PROTOCOL`, `TLS_SETTINGS`, `AUTH_SERVER_UNPROVEN`.
 */
export async function logInTo(plain: Socket, address: RemoteAddress): Promise<Socket> {
  const where = describeRemote(address);
  const secured = await secure(plain, address, where);
  const socket = secured ?? plain;
  socket.write(encodeStart({ user: address.user, database: adminDatabase, application_name: "moneta-cli" }));
  const mechanisms = await readMechanisms(socket, where);
  const scram = createScramClient({ user: "", password: address.password, channelBinding: bindingFor(secured, mechanisms, where) });
  socket.write(encodeSaslInitial(scram.mechanism, scram.first()));
  const serverFirst = (await readAuthentication(socket, 11, where)).toString("utf8");
  socket.write(encodeSaslResponse(await scram.next(serverFirst)));
  scram.verify((await readAuthentication(socket, 12, where)).toString("utf8"));
  await readAuthentication(socket, 0, where);
  return socket;
}

/** Asks for TLS; undefined where it may be done without and the daemon has none. */
async function secure(plain: Socket, { host, tls }: RemoteAddress, where: string): Promise<TLSSocket | undefined> {
  const mode = effectiveTlsMode(tls);
  if (mode === "disable") return undefined;
  const options = await loadTlsOptions(tls, host);
  plain.write(encodeStartCode(startCodes.tls));
  const answer = (await readBytes(plain, 1)).toString("latin1");
  if (answer === "N") {
    if (mode === "prefer") return undefined;
    throw managementErrors.clearTextRefused(`${where} has no TLS, and clear text is not allowed`);
  }
  // More would be clear text that somebody slipped in before the handshake (CVE-2021-23222).
  if (answer !== "S" || plain.readableLength > 0) throw managementErrors.loginProtocol(`${where} does not understand the request for TLS`);
  return await new Promise((resolve, reject) => {
    const secured = connectTls({ ...options, socket: plain });
    let told = false;
    const failed = (error?: Error): void => {
      // It is closed as well then, which is no reason of its own.
      if (told) return;
      told = true;
      secured.destroy();
      const reason = error === undefined ? "closed during the handshake" : tlsReason(error);
      void tlsRemedy(error, { host, program: "the daemon", tls }).then((remedy) => reject(managementErrors.tlsFailed(`TLS with ${where} failed: ${reason}${remedy}`)));
    };
    secured.once("error", failed);
    secured.once("close", () => failed());
    secured.once("secureConnect", () => {
      secured.removeListener("error", failed);
      // Whoever reads hears of it in its own way.
      secured.on("error", () => undefined);
      resolve(secured);
    });
  });
}

/** Binds to the channel whenever both sides can, and tells a daemon that did not offer it that we could have (RFC 5802 section 6). */
function bindingFor(secured: TLSSocket | undefined, mechanisms: readonly string[], where: string): ChannelBinding {
  const certificate = secured?.getPeerCertificate().raw;
  const data = certificate === undefined ? undefined : tlsServerEndPoint(certificate);
  const offered = mechanisms.includes("SCRAM-SHA-256-PLUS");
  if (offered && data !== undefined) return { kind: "bound", data };
  if (!mechanisms.includes("SCRAM-SHA-256")) throw managementErrors.loginProtocol(`${where} offers none of our ways to log in: ${mechanisms.join(", ")}`);
  return data === undefined || offered ? { kind: "none" } : { kind: "server-lacks" };
}

async function readMessage(socket: Socket, where: string): Promise<{ readonly type: string; readonly body: Buffer }> {
  const head = await readBytes(socket, 5);
  const type = head.toString("latin1", 0, 1);
  const length = head.readUInt32BE(1);
  if (!"RE".includes(type) || length < 4 || length > maxLoginMessageBytes) {
    throw managementErrors.loginProtocol(`${where} does not speak the protocol of remote management`);
  }
  return { type, body: await readBytes(socket, length - 4) };
}

/** Data of an authentication message of the wanted kind. */
async function readAuthentication(socket: Socket, kind: number, where: string): Promise<Buffer> {
  const { type, body } = await readMessage(socket, where);
  if (type === "E") throw refusal(body, where);
  const found = parseAuthentication(body);
  if (found.kind !== kind) throw managementErrors.loginProtocol(`${where} asks for a way to log in that is not SCRAM (${found.kind})`);
  return found.data;
}

const readMechanisms = async (socket: Socket, where: string): Promise<readonly string[]> =>
  parseMechanisms(await readAuthentication(socket, 10, where));

/** What the other side says before it has proven who it is: shown as its words, and nothing is concluded from it. */
function refusal(body: Buffer, where: string): Error {
  const { state, message } = parseRefusal(body);
  const text = `${where} refuses the login: ${message === "" ? "it gives no reason" : message.slice(0, 500)}`;
  if (state === "57P03" || state === "53300") return managementErrors.loginDelayed(text);
  if (state === "28000") return managementErrors.clearTextRefused(text);
  if (state === "3D000") return managementErrors.databaseUnknown(text);
  if (state === "08P01") return managementErrors.loginProtocol(text);
  return managementErrors.loginRefused(text);
}

import { randomBytes, timingSafeEqual } from "node:crypto";
import { authErrors } from "./errors.ts";
import { decodeBase64, isNonce, parseAttributes, unescapeName } from "./scram-attributes.ts";
import { hmac, sha256, xor, type ScramSecret } from "./scram-keys.ts";

export interface ScramServerOptions {
  /** The name of a start-up message, which counts in place of the one inside the exchange, as in PostgreSQL. */
  readonly user?: string;
  /** The secret of a user; undefined when there is none, which the client must not be able to notice. */
  readonly lookup: (user: string) => Promise<ScramSecret | undefined>;
  /** Random bytes that stay the same for the life of the installation: an unknown user always gets the same salt. */
  readonly pretenceKey: Buffer;
  /** Hash of our certificate on a TLS channel (`tlsServerEndPoint`); SCRAM-SHA-256-PLUS is offered then. */
  readonly channelBinding?: Buffer;
  /** For tests with the vectors of RFC 7677 only. */
  readonly nonce?: string;
}

/** The server's two steps; each may be called once, in this order. */
export interface ScramServer {
  /** What to offer, the best first. */
  readonly mechanisms: readonly string[];
  /** server-first-message for the client's first. Throws `AUTH_PROTOCOL` or `AUTH_REJECTED`. */
  first(mechanism: string, clientFirst: string): Promise<string>;
  /** server-final-message and the user who is now proven. Throws `AUTH_REJECTED`. */
  final(clientFinal: string): { readonly serverFinal: string; readonly user: string };
}

interface Begun {
  readonly user: string;
  readonly secret: ScramSecret;
  readonly known: boolean;
  readonly gs2Header: string;
  readonly firstBare: string;
  readonly serverFirst: string;
  readonly nonce: string;
}

const pretendedIterations = 4096;

/** Server side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677). */
export function createScramServer(options: ScramServerOptions): ScramServer {
  const { channelBinding } = options;
  const mechanisms = channelBinding === undefined ? ["SCRAM-SHA-256"] : ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];
  let begun: Begun | undefined;

  return {
    mechanisms,

    async first(mechanism, clientFirst) {
      if (begun !== undefined) throw authErrors.protocol("client began twice");
      if (!mechanisms.includes(mechanism)) throw authErrors.protocol(`client chose "${mechanism}", which was not offered`);
      const { gs2Header, firstBare, clientNonce, ...named } = parseClientFirst(clientFirst);
      const user = options.user ?? named.user;
      checkBinding(gs2Header, mechanism, channelBinding !== undefined);
      const found = await options.lookup(user);
      // Made for everybody, so that who is not known takes no longer than who is.
      const stranger = pretence(options.pretenceKey, user);
      const secret = found ?? stranger;
      const nonce = clientNonce + (options.nonce ?? randomBytes(18).toString("base64"));
      const serverFirst = `r=${nonce},s=${secret.salt.toString("base64")},i=${secret.iterations}`;
      begun = { user, secret, known: found !== undefined, gs2Header, firstBare, serverFirst, nonce };
      return serverFirst;
    },

    final(clientFinal) {
      if (begun === undefined) throw authErrors.protocol("client finished before it began");
      const { user, secret, known, gs2Header, firstBare, serverFirst, nonce } = begun;
      begun = undefined;
      const { withoutProof, binding, finalNonce, proof } = parseClientFinal(clientFinal);
      const bound = gs2Header.startsWith("p=") ? (channelBinding ?? Buffer.alloc(0)) : Buffer.alloc(0);
      const expected = Buffer.concat([Buffer.from(gs2Header), bound]);
      if (!binding.equals(expected)) throw authErrors.rejected("client is not on the same channel as the server");
      if (finalNonce !== nonce) throw authErrors.protocol("client changed the nonce");
      const authMessage = `${firstBare},${serverFirst},${withoutProof}`;
      const clientKey = xor(proof, hmac(secret.storedKey, authMessage));
      const proven = timingSafeEqual(sha256(clientKey), secret.storedKey);
      if (!proven || !known) throw authErrors.rejected(`password of user ${JSON.stringify(user)} is wrong`, { user });
      return { serverFinal: `v=${hmac(secret.serverKey, authMessage).toString("base64")}`, user };
    },
  };
}

/** A salt that looks random and is the same every time, for users who exist and for others. */
export const stableSalt = (key: Buffer, user: string): Buffer => hmac(key, user).subarray(0, 16);

/** A secret for a user who does not exist: the same salt every time, and keys that no password has. */
function pretence(key: Buffer, user: string): ScramSecret {
  return { iterations: pretendedIterations, salt: stableSalt(key, user), storedKey: randomBytes(32), serverKey: randomBytes(32) };
}

function parseClientFirst(message: string): { gs2Header: string; firstBare: string; user: string; clientNonce: string } {
  const match = /^((?:n|y|p=[A-Za-z0-9.-]+),([^,]*),)(.*)$/s.exec(message);
  const [, gs2Header = "", authorization = "", firstBare = ""] = match ?? [];
  if (match === null) throw authErrors.protocol("client's first message has no header");
  if (authorization !== "") throw authErrors.protocol("client asks for the rights of another user");
  const [name, nonce] = parseAttributes(firstBare, "client's first message");
  if (name?.name !== "n" || nonce?.name !== "r" || !isNonce(nonce.value)) {
    throw authErrors.protocol("client's first message lacks name or nonce");
  }
  return { gs2Header, firstBare, user: unescapeName(name.value), clientNonce: nonce.value };
}

/** RFC 5802 section 6: "y" where binding was offered means that somebody took the offer away. */
function checkBinding(gs2Header: string, mechanism: string, offered: boolean): void {
  const plus = mechanism === "SCRAM-SHA-256-PLUS";
  const asked = gs2Header.startsWith("p=");
  if (plus !== asked) throw authErrors.protocol("client's channel binding does not fit the mechanism");
  if (asked && !gs2Header.startsWith("p=tls-server-end-point,")) throw authErrors.protocol("unknown channel binding");
  if (gs2Header.startsWith("y") && offered) throw authErrors.rejected("channel binding was offered and the client did not see it");
}

function parseClientFinal(message: string): { withoutProof: string; binding: Buffer; finalNonce: string; proof: Buffer } {
  const attributes = parseAttributes(message, "client's final message");
  const [binding, nonce] = attributes;
  const proof = attributes.at(-1);
  if (binding?.name !== "c" || nonce?.name !== "r" || proof?.name !== "p" || attributes.length < 3) {
    throw authErrors.protocol("client's final message lacks binding, nonce or proof");
  }
  const bytes = decodeBase64(proof.value, "client's proof");
  if (bytes.length !== 32) throw authErrors.protocol("client's proof has a wrong length");
  return {
    withoutProof: message.slice(0, message.lastIndexOf(",p=")),
    binding: decodeBase64(binding.value, "client's channel binding"),
    finalNonce: nonce.value,
    proof: bytes,
  };
}

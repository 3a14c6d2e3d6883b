import { randomBytes, timingSafeEqual } from "node:crypto";
import { authErrors } from "./errors.ts";
import { decodeBase64, escapeName, isNonce, parseAttributes } from "./scram-attributes.ts";
import { deriveScramKeys, hmac, maximumIterations, xor } from "./scram-keys.ts";

/**
 * How the exchange is tied to the TLS channel (RFC 5802 section 6, RFC 5929 section 4):
 * `bound` carries the hash of the server's certificate; `server-lacks` says that we could have bound the
 * channel but the server did not offer it, which the server checks, so that nobody in between can take
 * the offer away; `none` says that we cannot.
 */
export type ChannelBinding =
  | { readonly kind: "bound"; readonly data: Buffer }
  | { readonly kind: "server-lacks" }
  | { readonly kind: "none" };

export interface ScramClientOptions {
  /** PostgreSQL ignores it and takes the name of the start-up message: pass "" there. */
  readonly user: string;
  readonly password: string;
  readonly channelBinding?: ChannelBinding;
  /** For tests with the vectors of RFC 7677 only. */
  readonly nonce?: string;
}

/** The client's three steps; each may be called once, in this order. */
export interface ScramClient {
  readonly mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-256-PLUS";
  /** client-first-message */
  first(): string;
  /** client-final-message. Throws `AUTH_PROTOCOL`. */
  next(serverFirst: string): Promise<string>;
  /** Checks server-final-message. Throws `AUTH_REJECTED` or `AUTH_SERVER_UNPROVEN`. */
  verify(serverFinal: string): void;
}

/** Client side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), as PostgreSQL's `auth-scram.c` expects it. */
export function createScramClient(options: ScramClientOptions): ScramClient {
  const binding = options.channelBinding ?? { kind: "none" };
  const nonce = options.nonce ?? randomBytes(18).toString("base64");
  const gs2Header = { bound: "p=tls-server-end-point,,", "server-lacks": "y,,", none: "n,," }[binding.kind];
  const firstBare = `n=${escapeName(options.user)},r=${nonce}`;
  let serverSignature: Buffer | undefined;
  let answered = false;

  return {
    mechanism: binding.kind === "bound" ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256",
    first: () => gs2Header + firstBare,

    async next(serverFirst) {
      if (answered) throw authErrors.protocol("server asked for the proof twice");
      answered = true;
      const { serverNonce, salt, iterations } = parseServerFirst(serverFirst, nonce);
      const keys = await deriveScramKeys(options.password, salt, iterations);
      const bound = Buffer.concat([Buffer.from(gs2Header), binding.kind === "bound" ? binding.data : Buffer.alloc(0)]);
      const finalWithoutProof = `c=${bound.toString("base64")},r=${serverNonce}`;
      const authMessage = `${firstBare},${serverFirst},${finalWithoutProof}`;
      serverSignature = hmac(keys.serverKey, authMessage);
      const proof = xor(keys.clientKey, hmac(keys.storedKey, authMessage));
      return `${finalWithoutProof},p=${proof.toString("base64")}`;
    },

    verify(serverFinal) {
      if (serverSignature === undefined) throw authErrors.protocol("server finished before the proof was sent");
      const [attribute] = parseAttributes(serverFinal, "server's final message");
      if (attribute?.name === "e") throw authErrors.rejected(`server ended the authentication: ${attribute.value}`);
      if (attribute?.name !== "v") throw authErrors.protocol("server's final message has no signature");
      const signature = decodeBase64(attribute.value, "server's signature");
      if (signature.length !== serverSignature.length || !timingSafeEqual(signature, serverSignature)) {
        throw authErrors.serverUnproven("server's signature is wrong");
      }
    },
  };
}

function parseServerFirst(message: string, clientNonce: string): { serverNonce: string; salt: Buffer; iterations: number } {
  const [nonce, salt, iterations] = parseAttributes(message, "server's first message");
  if (nonce?.name !== "r" || salt?.name !== "s" || iterations?.name !== "i") {
    throw authErrors.protocol("server's first message lacks nonce, salt or iterations");
  }
  if (!nonce.value.startsWith(clientNonce) || nonce.value.length === clientNonce.length || !isNonce(nonce.value)) {
    throw authErrors.protocol("server's nonce does not extend ours");
  }
  const count = /^[1-9][0-9]{0,9}$/.test(iterations.value) ? Number(iterations.value) : 0;
  if (count < 1 || count > maximumIterations) throw authErrors.protocol(`server asks for ${iterations.value} iterations`);
  return { serverNonce: nonce.value, salt: decodeBase64(salt.value, "server's salt"), iterations: count };
}

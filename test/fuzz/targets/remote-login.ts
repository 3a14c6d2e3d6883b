/** Both sides of a login to remote management, each with a peer that says anything in pieces of any size. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { createScramSecret } from "../../../src/auth/index.ts";
import { MonetaError } from "../../../src/common/index.ts";
import { logInTo } from "../../../src/management/client-login.ts";
import {
  encodeAuthenticationOk,
  encodeRefusal,
  encodeSasl,
  encodeSaslContinue,
  encodeSaslFinal,
  encodeSaslInitial,
  encodeSaslResponse,
  encodeStart,
  encodeStartCode,
  startCodes,
} from "../../../src/management/login-messages.ts";
import { logIn } from "../../../src/management/server-login.ts";
import { cut } from "../engine/mutate.ts";
import type { Random } from "../engine/random.ts";
import { mustHold, type FuzzTarget, type OpenTarget } from "../engine/target.ts";

/** A connection whose other end says `input` and then nothing more; what is written to it is counted. */
function peerThatSays(input: Buffer, random: Random): { readonly socket: Socket; readonly written: () => number } {
  const pieces = cut(input, random);
  let written = 0;
  const socket = new Duplex({
    allowHalfOpen: true,
    read() {
      this.push(pieces.shift() ?? null);
    },
    write(bytes: Buffer, _encoding, done) {
      written += bytes.length;
      done();
    },
  });
  socket.on("error", () => undefined);
  return { socket: socket as unknown as Socket, written: () => written };
}

/** Whether a daemon that says this begins with its answer to a request for TLS. */
const answersTls = (input: Buffer): boolean => ["N", "S"].includes(input.toString("latin1", 0, 1));

/** True when the login succeeded; a refusal is thrown on. */
async function attempt(login: Promise<unknown>, socket: Socket): Promise<boolean> {
  try {
    await login;
    return true;
  } catch (error) {
    if (!(error instanceof MonetaError)) throw error;
    return false;
  } finally {
    socket.destroy();
  }
}

export const remoteLoginTarget: FuzzTarget = {
  name: "remote-login",
  cost: 4,
  async open(): Promise<OpenTarget> {
    const admins = new Map([["alice", { secret: await createScramSecret("pencil", Buffer.alloc(16, 5), 2), role: "admin" as const }]]);
    const nonce = "abcdefghijklmnopqrstuvwx";
    const first = `n,,n=,r=${nonce}`;
    const start = encodeStart({ user: "alice", database: "admin" });
    const final = encodeSaslResponse(`c=biws,r=${nonce}${nonce},p=${Buffer.alloc(32, 1).toString("base64")}`);
    const sasl = encodeSasl(["SCRAM-SHA-256"]);
    const challenge = encodeSaslContinue(`r=${nonce}x,s=${Buffer.alloc(16, 1).toString("base64")},i=2`);
    const proof = encodeSaslFinal(`v=${Buffer.alloc(32, 1).toString("base64")}`);
    return {
      corpus: [
        Buffer.concat([start, encodeSaslInitial("SCRAM-SHA-256", first), final]),
        Buffer.concat([encodeStartCode(startCodes.tls), start, encodeSaslInitial("SCRAM-SHA-256", first)]),
        Buffer.concat([encodeStartCode(startCodes.gss), start]),
        Buffer.concat([sasl, challenge, proof, encodeAuthenticationOk()]),
        Buffer.concat([Buffer.from("N"), sasl, challenge]),
        Buffer.concat([sasl, encodeRefusal({ state: "28P01", message: "no" })]),
      ],
      words: ["user\0", "database\0admin\0", "_pq_.x\0", "SCRAM-SHA-256\0", "SCRAM-SHA-256-PLUS\0", "n,,n=,r=", "p\0\0\0", "R\0\0\0", first, encodeStartCode(startCodes.tls), encodeAuthenticationOk()],
      async run(input, random) {
        const client = peerThatSays(input, random);
        const options = { startTls: undefined, tlsRequired: false, channelBinding: undefined, admins, saltKey: Buffer.alloc(32, 2), delay: () => 0 };
        const letIn = await attempt(logIn(client.socket, options), client.socket);
        mustHold(!letIn, "only who knows the password is let in");
        mustHold(client.written() < 4_096 + input.length, "a stranger is told little");
        // A daemon may ask for ten million rounds; that takes its time and is bounded elsewhere.
        if (/i=[0-9]{5}/.test(input.toString("latin1"))) return undefined;
        const daemon = peerThatSays(input, random);
        // A client that asks for TLS hears yes or no first, the other one never does; once in a while it is the wrong one.
        const mode = answersTls(input) === random.once(8) ? ("disable" as const) : ("prefer" as const);
        const address = { host: "h", port: 1, user: "alice", password: "pencil", tls: { mode } };
        const believed = await attempt(logInTo(daemon.socket, address), daemon.socket);
        mustHold(!believed, "only a daemon that knows the password is believed");
        // As far as a proof on one of the sides: what comes later depends on a password.
        return client.written() > 100 || daemon.written() > 150 ? undefined : "refused";
      },
    };
  },
};

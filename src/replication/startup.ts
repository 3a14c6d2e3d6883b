import { serialize } from "pg-protocol";
import { createScramClient, tlsServerEndPoint, type ChannelBinding, type ScramClient } from "../auth/index.ts";
import { toMonetaError, type MonetaError } from "../common/index.ts";
import type { ConnectOptions } from "./connect-options.ts";
import type { AuthenticationStep } from "./control-message.ts";
import { replicationErrors } from "./errors.ts";
import { serverError } from "./server-error.ts";
import type { Session } from "./session.ts";

/** How we proved who we are. */
export type AuthenticationMethod = "trust" | "cleartext" | "SCRAM-SHA-256" | "SCRAM-SHA-256-PLUS";

/** Start-up message, authentication, and all until the server is ready for a command. */
export async function startUp(session: Session, options: ConnectOptions): Promise<AuthenticationMethod> {
  const authentication = createAuthentication(session, options);
  return await new Promise<AuthenticationMethod>((resolve, reject) => {
    let authenticated = false;
    session.begin({
      message(message) {
        switch (message.kind) {
          case "authentication":
            if (authenticated) throw replicationErrors.protocol("authentication asked for twice");
            authenticated = message.step.method === "ok";
            authentication.take(message.step);
            return;
          case "ready":
            if (!authenticated) throw replicationErrors.protocol("server is ready without authentication");
            session.release();
            resolve(authentication.method());
            return;
          case "error":
            session.fail(serverError(message.notice));
            return;
          default:
            throw replicationErrors.protocol(`message "${message.kind}" during start-up`);
        }
      },
      failed: reject,
    });
    session.send(startupMessage(options));
  });
}

/** 3.0, which every server that we know speaks. */
const protocolVersion = 196_608;

/**
 * The start-up message (PostgreSQL manual, "Message Formats"). Names come as the bytes that the catalogue holds
 * (SQL_ASCII: no conversion): one that is not of the expected encoding, such as the location of a tablespace, would
 * otherwise be refused by the server, and a backup with it. The other settings of an SQL connection make its answers
 * independent of what the role or the database has configured: no foreign schema is searched, and dates read the same
 * everywhere. A walsender runs no SQL and gets none of them.
 */
function startupMessage(options: ConnectOptions): Buffer {
  const { user, database, replication, applicationName } = options;
  for (const text of [user, database ?? "", applicationName]) {
    if (text.includes("\0")) throw replicationErrors.misuse("a name with a zero byte cannot be sent to a server");
  }
  const parameters = {
    user,
    ...(database === undefined ? {} : { database }),
    application_name: applicationName,
    client_encoding: "SQL_ASCII",
    ...(replication ? { replication: "true" } : { search_path: "pg_catalog", DateStyle: "ISO, MDY" }),
  };
  const words = Object.entries(parameters).flatMap(([name, value]) => [`${name}\0`, `${value}\0`]);
  const body = Buffer.from(`${words.join("")}\0`);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(header.length + body.length, 0);
  header.writeUInt32BE(protocolVersion, 4);
  return Buffer.concat([header, body]);
}

interface Authentication {
  take(step: AuthenticationStep): void;
  method(): AuthenticationMethod;
}

function createAuthentication(session: Session, options: ConnectOptions): Authentication {
  let method: AuthenticationMethod = "trust";
  let scram: ScramClient | undefined;
  let verified = true;

  const fail = (error: unknown): void => {
    session.fail(toMonetaError(error) satisfies MonetaError);
  };
  const answer = (step: Promise<Buffer>): void => {
    step.then((bytes) => {
      session.send(bytes);
    }, fail);
  };
  const password = async (): Promise<string> => {
    const found = await options.password?.();
    if (found === undefined || found === "") {
      throw replicationErrors.passwordMissing(`server wants a password for role "${options.user}", and none is known`, {
        user: options.user,
      });
    }
    if (found.includes("\0")) throw replicationErrors.misuse("a password with a zero byte cannot be sent");
    return found;
  };
  const firstScramMessage = async (mechanisms: readonly string[]): Promise<Buffer> => {
    const binding = chooseBinding(session, mechanisms);
    scram = createScramClient({ user: "", password: await password(), channelBinding: binding });
    method = scram.mechanism;
    return serialize.sendSASLInitialResponseMessage(scram.mechanism, scram.first());
  };
  const started = (): ScramClient => {
    if (scram === undefined) throw replicationErrors.protocol("server continues a SASL exchange that was not begun");
    return scram;
  };

  return {
    method: () => method,
    take(step) {
      switch (step.method) {
        case "ok":
          // Without this a server that does not know the password could simply say yes.
          if (!verified) throw replicationErrors.protocol("server accepts before it proved that it knows the password");
          return;
        case "cleartext":
          method = "cleartext";
          answer(password().then((text) => serialize.password(text)));
          return;
        case "sasl":
          if (scram !== undefined) throw replicationErrors.protocol("server begins SASL twice");
          verified = false;
          answer(firstScramMessage(step.mechanisms));
          return;
        case "sasl-continue":
          answer(started().next(step.data).then((text) => serialize.sendSCRAMClientFinalMessage(text)));
          return;
        case "sasl-final":
          started().verify(step.data);
          verified = true;
          return;
        case "md5":
          throw replicationErrors.authenticationUnsupported(
            "server asks for md5 authentication, which is not safe and not supported",
            { method: "md5" },
          );
        case "other":
          throw replicationErrors.authenticationUnsupported(`server asks for ${step.name}, which is not supported`, {
            method: step.name,
          });
      }
    },
  };
}

/** Bind to the TLS channel whenever both sides can; tell the server when only it cannot (RFC 5802 section 6). */
function chooseBinding(session: Session, mechanisms: readonly string[]): ChannelBinding {
  const certificate = session.transport.serverCertificate;
  const data = certificate === undefined ? undefined : tlsServerEndPoint(certificate);
  if (mechanisms.includes("SCRAM-SHA-256-PLUS") && data !== undefined) return { kind: "bound", data };
  if (!mechanisms.includes("SCRAM-SHA-256")) {
    const offered = mechanisms.join(", ");
    throw replicationErrors.authenticationUnsupported(`server offers only ${offered}`, { method: offered });
  }
  // With an offered PLUS that we cannot use, "server-lacks" would look like an attack to the server.
  return data === undefined || mechanisms.includes("SCRAM-SHA-256-PLUS") ? { kind: "none" } : { kind: "server-lacks" };
}

/** A mail server of a test, with STARTTLS and logins, that remembers what it was sent. */
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import type { Certificate } from "./certificates.ts";
import { registerResource } from "./resources.ts";

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Who logged in; undefined without a login. */
  readonly user: string | undefined;
  readonly secured: boolean;
  readonly text: string;
}

export interface MailServer {
  readonly port: number;
  readonly mails: Mail[];
  close(): Promise<void>;
}

export interface MailServerOptions {
  readonly certificate: Certificate;
  /** A login is asked for. */
  readonly user?: string;
  readonly password?: string;
  /** It offers no STARTTLS. */
  readonly noTls?: boolean;
  /** It speaks TLS from the first byte. */
  readonly secure?: boolean;
  /** These addresses are refused. */
  readonly refused?: readonly string[];
}

export async function createMailServer({ certificate, user, password, noTls, secure = false, refused = [] }: MailServerOptions): Promise<MailServer> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    secure,
    cert: readFileSync(certificate.certFile),
    key: readFileSync(certificate.keyFile),
    authOptional: user === undefined,
    disabledCommands: [...(noTls === true ? ["STARTTLS"] : []), ...(user === undefined ? ["AUTH"] : [])],
    logger: false,
    onAuth(auth, _session, callback) {
      if (auth.username === user && auth.password === password) callback(null, { user: auth.username ?? "" });
      else callback(Object.assign(new Error("wrong login"), { responseCode: 535 }));
    },
    onRcptTo({ address }, _session, callback) {
      if (refused.includes(address)) callback(Object.assign(new Error("no such mailbox"), { responseCode: 550 }));
      else callback();
    },
    onData(stream, session, callback) {
      const pieces: Buffer[] = [];
      stream.on("data", (piece: Buffer) => pieces.push(piece));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          user: session.user,
          secured: session.secure,
          text: Buffer.concat(pieces).toString("utf8"),
        });
        callback();
      });
    },
  });
  server.on("error", () => undefined);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      forget();
      server.close(() => resolve());
    });
  const forget = registerResource({ name: `mail server ${port}`, release: close, abandon: () => server.close() });
  return { port, mails, close };
}

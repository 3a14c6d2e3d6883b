/** Notifications by e-mail, through an SMTP server. Loaded only where it is configured. */
import type * as nodemailer from "nodemailer";
import { messageOf } from "../common/index.ts";
import { notifyErrors } from "./errors.ts";
import { subjectOf, textOf, type Notification } from "./notification.ts";
import { trustOf, type TrustFiles } from "./trust.ts";

export interface MailSettings extends TrustFiles {
  readonly to: readonly string[];
  readonly from: string;
  readonly host: string;
  readonly port: number;
  /** `starttls`: never in clear text; `tls`: from the first byte; `none`: in clear text. */
  readonly tls: "starttls" | "tls" | "none";
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly timeLimitMs: number;
}

/** Loaded when the first mail is to be sent: its types alone cost nothing. */
type Nodemailer = typeof nodemailer;

async function loadNodemailer(): Promise<Nodemailer> {
  try {
    // It is a script: as a module it is the default of itself.
    const module = (await import("nodemailer")) as Nodemailer & { readonly default?: Nodemailer };
    return module.default ?? module;
  } catch (error) {
    throw notifyErrors.mailMissing("e-mail cannot be sent: nodemailer is not installed", {}, error);
  }
}

/** Resolves when the server has taken the mail for every address. */
export async function sendMail(settings: MailSettings, notification: Notification): Promise<void> {
  const { from, host, password, port, timeLimitMs, tls, to, user } = settings;
  const nodemailer = await loadNodemailer();
  const trust = tls === "none" ? {} : await trustOf(settings);
  const transport = nodemailer.createTransport({
    host,
    port,
    secure: tls === "tls",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    connectionTimeout: timeLimitMs,
    greetingTimeout: timeLimitMs,
    socketTimeout: timeLimitMs,
    dnsTimeout: timeLimitMs,
    ...(user === undefined ? {} : { auth: { user, pass: password ?? "" } }),
    tls: { minVersion: "TLSv1.2", ...trust },
    // Texts come from servers: none of them names a file or an address to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const where = `${host}:${port}`;
  try {
    const { rejected = [] } = await transport.sendMail({
      from,
      to: to.join(", "),
      subject: subjectOf(notification).replaceAll(/[\r\n]+/g, " "),
      text: `${textOf(notification).join("\n")}\n`,
      // An attempt whose answer was lost is repeated: whoever sorts by this sees that it is the same.
      messageId: `<${notification.id}@moneta>`,
      headers: { "Auto-Submitted": "auto-generated" },
    });
    if (rejected.length > 0) throw notifyErrors.refused(`the mail server ${where} refuses ${rejected.length} of ${to.length} addresses`, { host: where });
  } catch (error) {
    if (notifyErrors.refused.is(error)) throw error;
    const { responseCode } = error as { readonly responseCode?: number };
    if (responseCode !== undefined) throw notifyErrors.refused(`the mail server ${where} refuses: ${messageOf(error)}`, { host: where, status: responseCode }, error);
    throw notifyErrors.unreachable(`the mail server ${where} cannot be reached: ${messageOf(error)}`, { host: where }, error);
  } finally {
    transport.close();
  }
}

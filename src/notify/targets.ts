/** Where notifications go. Each takes one notification at a time, and throws when it was not taken. */
import { runOperatorProgram } from "../common/index.ts";
import { notifyErrors } from "./errors.ts";
import { alertmanagerAlert, jsonForm, slackForm } from "./forms.ts";
import type { MailSettings } from "./mail.ts";
import { isoTime, type Notification } from "./notification.ts";
import { post } from "./post.ts";
import type { TrustFiles } from "./trust.ts";

export interface Target {
  /** Key of the configuration that made it. */
  readonly name: string;
  send(notification: Notification): Promise<void>;
  /** Told again and again what is still so; undefined for targets that remember. */
  readonly refresh?: { readonly everyMs: number; send(firing: readonly Notification[]): Promise<void> };
}

export interface TargetSettings extends TrustFiles {
  readonly version: string;
  readonly webhook?: URL | undefined;
  readonly webhookToken?: string | undefined;
  readonly slack?: URL | undefined;
  readonly alertmanager?: URL | undefined;
  readonly mail?: MailSettings | undefined;
  readonly command?: string | undefined;
  /** What a program gets besides the variables of the notification. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeLimitMs: number;
}

/** Alertmanager takes an alert for resolved that is not repeated; Prometheus repeats every minute. */
const alertmanagerMs = 60_000;

export function createTargets(settings: TargetSettings): Target[] {
  const { alertmanager, caFile, command, crlFile, mail, slack, timeLimitMs, version, webhook, webhookToken: token } = settings;
  const common = { caFile, crlFile, timeLimitMs, version };
  const targets: (Target | undefined)[] = [
    webhook === undefined
      ? undefined
      : { name: "notify_webhook", send: (notification) => post({ ...common, url: webhook, token, body: jsonForm(notification, version) }) },
    slack === undefined ? undefined : { name: "notify_slack", send: (notification) => post({ ...common, url: slack, body: slackForm(notification) }) },
    alertmanager === undefined ? undefined : alertmanagerTarget(alertmanagerUrl(alertmanager), common),
    mail === undefined ? undefined : { name: "notify_email", send: async (notification) => (await import("./mail.ts")).sendMail(mail, notification) },
    command === undefined ? undefined : { name: "notify_command", send: (notification) => runCommand(command, notification, settings) },
  ];
  return targets.flatMap((target) => target ?? []);
}

/** The address of Alertmanager itself is enough. */
function alertmanagerUrl(url: URL): URL {
  if (url.pathname.endsWith("/alerts")) return url;
  const full = new URL(url);
  full.pathname = `${url.pathname.replace(/\/+$/, "")}/api/v2/alerts`;
  return full;
}

function alertmanagerTarget(url: URL, common: Pick<Parameters<typeof post>[0], "caFile" | "crlFile" | "timeLimitMs" | "version">): Target {
  const ends = (at: number): number => at + 4 * alertmanagerMs;
  return {
    name: "notify_alertmanager",
    send: (notification) => {
      const { at, kind } = notification;
      // A test is over after a moment, and is seen all the same.
      return post({ ...common, url, body: [alertmanagerAlert(notification, kind === "firing" ? ends(at) : kind === "test" ? at + alertmanagerMs : at)] });
    },
    refresh: {
      everyMs: alertmanagerMs,
      send: (firing) => post({ ...common, url, body: firing.map((one) => alertmanagerAlert(one, ends(Date.now()))) }),
    },
  };
}

async function runCommand(path: string, notification: Notification, { environment, timeLimitMs, version }: TargetSettings): Promise<void> {
  const { at, category, code, hint, id, kind, message, server, since } = notification;
  const end = await runOperatorProgram({
    path,
    environment: {
      ...environment,
      MONETA_STATUS: kind,
      MONETA_ID: id,
      MONETA_SERVER: server ?? "",
      MONETA_CODE: code,
      MONETA_CATEGORY: category,
      MONETA_MESSAGE: message.replaceAll("\0", ""),
      MONETA_HINT: hint,
      MONETA_SINCE: isoTime(since),
      MONETA_AT: isoTime(at),
    },
    input: `${JSON.stringify(jsonForm(notification, version))}\n`,
    timeLimitMs,
  });
  if (end.how === "exit" && end.status === 0) return;
  const said = end.output.trim().split("\n").at(-1) ?? "";
  throw notifyErrors.program(`"${path}" ${end.words}${said === "" ? "" : `, saying: ${said.slice(0, 300)}`}`, { path, status: end.status });
}

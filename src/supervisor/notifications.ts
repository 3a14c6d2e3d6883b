/** Joins the notifier to the rest of the supervisor: settings, what is looked at, and what survives a restart. */
import { environmentForOperators, messageOf, type Clock } from "../common/index.ts";
import type { MainOptions } from "../config/index.ts";
import type { CheckInput } from "../check/index.ts";
import { registerSecret, type Logger } from "../log/index.ts";
import {
  createNotifier,
  createTargets,
  type Alarm,
  type KnownAlarm,
  type Notification,
  type Notifier,
  type NotifierMemory,
  type NotifierSettings,
} from "../notify/index.ts";
import { openNotificationRecords, type NotificationRecords } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import type { AlarmSources } from "./alarms.ts";
import type { Checks } from "./checks.ts";
import type { JobOutcome } from "./job.ts";
import { alarmsToTell, createFailedJobs } from "./notify-alarms.ts";
import type { SupervisedServer } from "./server.ts";

export interface NotificationsOptions {
  readonly main: MainOptions;
  readonly storage: LocalStorage;
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Notifications {
  readonly notifier: Notifier;
  /** Looks at all servers again and again until the signal fires. */
  start(servers: () => readonly SupervisedServer[], sources: AlarmSources, checks: Pick<Checks, "last">, signal: AbortSignal): void;
  jobEnded(server: string, command: string, outcome: JobOutcome): void;
  /** For the checks. */
  readonly state: CheckInput["notifications"];
  /** Another configuration from now on. */
  update(main: MainOptions): void;
}

/** How often it is looked whether something is wrong, milliseconds: often enough for `notify_delay`. */
const lookMs = (delayMs: number): number => Math.min(15_000, Math.max(500, delayMs / 4));

/** The targets and rules of a configuration; what in it is secret never reaches a line of the log. */
export function notifierSettings(main: MainOptions, version: string, environment: Readonly<Record<string, string | undefined>>): NotifierSettings {
  for (const secret of [main.notifyWebhook?.href, main.notifySlack?.href, main.notifyAlertmanager?.href, main.notifyWebhookToken, main.notifySmtpPassword])
    if (secret !== undefined) registerSecret(secret);
  const timeLimitMs = main.notifyTimeout * 1000;
  const mail =
    main.notifyEmail === undefined || main.notifyEmailFrom === undefined
      ? undefined
      : {
          to: main.notifyEmail,
          from: main.notifyEmailFrom,
          host: main.notifySmtpHost,
          port: main.notifySmtpPort,
          tls: main.notifySmtpTls,
          user: main.notifySmtpUser,
          password: main.notifySmtpPassword,
          caFile: main.notifyCaFile,
          crlFile: main.notifyCrlFile,
          timeLimitMs,
        };
  return {
    targets: createTargets({
      version,
      webhook: main.notifyWebhook,
      webhookToken: main.notifyWebhookToken,
      slack: main.notifySlack,
      alertmanager: main.notifyAlertmanager,
      mail,
      command: main.notifyCommand,
      environment: environmentForOperators(environment),
      caFile: main.notifyCaFile,
      crlFile: main.notifyCrlFile,
      timeLimitMs,
    }),
    categories: main.notifyOn,
    delayMs: main.notifyDelay * 1000,
  };
}

export async function openNotifications(options: NotificationsOptions): Promise<Notifications> {
  const { clock, environment, logger, version } = options;
  const records = openNotificationRecords(options.storage);
  const settings = notifierSettings(options.main, version, environment);
  // Without targets nothing is read or written.
  const memory = settings.targets.length === 0 ? { known: [], pending: {} } : await readMemory(records, logger);
  const notifier = createNotifier({ ...settings, clock, logger, memory, remember: (state) => records.write(state) });
  const failed = createFailedJobs(memory.known);
  let intervalMs = lookMs(settings.delayMs);
  let look = (): void => undefined;
  return {
    notifier,
    start(servers, sources, checks, signal) {
      look = () => {
        if (notifier.targets === 0 || signal.aborted) return;
        try {
          notifier.look(alarmsToTell(servers(), sources, checks, failed));
        } catch (error) {
          logger.error(`what is to be notified cannot be found out: ${messageOf(error)}`);
        }
      };
      const again = async (): Promise<void> => {
        for (;;) {
          look();
          await clock.sleep(intervalMs, signal);
        }
      };
      again().catch(() => notifier.close()); // Only the signal ends the sleep.
    },
    jobEnded(server, command, outcome) {
      const alarm = failed.ended(server, command, outcome);
      if (notifier.targets === 0) return;
      if (alarm !== undefined) notifier.happened(alarm);
      look();
    },
    get state() {
      return {
        configured: notifier.targets,
        failing: notifier.failing.map(({ error, pending, target }) => ({ code: error.code, message: `${target}: ${error.message} (${pending} waiting)`, hint: error.hint })),
      };
    },
    update(main) {
      const next = notifierSettings(main, version, environment);
      intervalMs = lookMs(next.delayMs);
      notifier.update(next);
      look();
    },
  };
}

async function readMemory(records: NotificationRecords, logger: Logger): Promise<NotifierMemory> {
  try {
    const { known, pending } = await records.read();
    return {
      known: known.filter(isKnown),
      pending: Object.fromEntries(Object.entries(pending).map(([target, list]) => [target, list.filter(isNotification)])),
    };
  } catch (error) {
    logger.error(`what was notified before cannot be read, it begins anew: ${messageOf(error)}`);
    return { known: [], pending: {} };
  }
}

type Unread = Readonly<Record<string, unknown>>;

/** The file has a checksum: what is wrong in it was written by another version. */
const texts = (value: Unread, ...names: readonly string[]): boolean => names.every((name) => typeof value[name] === "string");
/** Milliseconds since 1970 of which a date can be made: one that cannot be shown would keep all others from being told. */
const moments = (value: Unread, ...names: readonly string[]): boolean =>
  names.every((name) => typeof value[name] === "number" && !Number.isNaN(new Date(value[name]).getTime()));
const isAlarm = (value: Unread): value is Unread & Alarm =>
  texts(value, "code", "category", "message", "hint") && (value["server"] === null || typeof value["server"] === "string");
const isKnown = (value: Unread): value is Unread & KnownAlarm => isAlarm(value) && texts(value, "key") && moments(value, "since");
const isNotification = (value: Unread): value is Unread & Notification => isAlarm(value) && texts(value, "id", "kind") && moments(value, "since", "at");

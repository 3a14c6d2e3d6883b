export { notifyErrors } from "./errors.ts";
export * from "./options.ts";
export type * from "./notification.ts";
export { takeIn, type KnownAlarm, type Sight } from "./alarm-book.ts";
export { createTargets, type Target, type TargetSettings } from "./targets.ts";
export type { MailSettings } from "./mail.ts";
export { createNotifier, type Notifier, type NotifierMemory, type NotifierSettings, type TestResult } from "./notifier.ts";
export { jsonForm, slackForm, alertmanagerAlert } from "./forms.ts";

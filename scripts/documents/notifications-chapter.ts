/** doc/manual/notifications.md. */
import { mainTable } from "../../src/config/index.ts";
import { categoryMeanings, jsonForm, notifyCategories, type Notification } from "../../src/notify/index.ts";
import { defaultText } from "./option-facts.ts";
import { table } from "./markdown.ts";

/** The notification that the chapter shows. */
export const shownNotification: Notification = {
  id: "0b5c5f5e-3c1f-4f58-9d0b-0d7a0c2b7f11",
  kind: "firing",
  server: "primary",
  code: "BACKUP_OVERDUE",
  category: "too_old",
  message: "the newest valid backup is 2 d 03 h old, backup_max_age is 1 d 00 h",
  hint: "Take a backup (moneta-cli backup <server>), and see with moneta-cli schedule what keeps those that should be taken by themselves from it.",
  since: Date.UTC(2026, 10, 20, 8, 38, 44),
  at: Date.UTC(2026, 10, 20, 8, 39, 44),
};

const introduction = `# Notifications

Whatever \`moneta-cli status\` shows as a trouble can be told to somebody: by a webhook, to Slack, to Alertmanager, by e-mail, by a
program of yours. One key in \`pgmoneta.conf\` switches each of them on; all can be used at once.

    notify_email = dba@example.org, oncall@example.org
    notify_email_from = moneta@backup.example.org
    notify_smtp_host = mail.example.org
    notify_smtp_user = moneta
    notify_smtp_password = …

    notify_slack = https://hooks.slack.com/services/…

\`moneta-cli notify test\` sends a test through every target, waits for each, and says which did not take it.

## What is told, and how often

A trouble that lasts for \`notify_delay\` is told once, and once more when it has been gone as long. However long it lasts and however often
it changes its figures in between, it is not told again; a restart of the daemon does not tell it again either. The failure of a backup
is told at once and is over with the next backup that succeeds. A restore, archive, delete or lineage that fails is told once.

No stream is over before WAL comes in again. What cannot be looked at is not over either: while the server does not answer, what was last said of its pg_wal, its clock or its settings stays as
it was told; after a start of the daemon, a file system that was about to be full is, until it was watched for long enough or is seen not to fill up.

What is not delivered is kept and tried again after 2 seconds, then after twice as long each time, up to 5 minutes; also after a restart of
the daemon. For each target 200 notifications are kept; then the oldest is given up, and the next one that is delivered says how many
were. A target that takes nothing is shown by \`moneta-cli check\` (NOTIFICATIONS).

A notification whose answer was lost is sent again: its \`id\` is the same.
`;

const forms = `## Forms

**notify_webhook** gets a POST with this document. Any status from 200 to 299 takes it; redirections are not followed.
\`notify_webhook_token\` is sent as \`Authorization: Bearer\`. \`status\` is \`firing\`, \`recovered\` or \`test\`; \`server\` is null where it is about the daemon.
`;

const rest = `**notify_slack** gets \`{"text": …}\`, the form of Slack's incoming webhooks, which Mattermost and Rocket.Chat take as well.

**notify_alertmanager** is the address of Alertmanager, to which alerts are posted (API v2, \`/api/v2/alerts\` is added): the labels
\`alertname\` (the code), \`source\`, \`category\` and \`server\`, the annotations \`summary\` and \`description\`. What is still so is posted again every
minute with an end 4 minutes ahead, so that nothing stays when the daemon is gone.

**notify_email** sends one mail in plain text to all addresses. With \`starttls\`, which is usual, nothing is sent to a server without TLS or with a
certificate that is not trusted; \`notify_ca_file\` names further authorities. A login in clear text is refused in the configuration.

With \`notify_crl_file\` no webhook over HTTPS and no mail server is trusted whose certificate has been revoked. It needs a list of every authority that
is met, also of public ones such as Slack's, and each has to be renewed in time: without a list that holds nothing is sent to that target.

**notify_command** is run once for each notification, with the document above on standard input and in its environment \`MONETA_STATUS\`, \`MONETA_ID\`,
\`MONETA_SERVER\`, \`MONETA_CODE\`, \`MONETA_CATEGORY\`, \`MONETA_MESSAGE\`, \`MONETA_HINT\`, \`MONETA_SINCE\` and \`MONETA_AT\`. It must end with 0 within
\`notify_timeout\`; then it is killed with its process group, and tried again.

Addresses of webhooks, token and password are secrets: neither the log nor an answer has them; messages name the host alone.

## Keys
`;

/** The text of the chapter. */
export function notificationsChapter(): string {
  const keys = Object.entries(mainTable).filter(([key]) => key.startsWith("notify_"));
  const lines = [
    introduction,
    ...table(["notify_on", "Is about"], notifyCategories.map((name) => [`\`${name}\``, `${categoryMeanings[name]}.`])),
    "",
    forms,
    ...JSON.stringify(jsonForm(shownNotification, "0.1.0"), undefined, 2).split("\n").map((line) => `    ${line}`),
    "",
    rest,
    ...table(["Key", "Default", "Meaning"], keys.map(([key, option]) => [`\`${key}\``, defaultText(option), option.description])),
    "",
    "This chapter is made by `npm run generate:documents`.",
  ];
  return `${lines.join("\n")}\n`;
}

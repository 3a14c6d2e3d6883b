/** Keys about notifications. */
import { notifyCategories } from "../notify/options.ts";
import { defaulting, optional, type OptionTable } from "./option.ts";
import { duration, listOf, named, oneOf, path, positiveTimeLimit, remotePort, text } from "./value-kinds.ts";
import { mailAddress, webAddress } from "./value-kinds-notify.ts";

export const notifyOptions = {
  notify_on: defaulting(listOf(oneOf(notifyCategories)), [...notifyCategories], {
    reload: "live",
    ours: true,
    description:
      "What is told. doc/manual/notifications.md says what belongs to each; without recovered nothing is told when it is over.",
  }),
  notify_delay: defaulting(duration, 60, {
    reload: "live",
    ours: true,
    description: "How long a trouble has to last before it is told, and to be gone before it is over. What happens once is told at once.",
  }),
  notify_timeout: defaulting(positiveTimeLimit, 30, {
    reload: "live",
    ours: true,
    description: "How long a target may take to accept a notification.",
  }),
  notify_webhook: optional(webAddress, {
    reload: "live",
    ours: true,
    secret: true,
    description: "An address to which each notification is posted as a JSON document.",
  }),
  notify_webhook_token: optional(text, {
    reload: "live",
    ours: true,
    secret: true,
    description: "A token that is sent to notify_webhook as Authorization: Bearer.",
  }),
  notify_slack: optional(webAddress, {
    reload: "live",
    ours: true,
    secret: true,
    description: "An incoming webhook of Slack, or of a service that takes its form.",
  }),
  notify_alertmanager: optional(webAddress, {
    reload: "live",
    ours: true,
    secret: true,
    description: "The address of a Prometheus Alertmanager, which gets the alarms as alerts, again every minute while they last.",
  }),
  notify_email: optional(listOf(mailAddress), {
    reload: "live",
    ours: true,
    description: "E-mail addresses, separated by commas, that get each notification.",
  }),
  notify_email_from: optional(mailAddress, {
    reload: "live",
    ours: true,
    description: "The address from which mails come; needed with notify_email.",
  }),
  notify_smtp_host: defaulting(named("a host name or an address"), "localhost", {
    reload: "live",
    ours: true,
    description: "The mail server.",
  }),
  notify_smtp_port: defaulting(remotePort, 587, {
    reload: "live",
    ours: true,
    description: "The port of the mail server: 587 for starttls, 465 for tls, 25 for none as a rule.",
  }),
  notify_smtp_tls: defaulting(oneOf(["starttls", "tls", "none"]), "starttls", {
    reload: "live",
    ours: true,
    description:
      "How the connection to the mail server is protected: by STARTTLS, without which nothing is sent; by TLS from the first byte; not at all.",
  }),
  notify_smtp_user: optional(text, {
    reload: "live",
    ours: true,
    description: "The login at the mail server; without it there is none.",
  }),
  notify_smtp_password: optional(text, {
    reload: "live",
    ours: true,
    secret: true,
    description: "The password that belongs to notify_smtp_user.",
  }),
  notify_ca_file: optional(path, {
    reload: "live",
    ours: true,
    expandsEnvironment: true,
    description:
      "Certificate authorities that webhooks and the mail server may be signed by, besides those that Node trusts. The file is read for each attempt.",
  }),
  notify_crl_file: optional(path, {
    reload: "live",
    ours: true,
    expandsEnvironment: true,
    description:
      "Revocation lists (PEM), one of each authority that webhooks and the mail server are signed by, public ones included: a target whose certificate is in a list is not trusted, and none whose authority has no list there that holds. The file is read for each attempt.",
  }),
  notify_command: optional(path, {
    reload: "live",
    ours: true,
    expandsEnvironment: true,
    description: "A program that is run for each notification, which it gets in its environment and as JSON on standard input.",
  }),
} satisfies OptionTable;

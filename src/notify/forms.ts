/** The bodies of webhooks. */
import { isoTime, type Notification } from "./notification.ts";

/** The generic form; a test holds the manual to it. */
export function jsonForm(notification: Notification, version: string): unknown {
  const { at, category, code, hint, id, kind, message, server, since } = notification;
  return {
    source: "moneta",
    version,
    id,
    status: kind,
    server,
    code,
    category,
    message,
    hint,
    since: isoTime(since),
    at: isoTime(at),
  };
}

/** Three characters mean something to Slack. */
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** What an incoming webhook of Slack, and of what imitates it, takes. */
export function slackForm({ kind, server, code, message, hint }: Notification): unknown {
  const head = { firing: "*FIRING*", recovered: "*RECOVERED*", test: "*TEST*" }[kind];
  const about = server === null ? "" : ` ${escaped(server)}:`;
  const advice = kind === "firing" ? `\n_${escaped(hint)}_` : "";
  return { text: `${head}${about} \`${code}\` ${escaped(message)}${advice}` };
}

/** An alert of Prometheus' Alertmanager (API v2, POST /api/v2/alerts); `ends` in milliseconds since 1970. */
export function alertmanagerAlert({ category, code, hint, message, server, since }: Omit<Notification, "id" | "kind" | "at">, ends: number): unknown {
  return {
    labels: { alertname: code, source: "moneta", category, ...(server === null ? {} : { server }) },
    annotations: { summary: message, description: hint },
    startsAt: isoTime(since),
    endsAt: isoTime(ends),
  };
}

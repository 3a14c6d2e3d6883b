/** Rules between the keys of notifications: what is set in vain, or cannot work. */
import type { SectionUnderCheck } from "./check-consistency.ts";
import type { ConfigProblem } from "./configuration.ts";

/** A key, and the one without which it has no meaning. */
const needs: readonly (readonly [key: string, needed: string])[] = [
  ["notify_email", "notify_email_from"],
  ["notify_email_from", "notify_email"],
  ["notify_smtp_password", "notify_smtp_user"],
  ["notify_smtp_user", "notify_smtp_password"],
  ["notify_webhook_token", "notify_webhook"],
];

export function checkNotify(file: string, { section, compiled }: SectionUnderCheck): ConfigProblem[] {
  const { entries, values } = compiled;
  const problems = needs.flatMap(([key, needed]): ConfigProblem[] => {
    if (values.get(key) === undefined || values.get(needed) !== undefined || entries.has(needed)) return [];
    return [{ file, line: entries.get(key)?.line, section: section.name, key, message: `expected ${needed} as well, without which it has no effect` }];
  });
  if (values.get("notify_smtp_user") !== undefined && values.get("notify_smtp_tls") === "none") {
    const message = "expected starttls or tls, because a password would travel in clear text";
    problems.push({ file, line: entries.get("notify_smtp_tls")?.line, section: section.name, key: "notify_smtp_tls", message });
  }
  return problems;
}

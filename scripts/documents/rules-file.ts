/** etc/prometheus/moneta.rules.yml. */
import { alertRules } from "./alert-rules.ts";

/** Text in double quotes is the same in YAML as in JSON. */
const quoted = (text: string): string => JSON.stringify(text);

/** The text of the file. */
export function rulesFile(): string {
  const lines = [
    "# Alert rules for Moneta: name this file under rule_files in prometheus.yml.",
    "# Made by npm run generate:documents; each rule is explained in doc/manual/metrics.md.",
    "groups:",
    "  - name: moneta",
    "    rules:",
    ...alertRules.flatMap(({ alert, expr, for: lasting, severity, summary, description }) => [
      `      - alert: ${alert}`,
      `        expr: ${quoted(expr)}`,
      `        for: ${lasting}`,
      "        labels:",
      `          severity: ${severity}`,
      "        annotations:",
      `          summary: ${quoted(summary)}`,
      `          description: ${quoted(description)}`,
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

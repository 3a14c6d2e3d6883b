/** The alert rules and dashboards that are shipped, checked against the metrics that there are, and by Prometheus' own tool. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { alertRules } from "../../../scripts/documents/alert-rules.ts";
import { allFamilies } from "../../../src/metrics/index.ts";
import { requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const etc = join(import.meta.dirname, "../../../etc");
const rulesPath = join(etc, "prometheus/moneta.rules.yml");

/** Labels that every series has from Prometheus itself. */
const ofScrape = ["instance", "job"];
const labelsOf = new Map<string, readonly string[]>(
  allFamilies.flatMap(({ name, type, labels }): [string, readonly string[]][] =>
    type === "histogram" ? [[`${name}_bucket`, [...labels, "le"]], [`${name}_sum`, labels], [`${name}_count`, labels]] : [[name, labels]],
  ),
);
const words = /(?:p?g?moneta|process)_\w+/g;

/** What an expression asks for that is not there: metrics, and labels of one. */
function unknownIn(expr: string): string[] {
  const found = [...expr.matchAll(words)].map(([name]) => name);
  const unknown = found.filter((name) => !labelsOf.has(name));
  for (const [, name = "", selector = ""] of expr.matchAll(/(\w+)\{([^}]*)\}/g)) {
    for (const [, label = ""] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
      if (!ofScrape.includes(label) && labelsOf.get(name)?.includes(label) !== true) unknown.push(`${name}{${label}}`);
    }
  }
  const known = new Set([...ofScrape, ...found.flatMap((name) => labelsOf.get(name) ?? [])]);
  for (const [, list = ""] of expr.matchAll(/(?:by|on|ignoring)\s*\(([^)]*)\)/g)) {
    unknown.push(...list.split(",").map((label) => label.trim()).filter((label) => label !== "" && !known.has(label)));
  }
  return unknown;
}

describe("the alert rules", () => {
  it.each(alertRules.map((rule) => [rule.alert, rule] as const))("%s asks for metrics and labels that there are", (_name, { expr, summary, description, fires, silent }) => {
    expect(unknownIn(expr)).toEqual([]);
    expect([...expr.matchAll(words)].length).toBeGreaterThan(0);
    for (const series of [...Object.keys(fires), ...Object.keys(silent)].filter((name) => !name.startsWith("up{"))) expect(unknownIn(series)).toEqual([]);
    // A label that the result does not have would leave a hole in the sentence.
    const has = new Set([...expr.matchAll(words)].flatMap(([name]) => labelsOf.get(name) ?? []));
    for (const [, label = ""] of `${summary} ${description}`.matchAll(/\$labels\.(\w+)/g)) expect(has).toContain(label);
  });

  it("notices a metric and a label that there are not", () => {
    expect(unknownIn('sum by (nom) (moneta_bakups{state="valid"}) + moneta_backups{stat="valid"}')).toEqual(["moneta_bakups", "moneta_bakups{state}", "moneta_backups{stat}", "nom"]);
  });

  requires("promtool").it("are what promtool takes for rules, and each fires when it should and is silent when it should", () => {
    const checked = spawnSync(tool("promtool"), ["check", "rules", rulesPath], { encoding: "utf8" });
    expect([checked.status, checked.stdout + checked.stderr]).toEqual([0, expect.stringContaining(`${alertRules.length} rules found`)]);
    const minutes = (of: string): number => Number(/^(\d+)m$/.exec(of)?.[1] ?? Number(/^(\d+)h$/.exec(of)?.[1] ?? 0) * 60);
    const test = (alert: string, series: Readonly<Record<string, string>>, lasting: string, fires: boolean) => {
      // Late enough for the rule and the window that it looks at, and within the series.
      const at = Math.max(minutes(lasting) + 10, 50) + (alert === "MonetaQueueStuck" ? 90 : 0);
      return { interval: "5m", input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })), at, alert, fires };
    };
    const tests = alertRules.flatMap(({ alert, for: lasting, fires, silent }) => [test(alert, fires, lasting, true), test(alert, silent, lasting, false)]);
    const directory = temporaryDirectory({ prefix: "mr" }).path;
    const failures: string[] = [];
    // What fires has labels and sentences; that it fires at all is seen by the count of firing alerts.
    const document = {
      rule_files: [rulesPath],
      evaluation_interval: "5m",
      tests: tests.map(({ interval, input_series, at, alert, fires }) => ({
        interval,
        name: `${alert} ${fires ? "fires" : "is silent"}`,
        input_series,
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`,
            eval_time: `${at}m`,
            exp_samples: [{ labels: "{}", value: fires ? 1 : 0 }],
          },
        ],
      })),
    };
    // JSON is YAML.
    const file = join(directory, "tests.yml");
    writeFileSync(file, JSON.stringify(document));
    const { status, stdout, stderr } = spawnSync(tool("promtool"), ["test", "rules", file], { encoding: "utf8" });
    if (status !== 0) failures.push(stdout + stderr);
    expect(failures).toEqual([]);
  });
});

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}
interface Dashboard {
  readonly uid: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly panels: readonly { readonly id: number; readonly title: string; readonly gridPos: { readonly x: number; readonly w: number }; readonly targets?: readonly Target[] }[];
}

describe.each(["moneta", "pgmoneta"])("the dashboard %s", (name) => {
  const dashboard = JSON.parse(readFileSync(join(etc, `grafana/${name}.json`), "utf8")) as Dashboard;
  const targets = dashboard.panels.flatMap(({ title, targets: own = [] }) => own.map((target) => ({ title, ...target })));

  it("asks for metrics and labels that there are, by names of its own kind", () => {
    expect(targets.length).toBeGreaterThan(20);
    for (const { title, expr, legendFormat } of targets) {
      expect([title, unknownIn(expr)]).toEqual([title, []]);
      for (const [metric] of expr.matchAll(words)) expect(metric.startsWith(`${name}_`), metric).toBe(true);
      const known = [...expr.matchAll(words)].flatMap(([metric]) => labelsOf.get(metric) ?? []);
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect([title, known]).toEqual([title, expect.arrayContaining([label])]);
    }
    for (const { definition } of dashboard.templating.list) if (definition !== undefined) expect(unknownIn(definition)).toEqual([]);
  });

  it("has panels that lie beside each other", () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    expect(dashboard.panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });
});

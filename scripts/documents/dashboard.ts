/** A Grafana dashboard from a short description: rows of panels, each with its queries. */

export interface Query {
  readonly expr: string;
  /** `{{label}}` is filled in by Grafana. */
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  readonly kind: "stat" | "timeseries" | "table" | "bargauge";
  /** Grafana's name of the unit. */
  readonly unit?: string;
  readonly queries: readonly Query[];
  readonly help?: string;
  /** Of 24. */
  readonly width?: number;
  /** Values from which on it turns orange and red. */
  readonly limits?: { readonly orange: number; readonly red: number };
  /** Low is bad: below these it is orange, red. */
  readonly floor?: { readonly orange: number; readonly red: number };
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface DashboardFacts {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
}

const source = { type: "prometheus", uid: "${datasource}" };
const panelHeight = 7;

function thresholds({ limits, floor }: Panel): object {
  const green = { color: "green", value: null };
  if (limits !== undefined) {
    return { mode: "absolute", steps: [green, { color: "orange", value: limits.orange }, { color: "red", value: limits.red }] };
  }
  if (floor === undefined) return { mode: "absolute", steps: [green] };
  return { mode: "absolute", steps: [{ color: "red", value: null }, { color: "orange", value: floor.red }, { color: "green", value: floor.orange }] };
}

function panelOf(panel: Panel, id: number, place: { readonly x: number; readonly y: number; readonly w: number }): object {
  const instant = panel.kind !== "timeseries";
  return {
    id,
    type: panel.kind,
    title: panel.title,
    ...(panel.help === undefined ? {} : { description: panel.help }),
    datasource: source,
    gridPos: { ...place, h: panelHeight },
    fieldConfig: {
      defaults: { ...(panel.unit === undefined ? {} : { unit: panel.unit }), thresholds: thresholds(panel), custom: {} },
      overrides: [],
    },
    options:
      panel.kind === "timeseries"
        ? { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } }
        : panel.kind === "table"
          ? { showHeader: true }
          : { reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false }, orientation: "auto", textMode: "auto", colorMode: "value" },
    targets: panel.queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: source,
      expr,
      legendFormat: legend,
      instant,
      range: !instant,
      ...(panel.kind === "table" ? { format: "table" } : {}),
    })),
  };
}

function variable(name: string, label: string, query: string, multi: boolean): object {
  return {
    name,
    label,
    type: "query",
    datasource: source,
    definition: query,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    multi,
    includeAll: multi,
    ...(multi ? { current: { text: ["All"], value: ["$__all"] } } : {}),
  };
}

/** The text of the file, as Grafana imports it. `known` is a metric that every daemon has, `servers` one with their names. */
export function dashboardFile({ uid, title, description, rows }: DashboardFacts, known: string, servers: string): string {
  let id = 0;
  let y = 0;
  const panels: object[] = [];
  for (const row of rows) {
    panels.push({ id: (id += 1), type: "row", title: row.title, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] });
    y += 1;
    let x = 0;
    for (const panel of row.panels) {
      const w = panel.width ?? 8;
      if (x + w > 24) {
        x = 0;
        y += panelHeight;
      }
      panels.push(panelOf(panel, (id += 1), { x, y, w }));
      x += w;
    }
    y += panelHeight;
  }
  const dashboard = {
    uid,
    title,
    description,
    tags: ["moneta", "postgresql", "backup"],
    timezone: "browser",
    schemaVersion: 38,
    version: 1,
    editable: true,
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
        variable("instance", "Daemon", `label_values(${known}, instance)`, false),
        variable("name", "Server", `label_values(${servers}{instance="$instance"}, name)`, true),
      ],
    },
    annotations: { list: [] },
    panels,
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

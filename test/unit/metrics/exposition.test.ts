/** What is told to Prometheus, judged by its own tools where they are there. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allFamilies, chooseFormat, createMetricsRenderer, metricsPage, pgmonetaGroups, type DaemonFacts, type ExpositionFormat } from "../../../src/metrics/index.ts";
import { requires, tool } from "../../support/requires.ts";
import { daemon, entry, server, stateWith } from "./facts.ts";

const textOf = (facts: DaemonFacts, format: ExpositionFormat = "text", limit = 0): string =>
  Buffer.concat(createMetricsRenderer(() => limit).render(facts, format)).toString();
const samplesOf = (text: string, name: string): string[] => text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

const full = daemon([
  server("primary", { entries: [entry("20261120090138"), entry("20261121090138", { keep: true }), entry("20261122090138", {}, "invalid"), entry("20261123090138", {}, "damaged")], problems: ["WAL_GAP", "WAL_GAP", "BACKUP_OVERDUE"] }),
  server('odd "name"\\'),
]);

describe("an exposition", () => {
  it("has every family of pgmoneta's with its name and labels, as a scrape of pgmoneta shows them", () => {
    const captured = readFileSync(join(import.meta.dirname, "../../fixtures/pgmoneta-scrape.txt"), "utf8");
    const theirs = new Map<string, string>();
    for (const line of captured.split("\n")) {
      const [, name, labels = ""] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
      if (name !== undefined) theirs.set(name, [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label).join());
    }
    const ours = new Map(pgmonetaGroups.flatMap(({ families }) => families).map(({ name, labels }) => [name, labels.join()]));
    expect(theirs.size).toBe(100);
    expect(new Map([...ours].toSorted())).toEqual(new Map([...theirs].toSorted()));
    // And each of them has a sample, as long as a server has streamed.
    const text = textOf(full);
    expect([...ours.keys()].filter((name) => samplesOf(text, name).length === 0)).toEqual([]);
  });

  it("says each sample once, and the samples of a family together", () => {
    const lines = textOf(full).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const series = lines.map((line) => line.replace(/ \S+$/, ""));
    expect(series.length).toBe(new Set(series).size);
    const order = series.map((line) => line.replace(/\{.*/s, "").replace(/_(bucket|sum|count)$/, ""));
    const changes = order.filter((name, index) => name !== order[index - 1]);
    expect(changes.length).toBe(new Set(changes).size);
  });

  it("shows the values that are meant", () => {
    const text = textOf(full);
    for (const line of [
      'moneta_wal_lag_bytes{name="primary"} 256',
      'moneta_wal_lag_seconds{name="primary"} 4',
      'moneta_wal_flush_duration_seconds_bucket{name="primary",le="0.001"} 3',
      'moneta_wal_flush_duration_seconds_bucket{name="primary",le="1.0"} 4',
      'moneta_wal_flush_duration_seconds_bucket{name="primary",le="+Inf"} 5',
      'moneta_wal_flush_duration_seconds_sum{name="primary"} 12',
      'moneta_receiver_state{name="primary",state="streaming"} 1',
      'moneta_receiver_state{name="primary",state="paused"} 0',
      'moneta_server_problem{name="primary",code="WAL_GAP"} 2',
      'moneta_backups{name="primary",state="damaged"} 1',
      'moneta_jobs_total{name="primary",command="backup",outcome="failed"} 1',
      "moneta_repository_full_seconds +Inf",
      "moneta_repository_growth_bytes_per_second 2",
      'moneta_process_cpu_seconds_total{process="job",name="primary",command="restore"} 5',
      'pgmoneta_backup{name="primary",label="20261122090138"} 0',
      'pgmoneta_backup{name="primary",label="20261123090138"} 0',
      'pgmoneta_backup_retain{name="primary",label="20261121090138"} 1',
      'pgmoneta_restore_size_increment{name="primary",label="20261121090138"} 0',
      'pgmoneta_backup_start_walpos{name="primary",label="20261120090138",walpos="0/2000028"} 1',
      'pgmoneta_backup_throughput{name="primary",label="20261120090138"} 2',
      'pgmoneta_backup_oldest{name="primary"} 20261120090138',
      'pgmoneta_current_wal_file{name="primary",file="000000010000000000000003.partial"} 1',
      'pgmoneta_server_extension{name="primary",extension="plpgsql",version="1.0",comment="PL/pgSQL \\"procedural\\"\\nlanguage \\\\"} 1',
      "pgmoneta_logging_info 1",
    ]) {
      expect(text.split("\n")).toContain(line);
    }
    // A server without backups is shown as pgmoneta shows it.
    expect(samplesOf(text, "pgmoneta_backup_end_walpos").at(-1)).toBe('pgmoneta_backup_end_walpos{name="odd \\"name\\"\\\\",label="0",walpos="0/0"} 0');
  });

  it("has no sample of what is not known, and no time that nobody proved", () => {
    const unknown = daemon([server("new", { state: stateWith({}), window: { start: undefined, end: undefined } })]);
    const text = textOf(unknown);
    for (const name of ["moneta_wal_lag_bytes", "moneta_wal_lag_seconds", "moneta_backup_age_seconds", "moneta_proven_time_seconds", "moneta_recovery_window_start_time_seconds"]) {
      expect(samplesOf(text, name)).toEqual([]);
    }
    expect(samplesOf(text, "moneta_recovery_window_seconds")).toEqual(['moneta_recovery_window_seconds{name="new"} 0']);
  });

  it("has the newest backups of each server, as many as are wanted, and counts all of them", () => {
    const entries = Array.from({ length: 20 }, (_, index) => entry(`202611200901${String(index).padStart(2, "0")}`));
    const text = textOf(daemon([server("primary", { entries })]), "text", 3);
    expect(samplesOf(text, "pgmoneta_backup").map((line) => /label="\d+(\d\d)"/.exec(line)?.[1])).toEqual(["17", "18", "19"]);
    expect(text).toContain('pgmoneta_backup_valid{name="primary"} 20\n');
  });

  it("renders what belongs to single backups once, and again only for the server where something changed", () => {
    const renderer = createMetricsRenderer(() => 0);
    const entries = [entry("20261120090138")];
    const first = renderer.render(daemon([server("a", { entries }), server("b", { entries })]), "text")[1];
    const readAgain = renderer.render(daemon([server("a", { entries: [entry("20261120090138")] }), server("b", { entries })]), "openmetrics")[1];
    expect(readAgain).toBe(first);
    const changed = renderer.render(daemon([server("a", { entries }), server("b", { entries: [entry("20261120090138", { keep: true })] })]), "text")[1];
    expect(changed).not.toBe(first);
    expect(changed?.toString()).toContain('pgmoneta_backup_retain{name="b",label="20261120090138"} 1');
    const fewer = renderer.render(daemon([server("b", { entries })]), "text")[1];
    expect(fewer?.toString()).not.toContain('name="a"');
  });

  it("is OpenMetrics for whoever prefers it: counters are named without _total, and nothing follows the end", () => {
    const text = textOf(full, "openmetrics");
    expect(text.endsWith("\n# EOF\n")).toBe(true);
    expect(text).toContain("# TYPE moneta_wal_received_bytes counter\nmoneta_wal_received_bytes_total{");
    expect(text).toContain("# TYPE pgmoneta_logging_info unknown\n");
    expect(chooseFormat(undefined)).toBe("text");
    expect(chooseFormat("*/*")).toBe("text");
    // As Prometheus 2.42 asks, and as a browser does.
    expect(chooseFormat("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")).toBe("openmetrics");
    expect(chooseFormat("text/html,application/xhtml+xml,*/*;q=0.8")).toBe("text");
    expect(chooseFormat("application/openmetrics-text; version=0.0.1")).toBe("text");
    expect(chooseFormat("application/openmetrics-text;q=0, text/plain")).toBe("text");
  });

  it("is listed on the page, every family of it", () => {
    const page = metricsPage("0.1.0<");
    expect(allFamilies.filter(({ name }) => !page.includes(`<dt>${name}`))).toEqual([]);
    expect(page).toContain("<h1>Moneta 0.1.0&lt;</h1>");
  });

  requires("promtool").it("is clean in the eyes of promtool, but for two names that are pgmoneta's", () => {
    const { status, stdout, stderr } = spawnSync(tool("promtool"), ["check", "metrics"], { input: textOf(full), encoding: "utf8" });
    expect((stdout + stderr).trim().split("\n")).toEqual([
      'pgmoneta_retention_days use base unit "seconds" instead of "days"',
      'pgmoneta_retention_weeks use base unit "seconds" instead of "weeks"',
    ]);
    expect(status).toBe(3);
  });
});

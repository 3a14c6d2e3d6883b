/** What is told to Prometheus, judged by its own tools where they are there. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allFamilies, chooseFormat, createMetricsRenderer, metricsPage, pgmonetaGroups, type DaemonFacts, type Exposition, type ExpositionFormat, type MetricsRenderer } from "../../../src/metrics/index.ts";
import { noTimings } from "../../../src/repository/index.ts";
import { requires, tool } from "../../support/requires.ts";
import { daemon, entry, server, stateWith } from "./facts.ts";

const pause = async (): Promise<void> => undefined;
const rendered = (renderer: MetricsRenderer, facts: DaemonFacts, format: ExpositionFormat = "text"): Promise<Exposition> =>
  renderer.render(() => facts.servers, () => facts, format);
const textOf = async (facts: DaemonFacts, format: ExpositionFormat = "text", limit = 0): Promise<string> =>
  Buffer.concat(await rendered(createMetricsRenderer({ limit: () => limit, pause }), facts, format)).toString();
const samplesOf = (text: string, name: string): string[] => text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

const full = daemon([
  server("primary", { entries: [entry("20261120090138"), entry("20261121090138", { keep: true }), entry("20261122090138", {}, "invalid"), entry("20261123090138", {}, "damaged")], problems: ["WAL_GAP", "WAL_GAP", "BACKUP_OVERDUE"] }),
  server('odd "name"\\'),
]);

describe("an exposition", () => {
  it("has every family of pgmoneta's with its name and labels, as a scrape of pgmoneta shows them", async () => {
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
    const text = await textOf(full);
    expect([...ours.keys()].filter((name) => samplesOf(text, name).length === 0)).toEqual([]);
  });

  it("says each sample once, and the samples of a family together", async () => {
    const lines = (await textOf(full)).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const series = lines.map((line) => line.replace(/ \S+$/, ""));
    expect(series.length).toBe(new Set(series).size);
    const order = series.map((line) => line.replace(/\{.*/s, "").replace(/_(bucket|sum|count)$/, ""));
    const changes = order.filter((name, index) => name !== order[index - 1]);
    expect(changes.length).toBe(new Set(changes).size);
  });

  it("shows the values that are meant", async () => {
    const text = await textOf(full);
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

  it("tells of a server all that an operator has to know: how far behind, how old, how far back, what is proven, what failed", async () => {
    const verified = (outcome: "good" | "bad") => ({ ended: 950_000, outcome }) as never;
    const drill = { ended: 960_000, outcome: "failed", restoreMs: 1500, replayMs: 2500 } as never;
    const elapsed = { ...noTimings, total: 12, baseBackup: 9, zstd: 4 };
    const ended = [
      { command: "retention", counts: { succeeded: 0, failed: 1, cancelled: 0, died: 0 }, last: { outcome: "failed" as const, ended: 970_000, durationMs: 500 } },
    ];
    const job = (command: string, waiting: boolean) => ({ command, waiting, visible: true, phase: "", done: 5, total: 10, elapsedMs: 3000 });
    const told = daemon([
      server("primary", {
        entries: [{ ...entry("20261120090138"), verification: verified("good") }, { ...entry("20261121090138"), verification: verified("bad") }, entry("20261122090138")],
        newest: { label: "20261122090138", began: 890_000, ended: 904_000, elapsed, restoredBytes: 7, storedBytes: 6 },
        drill,
        provenMoment: 880_000,
        lastArchived: 1_000_000,
        unarchived: 2,
        ended,
        jobs: [job("backup", false), job("restore", true), job("delete", true)],
        stages: { wal_received: 77, wal_archived: 64, backup_received: 50 },
        state: stateWith({ process: "running", receiver: "paused", timeline: 1, coveredTime: 1_000_000, reconnects: 3, restarts: 1, gaps: 2, slot: "lost", serverEndLsn: 0x200n, flushLsn: 0x100n }),
      }),
    ], { repository: { used: 1, free: 2, total: 3, fullInMs: 7_200_000, bytesPerHour: 3600 } });
    const lines = (await textOf(told)).split("\n");
    const of = (name: string, value: number | string, ...labels: readonly string[]): string => `${name}{${['name="primary"', ...labels].join()}} ${value}`;
    for (const line of [
      of("moneta_wal_lag_bytes", 256),
      of("moneta_wal_lag_seconds", 4),
      of("moneta_receiver_state", 1, 'state="paused"'),
      of("moneta_receiver_reconnects_total", 3),
      of("moneta_receiver_restarts_total", 1),
      of("moneta_slot_state", 1, 'state="lost"'),
      of("moneta_wal_gaps", 2),
      of("moneta_wal_archive_age_seconds", 4),
      of("moneta_wal_unarchived_segments", 2),
      of("moneta_backup_age_seconds", 100),
      of("moneta_backup_duration_seconds", 12),
      of("moneta_backup_stage_duration_seconds", 4, 'stage="zstd"'),
      of("moneta_recovery_window_start_time_seconds", 500),
      of("moneta_recovery_window_end_time_seconds", 1000),
      of("moneta_recovery_window_seconds", 500),
      of("moneta_proven_time_seconds", 880),
      of("moneta_drill_success", 0),
      of("moneta_drill_last_time_seconds", 960),
      of("moneta_drill_duration_seconds", 2.5, 'stage="replay"'),
      of("moneta_backups_verified", 1, 'outcome="good"'),
      of("moneta_backups_verified", 1, 'outcome="bad"'),
      of("moneta_backups_verified", 1, 'outcome="never"'),
      of("moneta_verification_last_time_seconds", 950),
      of("moneta_queue_length", 2),
      of("moneta_jobs_running", 1, 'command="backup"'),
      of("moneta_bytes_total", 50, 'stage="backup_received"'),
      of("moneta_bytes_total", 64, 'stage="wal_archived"'),
      of("moneta_retention_success", 0),
      of("moneta_retention_last_time_seconds", 970),
      of("moneta_retention_removed_backups_total", 1),
      "moneta_repository_growth_bytes_per_second 1",
      "moneta_repository_full_seconds 7200",
      of("pgmoneta_progress_percentage", 50, 'workflow="Backup"', 'phase="None"'),
      of("pgmoneta_active_backup", 1),
      of("pgmoneta_active_restore", 0),
    ]) {
      expect(lines).toContain(line);
    }
  });

  it("has no sample of what is not known, and no time that nobody proved", async () => {
    const unknown = daemon([server("new", { state: stateWith({}), window: { start: undefined, end: undefined } })]);
    const text = await textOf(unknown);
    for (const name of ["moneta_wal_lag_bytes", "moneta_wal_lag_seconds", "moneta_backup_age_seconds", "moneta_proven_time_seconds", "moneta_recovery_window_start_time_seconds"]) {
      expect(samplesOf(text, name)).toEqual([]);
    }
    expect(samplesOf(text, "moneta_recovery_window_seconds")).toEqual(['moneta_recovery_window_seconds{name="new"} 0']);
  });

  it("has the newest backups of each server, as many as are wanted, and counts all of them", async () => {
    const entries = Array.from({ length: 20 }, (_, index) => entry(`202611200901${String(index).padStart(2, "0")}`));
    const text = await textOf(daemon([server("primary", { entries })]), "text", 3);
    expect(samplesOf(text, "pgmoneta_backup").map((line) => /label="\d+(\d\d)"/.exec(line)?.[1])).toEqual(["17", "18", "19"]);
    expect(text).toContain('pgmoneta_backup_valid{name="primary"} 20\n');
  });

  it("renders what belongs to single backups once, and again only for the server where something changed", async () => {
    const renderer = createMetricsRenderer({ limit: () => 0, pause });
    const ofBackups = async (facts: DaemonFacts, format: ExpositionFormat = "text"): Promise<readonly Buffer[]> => (await rendered(renderer, facts, format)).slice(1, -1);
    const entries = [entry("20261120090138")];
    const first = await ofBackups(daemon([server("a", { entries }), server("b", { entries })]));
    const readAgain = await ofBackups(daemon([server("a", { entries: [entry("20261120090138")] }), server("b", { entries })]), "openmetrics");
    expect(readAgain.length).toBeGreaterThan(10);
    expect(readAgain.every((buffer, index) => buffer === first[index])).toBe(true);
    const changed = await ofBackups(daemon([server("a", { entries }), server("b", { entries: [entry("20261120090138", { keep: true })] })]));
    expect(changed[0]).not.toBe(first[0]);
    expect(Buffer.concat(changed).toString()).toContain('pgmoneta_backup_retain{name="b",label="20261120090138"} 1');
    const fewer = await ofBackups(daemon([server("b", { entries })]));
    expect(Buffer.concat(fewer).toString()).not.toContain('name="a"');
  });

  it("is rendered in steps, between which others have their turn, and ahead of the scrape that sends it", async () => {
    let pauses = 0;
    const renderer = createMetricsRenderer({ limit: () => 0, pause: async () => void (pauses += 1) });
    const many = (own: string, count: number) => server(own, { entries: Array.from({ length: count }, (_, index) => entry(`2026${String(1_000_000_000 + index)}`)) });
    const facts = daemon([many("a", 1000), many("b", 300)]);
    await renderer.refresh(facts.servers);
    // A thousand samples of a family are four steps, three hundred are two, and both are joined in a third.
    const families = (await rendered(renderer, facts)).length - 2;
    expect(pauses).toBe(2 + families * (4 + 2 + 1));
    pauses = 0;
    await rendered(renderer, facts);
    expect(pauses).toBe(0);
    await rendered(renderer, daemon([facts.servers[0] ?? many("a", 1000), many("b", 301)]));
    expect(pauses).toBe(1 + families * (2 + 1));
  });

  it("is OpenMetrics for whoever prefers it: counters are named without _total, and nothing follows the end", async () => {
    const text = await textOf(full, "openmetrics");
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

  requires("promtool").it("is clean in the eyes of promtool, but for two names that are pgmoneta's", async () => {
    const { status, stdout, stderr } = spawnSync(tool("promtool"), ["check", "metrics"], { input: await textOf(full), encoding: "utf8" });
    expect((stdout + stderr).trim().split("\n")).toEqual([
      'pgmoneta_retention_days use base unit "seconds" instead of "days"',
      'pgmoneta_retention_weeks use base unit "seconds" instead of "weeks"',
    ]);
    expect(status).toBe(3);
  });
});

/** Metrics of a real daemon with a real PostgreSQL, read by a real Prometheus, which evaluates the rules that are shipped. */
import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pgmonetaGroups } from "../../src/metrics/index.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { run, startProcess, type RunningProcess } from "../support/processes.ts";
import { requires, tool } from "../support/requires.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";

const project = join(import.meta.dirname, "../..");

let cluster: Cluster;
let daemon: Daemon;
let port: number;
beforeAll(async () => {
  cluster = await createCluster();
  port = await freePort();
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings: { host: "127.0.0.1", metrics: port } });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

async function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<{ readonly status: number; readonly text: string; readonly type: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  return { status: response.status, text: await response.text(), type: response.headers.get("content-type") ?? "" };
}
/** The value of a sample, which is named as it stands there. */
async function valueOf(sample: string): Promise<number | undefined> {
  const line = (await get("/metrics")).text.split("\n").find((one) => one.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
}

describe("the metrics of a daemon", () => {
  it("are all there, after a backup too, and say what happened", async () => {
    expect(await valueOf('moneta_backups{name="primary",state="valid"}')).toBe(0);
    expect(await valueOf('pgmoneta_backup{name="primary",label="0"}')).toBe(0);
    await daemon.ask(["backup", "primary"]);
    await waitFor("a moment is proven after the backup", async () => ((await valueOf('moneta_recovery_window_seconds{name="primary"}')) ?? 0) > 0);
    const { text, type } = await get("/metrics");
    expect(type).toBe("text/plain; version=0.0.4; charset=utf-8");
    const names = new Set(text.split("\n").flatMap((line) => /^\w+/.exec(line)?.[0] ?? []));
    expect(pgmonetaGroups.flatMap(({ families }) => families).filter(({ name }) => !names.has(name))).toEqual([]);
    const value = async (sample: string): Promise<number> => (await valueOf(sample)) ?? Number.NaN;
    const now = Date.now() / 1000;
    expect(await value('moneta_backups{name="primary",state="valid"}')).toBe(1);
    expect(await value('moneta_jobs_total{name="primary",command="backup",outcome="succeeded"}')).toBe(1);
    expect(now - (await value('moneta_backup_last_success_time_seconds{name="primary"}'))).toBeLessThan(600);
    expect(await value('moneta_bytes_total{name="primary",stage="backup_received"}')).toBeGreaterThan(10_000_000);
    expect(await value('moneta_wal_lag_seconds{name="primary"}')).toBeLessThan(600);
    expect(await value('moneta_receiver_state{name="primary",state="streaming"}')).toBe(1);
    expect(await value('moneta_wal_flush_duration_seconds_count{name="primary"}')).toBeGreaterThan(0);
    expect(await value('moneta_wal_received_bytes_total{name="primary"}')).toBeGreaterThan(0);
    expect(await value('pgmoneta_server_operation_count{name="primary"}')).toBe(1);
    expect(text).toMatch(/^pgmoneta_server_extension\{name="primary",extension="plpgsql",version="[^"]+",comment="PL\/pgSQL[^"]*"\} 1$/m);
    expect(text).toMatch(/^pgmoneta_current_wal_file\{name="primary",file="0000000100000000000000[0-9A-F]{2}\.partial"\} 1$/m);
    expect(text).toMatch(/^moneta_process_resident_memory_bytes\{process="supervisor",name="",command=""\} [1-9]/m);
    await waitFor("the receiver is measured", async () => ((await valueOf('moneta_process_cpu_seconds_total{process="receiver",name="primary",command=""}')) ?? 0) > 0);
    expect((await get("/metrics", { accept: "application/openmetrics-text" })).text.endsWith("# EOF\n")).toBe(true);
    expect(await get("/healthz")).toMatchObject({ status: 200 });
    expect(await get("/readyz")).toMatchObject({ status: 200 });
  });

  requires("promtool").it("are clean in the eyes of promtool, but for two names that are pgmoneta's", async () => {
    const { stdout, stderr } = await run(tool("promtool"), ["check", "metrics"], { input: (await get("/metrics")).text });
    const remarks = (stdout + stderr).trim().split("\n");
    expect(remarks.map((line) => line.split(" ")[0])).toEqual(["pgmoneta_retention_days", "pgmoneta_retention_weeks"]);
  });

  it("count the lines of the log from 0 again when they are told to, and nothing else", async () => {
    const before = (await valueOf('moneta_log_lines_total{level="info"}')) ?? 0;
    expect(await valueOf("pgmoneta_logging_info")).toBe(before);
    expect(before).toBeGreaterThan(0);
    const { status, stdout } = await daemon.cli(["clear", "prometheus"], { format: "text" });
    expect([status, stdout]).toEqual([0, "The metrics count the lines of the log from 0 again.\n"]);
    expect(await valueOf("pgmoneta_logging_info")).toBeLessThan(before);
    expect(await valueOf('moneta_log_lines_total{level="info"}')).toBeGreaterThanOrEqual(before);
  });

  requires("strace").it("touch no file and ask nobody, however often they are asked for", async () => {
    const directory = temporaryDirectory({ prefix: "ms" }).path;
    const trace = join(directory, "trace");
    const pid = daemon.pid();
    const tracer = await startProcess(tool("strace"), ["-f", "-q", "-e", "trace=%file,getdents64,connect,read", "-o", trace, "-p", String(pid)]);
    await waitFor("strace is attached", () => /TracerPid:\t[1-9]/.test(readFileSync(`/proc/${pid}/status`, "utf8")));
    const scrapes = 40;
    for (let scrape = 0; scrape < scrapes; scrape += 1) expect((await get("/metrics")).status).toBe(200);
    tracer.kill("SIGINT");
    await tracer.finished;
    const lines = (await readFile(trace, "utf8")).split("\n");
    expect(lines.filter((line) => line.includes("GET /metrics")).length).toBeGreaterThan(0);
    // The daemon looks after its file systems and processes meanwhile, now and then: not once a scrape.
    const calls = lines.filter((line) => /\b(open|openat|stat|statx|newfstatat|lstat|access|readlink|getdents64|connect|statfs)\(/.test(line) && !line.includes('"/proc/'));
    expect(calls.length, calls.join("\n")).toBeLessThan(scrapes);
  });
});

interface Prometheus {
  readonly process: RunningProcess;
  query(expr: string): Promise<{ readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string] }[]>;
  alerts(): Promise<readonly { readonly labels: Readonly<Record<string, string>>; readonly state: string }[]>;
}

/** Debian's Prometheus on a port of loopback, which reads the daemon each second, and the rules without their patience. */
async function startPrometheus(): Promise<Prometheus> {
  const directory = temporaryDirectory({ prefix: "mp", unprivileged: true }).path;
  const rules = await readFile(join(project, "etc/prometheus/moneta.rules.yml"), "utf8");
  await writeFile(join(directory, "rules.yml"), rules.replaceAll(/^( +for: ).*$/gm, "$10s"));
  const scrape = `scrape_configs:\n- job_name: moneta\n  static_configs:\n  - targets: ["127.0.0.1:${port}"]\n`;
  await writeFile(join(directory, "prometheus.yml"), `global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [rules.yml]\n${scrape}`);
  giveToUnprivileged(directory);
  const own = await freePort();
  const process = await startProcess(
    tool("prometheus"),
    [`--config.file=${join(directory, "prometheus.yml")}`, `--storage.tsdb.path=${join(directory, "data")}`, `--web.listen-address=127.0.0.1:${own}`],
    { unprivileged: true },
  );
  const ask = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${own}/api/v1/${path}`);
    const document = (await response.json()) as { readonly status: string; readonly data: T; readonly error?: string };
    if (document.status !== "success") throw new Error(`${path}: ${document.error ?? "?"}`);
    return document.data;
  };
  const self: Prometheus = {
    process,
    query: async (expr) => (await ask<{ result: Awaited<ReturnType<Prometheus["query"]>> }>(`query?query=${encodeURIComponent(expr)}`)).result,
    alerts: async () => (await ask<{ alerts: Awaited<ReturnType<Prometheus["alerts"]>> }>("alerts")).alerts,
  };
  // More than once: a rate needs two samples.
  await waitFor("Prometheus has read the daemon", async () => (await self.query('count_over_time(moneta_build_info[1m]) > 2').catch(() => [])).length === 1, { seen: () => process.stderr().slice(-2000) });
  return self;
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
}

requires("prometheus").describe("Prometheus", () => {
  it("reads the daemon, understands every query of the dashboards, and raises an alarm when WAL is not received, which ends by itself", async () => {
    const prometheus = await startPrometheus();
    try {
      expect((await prometheus.query("moneta_build_info"))[0]?.metric).toMatchObject({ version: expect.stringMatching(/^\d/) as string });
      expect(await prometheus.query('pgmoneta_backup{name="primary"}')).toHaveLength(1);
      for (const name of ["moneta", "pgmoneta"]) {
        const { panels } = JSON.parse(await readFile(join(project, `etc/grafana/${name}.json`), "utf8")) as Dashboard;
        const empty: string[] = [];
        for (const { title, targets = [] } of panels) {
          for (const { expr } of targets) {
            const asked = expr.replaceAll("$instance", `127.0.0.1:${port}`).replaceAll("$name", ".+").replaceAll("$__rate_interval", "1m");
            const found = await prometheus.query(asked);
            if (found.length === 0) empty.push(title);
          }
        }
        // Nothing was drilled, archived, removed or forecast yet, nothing runs and nothing is wrong.
        const allowed = ["Proven by a drill", "Time to recover in the last drill", "Age of the newest archived segment", "Jobs that run", "What is wrong", "Growth", "Retained"];
        expect(empty.filter((title) => !allowed.includes(title))).toEqual([]);
      }
      const firing = async (): Promise<string[]> => (await prometheus.alerts()).filter(({ state }) => state === "firing").map(({ labels }) => labels["alertname"] ?? "").toSorted();
      expect(await firing()).toEqual([]);
      await cluster.stop("immediate");
      await waitFor("the alarm is raised", async () => (await firing()).includes("MonetaWalNotReceived"));
      expect((await prometheus.alerts()).find(({ labels }) => labels["alertname"] === "MonetaWalNotReceived")?.labels).toMatchObject({ name: "primary", severity: "critical" });
      await cluster.start();
      await daemon.waitUntilStreaming("primary");
      await waitFor("the alarm is over", async () => !(await firing()).includes("MonetaWalNotReceived"));
    } finally {
      prometheus.process.kill("SIGTERM");
      await prometheus.process.finished;
    }
  });
});

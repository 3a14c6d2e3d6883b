/**
 * K08: 50 servers with 10,000 backups, scraped over a real socket: what an operator must see is there for each server, labels are
 * bounded, and the cost is bounded too. What it costs to the millisecond is measured by `npx tsx test/bench/metrics.ts`.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBreather } from "../../../src/common/index.ts";
import { createHttpEndpoint, type HttpEndpoint } from "../../../src/http/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { createMetricsRenderer } from "../../../src/metrics/index.ts";
import { noTimings } from "../../../src/repository/index.ts";
import { run } from "../../support/processes.ts";
import { freePort } from "../../support/free-port.ts";
import { requires, tool } from "../../support/requires.ts";
import { daemon, entry, server, stateWith } from "../metrics/facts.ts";

const names = Array.from({ length: 50 }, (_, index) => `server${index}`);
const perServer = 200;
const label = (index: number): string => String(20_260_101_000_000 + index);
const servers = names.map((name, at) =>
  server(name, {
    entries: Array.from({ length: perServer }, (_, index) => entry(label(index))),
    // One of them has a gap.
    ...(at === 7 ? { problems: ["WAL_GAP"], state: stateWith({ process: "running", receiver: "streaming", connected: true, gaps: 2, coveredTime: 1_000_000 }) } : {}),
    newest: { label: label(perServer - 1), began: 700_000, ended: 800_000, elapsed: noTimings, restoredBytes: 1, storedBytes: 1 },
    provenMoment: 900_000,
  }),
);

let limit = 0;
let endpoint: HttpEndpoint;
let url: string;
beforeAll(async () => {
  const renderer = createMetricsRenderer({ limit: () => limit, pause: createBreather() });
  const facts = daemon(servers);
  endpoint = createHttpEndpoint({ metrics: (format) => renderer.render(() => servers, () => facts, format), page: () => Buffer.from(""), notReady: () => [] }, silentLogger);
  const port = await freePort();
  await endpoint.update({ host: "127.0.0.1", port, tls: undefined, requestMs: 60_000, answerMs: 60_000 });
  url = `http://127.0.0.1:${port}/metrics`;
});
afterAll(() => endpoint.close(true));

const scrape = async (): Promise<string> => (await fetch(url)).text();
const samples = (text: string): { readonly name: string; readonly labels: ReadonlyMap<string, string> }[] =>
  text.split("\n").flatMap((line) => {
    const [, name, inside = ""] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, labels: new Map([...inside.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value] as const)) }];
  });

describe("a scrape of 50 servers with 10,000 backups", () => {
  it("has what is needed of each server: how far back, how old, which window, gaps, what is not verified", async () => {
    const text = await scrape();
    const found = samples(text);
    for (const family of [
      "moneta_wal_lag_seconds",
      "moneta_wal_covered_time_seconds",
      "moneta_backup_age_seconds",
      "moneta_recovery_window_seconds",
      "moneta_recovery_window_start_time_seconds",
      "moneta_recovery_window_end_time_seconds",
      "moneta_wal_gaps",
      "moneta_backups_verified",
      "moneta_proven_time_seconds",
    ]) {
      const of = new Set(found.filter(({ name }) => name === family).map(({ labels }) => labels.get("name")));
      expect([family, names.filter((name) => !of.has(name) && !(family === "moneta_wal_lag_seconds" && name === "server7"))]).toEqual([family, []]);
    }
    expect(text).toContain('moneta_wal_gaps{name="server7"} 2\n');
    expect(text).toContain('moneta_server_problem{name="server7",code="WAL_GAP"} 1\n');
    expect(found.filter(({ name }) => name === "pgmoneta_backup")).toHaveLength(names.length * perServer);
  });

  it("has no label that grows with the time, but for those of pgmoneta that name a backup, and these are as many as are wanted", async () => {
    limit = 10;
    const some = samples(await scrape());
    limit = 0;
    const all = samples(await scrape());
    expect(some.filter(({ name }) => name === "pgmoneta_backup")).toHaveLength(names.length * 10);
    const values = (found: typeof some, ours: boolean): Map<string, Set<string>> => {
      const known = new Map<string, Set<string>>();
      for (const { name, labels } of found.filter((one) => one.name.startsWith("moneta_") === ours)) {
        for (const [key, value] of labels) known.set(`${ours ? "" : `${name} `}${key}`, (known.get(`${ours ? "" : `${name} `}${key}`) ?? new Set()).add(value));
      }
      return known;
    };
    // Of ours: servers, and words that the program has.
    const own = values(all, true);
    expect(own).toEqual(values(some, true));
    expect([...own].filter(([key, of]) => key !== "name" && of.size > 40).map(([key]) => key)).toEqual([]);
    expect(own.get("label")).toBeUndefined();
    // Of pgmoneta's: what changes with their number belongs to single backups.
    const of = values(some, false);
    const grown = [...values(all, false)].filter(([key, found]) => found.size > (of.get(key)?.size ?? 0)).map(([key]) => key.split(" ")[1]);
    expect(new Set(grown)).toEqual(new Set(["label"]));
  });

  it("takes less than a second of a processor, with nothing changed", async () => {
    await scrape();
    const before = process.cpuUsage();
    await scrape();
    const { system, user } = process.cpuUsage(before);
    // Of the one that asks here too.
    expect((system + user) / 1000).toBeLessThan(1000);
  });

  requires("promtool").it("is clean in the eyes of promtool, but for two names that are pgmoneta's", async () => {
    const { stdout, stderr } = await run(tool("promtool"), ["check", "metrics"], { input: await scrape() });
    expect((stdout + stderr).trim().split("\n").map((line) => line.split(" ")[0])).toEqual(["pgmoneta_retention_days", "pgmoneta_retention_weeks"]);
  });
});

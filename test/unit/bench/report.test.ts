import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { judge, ratioGoal, wall, value } from "../../bench/lines/index.ts";
import { textTable } from "../../bench/measure/index.ts";
import type { Contest, Sample } from "../../bench/measure/index.ts";
import { readOptions } from "../../bench/options.ts";
import { drawChart, monetaFailed, number, printVerdicts, readEarlier, withEarlier } from "../../bench/report/index.ts";
import type { Finding, Report } from "../../bench/report/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const sample = (wallSeconds: number, more: Partial<Sample> = {}): Sample => ({
  wallSeconds,
  cpuSeconds: 1,
  serverCpuSeconds: 0,
  largestResident: 0,
  treeResident: 0,
  io: { readCalls: 0, writtenCalls: 0, readStorage: 0, writtenStorage: 0 },
  ...more,
});
const contest = (name: string, seconds: readonly number[], role: Contest["role"] = "moneta"): Contest => ({ name, role, samples: seconds.map((one) => sample(one)) });

describe("goals", () => {
  const contests = [contest("Moneta", [4, 2, 3]), contest("peer", [2, 2, 9], "peer"), { name: "absent", role: "peer", samples: [], missing: "not installed" } as const];

  it("compares medians", () => {
    expect(ratioGoal("≤ 1.5", contests, "Moneta", "peer", wall, { atMost: 1.5 })).toEqual({ goal: "≤ 1.5", unit: "×", measured: 1.5, state: "met" });
  });

  it("says why there is no figure instead of calling it met", () => {
    expect(ratioGoal("≤ 9", contests, "Moneta", "absent", wall, { atMost: 9 })).toMatchObject({ state: "no figure", reason: "absent: not installed" });
    expect(ratioGoal("≤ 9", contests, "Moneta", "peer", value, { atMost: 9 })).toMatchObject({ state: "no figure" });
  });

  it("keeps apart what is met, what is within a tenth, and what is not met", () => {
    expect([1, 1.05, 1.11].map((ratio) => judge(ratio, { atMost: 1 }))).toEqual(["met", "close", "not met"]);
    expect([0.95, 0.9, 0.8].map((ratio) => judge(ratio, { atLeast: 0.95 }))).toEqual(["met", "close", "not met"]);
  });
});

describe("report", () => {
  const finding: Finding = {
    number: 7,
    title: "restore",
    rounds: [{ title: "Restore <zstd>", metric: "wall", contests: [contest("Moneta", [1, 2, 3]), contest("A & B", [4], "peer")] }],
    verdicts: [{ goal: "≤ 1", unit: "×", measured: 0.5, state: "met" }],
  };
  const machine = { when: "2026-01-01T00:00:00Z", processor: "one", cores: 2, memoryBytes: 1, kernel: "6", node: "20", postgres: "15", busyCores: 0, programs: {} };
  const report: Report = { machine, runs: 3, scale: 1, findings: [finding] };

  it("prints a row for each goal, and one for a line that failed", () => {
    const failed: Finding = { number: 9, title: "catch-up", rounds: [], verdicts: [], failure: "no server" };
    const rows = printVerdicts([finding, failed]).split("\n");
    expect(rows[2]).toMatch(/^ +7 {2}restore +≤ 1 +0\.50 × {2}met$/);
    expect(rows[3]).toMatch(/^ +9 {2}catch-up +failed$/);
  });

  it("fails when Moneta failed, not when a goal is missed or a peer failed", () => {
    const missed: Finding = { ...finding, verdicts: [{ goal: "≤ 1", unit: "×", measured: 9, state: "not met" }] };
    const broken = (role: Contest["role"]): Finding => ({ ...finding, rounds: [{ title: "", metric: "wall", contests: [{ name: "x", role, samples: [], failure: "no" }] }] });
    expect([missed, broken("peer"), broken("moneta")].map((one) => monetaFailed([one]))).toEqual([false, false, true]);
  });

  it("takes from an earlier report what was not measured now, and nothing of another machine", async () => {
    const file = join(temporaryDirectory().path, "earlier.json");
    const second: Finding = { ...finding, number: 8, title: "verify" };
    writeFileSync(file, JSON.stringify({ ...report, runs: 5, dataBytes: 7, findings: [second, { ...finding, title: "measured before" }] }));
    const both = withEarlier(report, await readEarlier(file, report));
    expect(both.findings.map(({ title }) => title)).toEqual(["restore", "verify"]);
    expect([both.runs, both.dataBytes, withEarlier(report, undefined)]).toEqual([3, 7, report]);
    await expect(readEarlier(file, { ...report, scale: 2 })).rejects.toThrow(/measured elsewhere \(one, 2 cores, 15, scale 1\)/);
    await expect(readEarlier(file, { ...report, machine: { ...machine, cores: 4 } })).rejects.toThrow(/measured elsewhere/);
  });

  it("draws a bar for each contender, the better one first, and escapes names", () => {
    const svg = drawChart(report);
    expect(svg).toContain("Restore &lt;zstd&gt;");
    expect(svg.indexOf(">Moneta</text>", svg.indexOf("Restore"))).toBeLessThan(svg.indexOf("A &amp; B"));
    expect(svg).toContain(">2.00 s</text>");
  });

  it("leaves out of the picture what has nobody to be compared with", () => {
    const alone: Report = { ...report, findings: [{ ...finding, rounds: [{ title: "Alone", metric: "wall", contests: [contest("Moneta", [1])] }] }] };
    expect(drawChart(alone)).not.toContain("Alone");
  });
});

describe("text", () => {
  it("aligns columns and leaves no blanks at the ends of lines", () => {
    const table = textTable([{ title: "a" }, { title: "b", align: "right" }], [["long", "1"], ["x"]]);
    expect(table.split("\n")).toEqual(["a     b", "────  ─", "long  1", "x"]);
  });

  it("keeps three digits", () => {
    expect([0.1234, 12.34, 1234.5].map(number)).toEqual(["0.12", "12.3", "1235"]);
  });
});

describe("options", () => {
  it("reads lists and ranges of lines, and knows the standard", () => {
    expect(readOptions(["--only", "1,9-11", "--runs", "2"], [1, 2, 9, 10, 11])).toEqual({ only: [1, 9, 10, 11], runs: 2, scale: 100, relations: 20_000, walMegabytes: 1700 });
    expect(readOptions(["--scale", "10"], [1])).toMatchObject({ only: [1], walMegabytes: 170 });
  });

  it.each([["--only", "99"], ["--only", "all"], ["--runs", "0"], ["--scale", "x"], ["--fast"]])("refuses %s %s", (...args) => {
    expect(readOptions(args, [1])).toBeTypeOf("string");
  });
});

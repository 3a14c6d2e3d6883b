import { describe, expect, it } from "vitest";
import { parseHistory, parseLsn, rootHistory, timelineId } from "../../../src/postgres/index.ts";
import { segmentsAhead } from "../../../src/restore/prefetch-wal.ts";
import { formatRecoveryPlan, parseRecoveryPlan, type RecoveryPlan } from "../../../src/restore/recovery-plan.ts";

const plan: RecoveryPlan = {
  baseDir: "/srv/moneta",
  server: "primary",
  label: "20261120090000",
  systemIdentifier: "7710185899889174685",
  masterKeyFile: "/home/moneta/.pgmoneta/master.key",
  segmentSize: 16 * 1024 * 1024,
  history: rootHistory(timelineId(1)),
  from: parseLsn("0/2000000"),
  to: parseLsn("0/5000148"),
  unarchived: [{ segment: "000000010000000000000005", bytes: 328, sha256: "ab".repeat(32) }],
  follows: false,
  toTheEnd: true,
};
const forked = parseHistory("1\t0/4000100\tno recovery target specified\n", timelineId(2));

describe("the plan of recovery", () => {
  it("comes back as it was written", () => {
    expect(parseRecoveryPlan(formatRecoveryPlan(plan), "plan")).toEqual(plan);
    const other = { ...plan, masterKeyFile: undefined, unarchived: [], follows: true, toTheEnd: false };
    expect(parseRecoveryPlan(formatRecoveryPlan(other), "plan")).toEqual(other);
    const { timeline, entries } = parseRecoveryPlan(formatRecoveryPlan({ ...plan, history: forked }), "plan").history;
    expect(timeline).toBe(2);
    expect(entries).toEqual([{ timeline: 1, switchLsn: parseLsn("0/4000100"), reason: "" }]);
  });

  const document = JSON.parse(formatRecoveryPlan(plan)) as Record<string, unknown>;
  it.each(Object.keys(document).filter((key) => key !== "masterKeyFile"))("is refused without %s", (key) => {
    const rest = Object.entries(document).filter(([name]) => name !== key);
    expect(() => parseRecoveryPlan(JSON.stringify(Object.fromEntries(rest)), "the plan")).toThrow(/"the plan" cannot be used/);
  });

  it.each([
    ["", "it is not JSON"],
    ["[]", "version undefined"],
    [JSON.stringify({ ...document, version: 2 }), "the only one known is 1"],
    [JSON.stringify({ ...document, to: "nowhere" }), "cannot be used"],
    [JSON.stringify({ ...document, ancestors: [{}] }), "ancestor"],
    [JSON.stringify({ ...document, unarchived: [{ segment: 5 }] }), "segment"],
    [JSON.stringify({ ...document, segmentSize: "16MB" }), "segmentSize"],
    [JSON.stringify({ ...document, segmentSize: 16 * 1024 * 1024 - 1 }), "no segment has"],
    [JSON.stringify({ ...document, unarchived: [{ segment: "000000010000000000000005", bytes: -1, sha256: "" }] }), "segment"],
    [JSON.stringify({ ...document, to: "0/4000148" }), "not as the restore wrote it"],
  ])("is refused when it is not one: %s", (text, why) => {
    expect(() => parseRecoveryPlan(text, "plan")).toThrow(why);
  });
});

/** What a bit of the file may become without anybody having to notice: blanks of JSON, of which the digest knows nothing. */
const blank = (byte: number): boolean => [0x20, 0x0a, 0x0d, 0x09].includes(byte);

it("a plan of which one bit flipped is refused, whichever it is: an end that moved would end recovery there", () => {
  const bytes = Buffer.from(formatRecoveryPlan({ ...plan, history: forked, secondCopy: "/mnt/second" }));
  const taken: string[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const before = bytes[at] ?? 0;
      const after = before ^ (1 << bit);
      bytes[at] = after;
      try {
        parseRecoveryPlan(bytes.toString("utf8"), "plan");
        if (!blank(before) || !blank(after)) taken.push(`byte ${at}: ${String.fromCharCode(before)} became ${String.fromCharCode(after)}`);
      } catch (error) {
        if ((error as { code?: string }).code !== "RECOVERY_PLAN_DAMAGED") throw error;
      }
      bytes[at] = before;
    }
  }
  expect(taken).toEqual([]);
});

describe("the segments that are had ready", () => {
  it("are those that follow, but not the unfinished one", () => {
    expect(segmentsAhead("000000010000000000000002", plan)).toEqual(["000000010000000000000003", "000000010000000000000004"]);
    expect(segmentsAhead("000000010000000000000004", plan)).toEqual([]);
    expect(segmentsAhead("000000010000000000000009", plan)).toEqual([]);
  });

  it("change over to the child where its timeline owns the end of the segment", () => {
    expect(segmentsAhead("000000010000000000000002", { ...plan, history: forked })).toEqual([
      "000000010000000000000003",
      "000000020000000000000004",
    ]);
  });

  it("are at most eight and 128 MB, but always one", () => {
    const far = { ...plan, to: parseLsn("5/0") };
    expect(segmentsAhead("0000000100000000000000FE", far)).toHaveLength(8);
    expect(segmentsAhead("0000000100000000000000FE", far)[1]).toBe("000000010000000100000000");
    expect(segmentsAhead("000000010000000000000000", { ...far, segmentSize: 64 * 1024 * 1024 })).toHaveLength(2);
    expect(segmentsAhead("000000010000000000000000", { ...far, segmentSize: 1024 * 1024 * 1024 })).toEqual(["000000010000000000000001"]);
  });
});

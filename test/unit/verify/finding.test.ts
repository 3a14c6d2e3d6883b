/** Findings as they are gathered, and what a report of them comes to. */
import { describe, expect, test } from "vitest";
import { createFindings, onlyNew, type Finding } from "../../../src/verify/finding.ts";
import { requireGood, type PlainFinding, type PlainReport } from "../../../src/verify/index.ts";
import { verified } from "../management/facts.ts";

const missing = (path: string, harmful = true): Finding => ({ kind: "missing", place: "backup", path, reason: "it is not there", harmful });

describe("findings", () => {
  test("of what is looked at twice, or again after a stop, are counted once", () => {
    const findings = createFindings({ list: [missing("data/a")], count: 1, harmful: 1 });
    const fresh = onlyNew(findings);
    for (const path of ["data/a", "data/b", "data/b"]) fresh.add(missing(path));
    fresh.add({ ...missing("data/b"), kind: "changed" });
    expect(findings.list.map(({ kind, path }) => `${kind} ${path}`)).toEqual(["missing data/a", "missing data/b", "changed data/b"]);
    expect([findings.count, findings.harmful, fresh.harmful]).toEqual([3, 3, 3]);
    findings.add(missing("data/c"));
    expect(fresh.harmful).toBe(4);
  });

  test("leave out no file that cannot be read, and count none twice", () => {
    const findings = createFindings(undefined);
    for (const path of ["a", "b", "a"]) onlyNew(findings).addUnread({ path, reason: "EIO" });
    expect([findings.unread.map(({ path }) => path), findings.unreadCount]).toEqual([["a", "b"], 2]);
  });
});

describe("a report", () => {
  const outcome = (facts: Partial<PlainReport>): string => {
    try {
      requireGood({ ...verified, ...facts });
      return "good";
    } catch (error) {
      const { code, message, details } = error as { code: string; message: string; details: { report: string } };
      expect(JSON.parse(details.report)).toMatchObject(facts);
      return `${code}: ${message}`;
    }
  };
  const found = (harmful: boolean): PlainFinding => ({ ...missing("data/x", harmful), original: null, calculated: null, blocks: [] });
  const unread = { unread: [{ path: "data/y", reason: "EIO" }], unreadCount: 1 };

  test("is good when all was read and nothing was found", () => expect(outcome({})).toBe("good"));
  test("is no when something was found, and says whether it can be restored", () => {
    expect(outcome({ findings: [found(false)], findingCount: 1 })).toMatch(/^VERIFY_FOUND_DAMAGE: .*it can be restored all the same/);
    expect(outcome({ findings: [found(true)], findingCount: 1, harmful: 1, ...unread })).toMatch(/^VERIFY_FOUND_DAMAGE: .*it cannot be restored/);
  });
  test("is not complete when something could not be read, whatever harmless was found beside it", () => {
    expect(outcome(unread)).toMatch(/^VERIFY_INCOMPLETE: one file .*EIO/);
    expect(outcome({ findings: [found(false)], findingCount: 1, ...unread })).toMatch(/^VERIFY_INCOMPLETE: /);
  });
});

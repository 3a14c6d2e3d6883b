import { expect, it } from "vitest";
import { createFindings } from "../../../src/receiver/findings.ts";
import { lsn, timelineId } from "../../../src/postgres/index.ts";

const lack = { code: "MAX_WAL_SENDERS", ok: false, severity: "error" as const, message: "too few", statement: "ALTER SYSTEM" };
const branch = { type: "dead-branch" as const, timeline: timelineId(1), from: lsn(16), to: lsn(32), foreign: false };

it("what a server lacks is told with its statement, and is over when it is no longer lacking", () => {
  const findings = createFindings();
  expect(findings.note({ type: "lacks", lacks: [] })).toBe(false);
  expect(findings.note({ type: "lacks", lacks: [lack] })).toBe(true);
  expect(findings.note({ type: "lacks", lacks: [lack] })).toBe(false);
  expect(findings.list()).toMatchObject([{ code: "MAX_WAL_SENDERS", message: "too few", statement: "ALTER SYSTEM" }]);
  expect(findings.note({ type: "lacks", lacks: [] })).toBe(true);
  expect(findings.list()).toEqual([]);
});

it("a role that may not see the names of the server's files is no problem", () => {
  const findings = createFindings();
  expect(findings.note({ type: "lacks", lacks: [{ ...lack, code: "FILE_LOCATIONS", severity: "warning" }] })).toBe(false);
});

it("each abandoned branch is told once, whether the server left it or never knew it", () => {
  const findings = createFindings();
  findings.note(branch);
  findings.note({ ...branch, to: lsn(48) });
  findings.note({ ...branch, timeline: timelineId(7), foreign: true });
  findings.note({ type: "lacks", lacks: [] });
  expect(findings.list().map(({ code }) => code)).toEqual(["WAL_BRANCH_LEFT", "WAL_BRANCH_FOREIGN"]);
  expect(findings.list()[0]?.message).toContain("from 0/10 to 0/30");
});

import { describe, expect, it } from "vitest";
import { repositoryUse, type User } from "../../../src/supervisor/backups-in-use.ts";
import { entry } from "../retention/backups.ts";

const entries = [
  entry({ at: Date.UTC(2026, 1, 1) }),
  entry({ at: Date.UTC(2026, 1, 2), state: "invalid" }),
  entry({ at: Date.UTC(2026, 1, 3) }),
];
const user = (command: User["command"], backup: string, more: Partial<User> = {}): User =>
  ({ command, request: { command, backup }, state: "running", backups: "all", wal: [], ...more }) as unknown as User;

describe("what jobs need to stay", () => {
  it("is what a running one has said, and anything until then (E05)", () => {
    const said = user("restore", "newest", { backups: new Set(["20260203000000"]) });
    expect(repositoryUse([said], entries)).toEqual({ all: false, backups: ["20260203000000"], wal: [] });
    expect(repositoryUse([said, user("verify", "newest")], entries).all).toBe(true);
    const wal = [{ timeline: 2, from: "0/5000028" }];
    const backup = user("backup", "", { backups: new Set(["20260201000000"]), wal });
    expect(repositoryUse([said, backup], entries)).toEqual({
      all: false,
      backups: ["20260203000000", "20260201000000"],
      wal,
    });
    expect(repositoryUse([{ ...backup, wal: "all" }], entries).all).toBe(true);
  });

  it("is the backup that a waiting one was asked for, by whatever word (E05)", () => {
    const waiting = ["oldest", "newest", "latest", "20260202000000"].map((which) => user("restore", which, { state: "waiting" }));
    expect(repositoryUse(waiting, entries)).toEqual({
      all: false,
      backups: ["20260201000000", "20260203000000", "20260202000000"],
      wal: [],
    });
  });

  it("is every backup that a waiting one may choose for a position", () => {
    const request = (backup: string) => ({ command: "restore", backup, position: "time=2026-02-02 12:00:00+00" }) as unknown as User["request"];
    const waiting = (backup: string): User => user("restore", backup, { state: "waiting", request: request(backup) });
    expect(repositoryUse([waiting("newest")], entries).backups).toEqual(["20260201000000", "20260203000000"]);
    expect(repositoryUse([waiting("20260201000000")], entries).backups).toEqual(["20260201000000"]);
  });

  it("is nothing of what somebody wants deleted, or only looks at", () => {
    const others = [
      user("delete", "20260201000000", { backups: new Set(["20260201000000"]) }),
      user("retention", "", { backups: "all" }),
      user("clean", "", { backups: new Set() }),
    ];
    expect(repositoryUse(others, entries)).toEqual({ all: false, backups: [], wal: [] });
  });
});

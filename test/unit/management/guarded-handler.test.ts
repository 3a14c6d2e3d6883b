/** Who may do what, and what is written down of it: J04, and of J07 that no viewer and no operator deletes. */
import { describe, expect, it } from "vitest";
import { roleAllows, roles, type Role } from "../../../src/auth/index.ts";
import {
  commandNames,
  commandTable,
  guardHandler,
  leastRole,
  managementErrors,
  type CommandName,
  type ManagementRequest,
  type ManagementSession,
  type Principal,
} from "../../../src/management/index.ts";
import { collectLines } from "./remote-harness.ts";

const requestOf = (command: CommandName, fields: ManagementRequest["fields"] = {}): ManagementRequest => ({
  command,
  fields: { ...Object.fromEntries(Object.keys(commandTable[command].fields).map((name) => [name, null])), ...fields },
  document: { Header: {}, Request: {} },
});
const sessionOf = (principal: Principal): ManagementSession => ({ id: 7, principal, disconnected: new AbortController().signal, afterAnswer: () => undefined });
const login = (role: Role): Principal => ({ kind: "remote", user: "somebody", role, address: "10.0.0.7:50412" });

/** The commands of each role, named here once more by hand: a new one has to be thought about. */
const allowed: Readonly<Record<Role, readonly CommandName[]>> = {
  viewer: ["list-backup", "info", "ping", "status", "status details", "progress", "schedule", "check", "s3 ls"],
  operator: ["backup", "restore", "verify", "retain", "annotate", "mode", "cancel", "drill", "archive", "notify test", "conf ls", "conf get", "s3 restore"],
  admin: [
    ...(["delete", "expunge", "retention", "key rotate", "lineage", "compress", "decompress", "encrypt", "decrypt", "shutdown"] as const),
    ...(["conf reload", "conf set", "clear prometheus", "diagnose"] as const),
  ],
};

describe("roles", () => {
  it.each(commandNames)("%s may be asked for by those who may, and by nobody else", async (command) => {
    const least = roles.find((role) => allowed[role].includes(command));
    expect(least, "its role is not written down in this test").toBeDefined();
    for (const role of roles) {
      const audit = collectLines();
      let asked = 0;
      const guarded = guardHandler(() => {
        asked += 1;
        return Promise.resolve({ status: true, response: null });
      }, audit.logger);
      const may = roleAllows(role, least ?? "admin");
      // What only looks has a test of its own.
      const request = requestOf(command, command === "lineage" ? { Action: "accept" } : {});
      const answer = guarded(request, sessionOf(login(role)));
      if (may) await expect(answer).resolves.toMatchObject({ status: true });
      else await expect(answer).rejects.toMatchObject({ code: "ROLE_INSUFFICIENT", exit: 15 });
      expect(asked).toBe(may ? 1 : 0);
      expect(audit.text() === "").toBe(may && least === "viewer");
    }
  });

  it("never lets a viewer or an operator remove a backup, or what keeps one, whatever the request says besides (J07)", async () => {
    for (const command of ["delete", "expunge", "retention", "lineage", "conf set"] as const) {
      for (const role of ["viewer", "operator"] as const) {
        for (const Force of [true, false]) {
          const request = requestOf(command, { Server: "primary", Backup: "20261120090136", Force, Cascade: Force, ...(command === "lineage" ? { Action: "accept" } : {}) });
          let asked = false;
          const guarded = guardHandler(() => {
            asked = true;
            return Promise.resolve({ status: true, response: null });
          }, collectLines().logger);
          await expect(guarded(request, sessionOf(login(role)))).rejects.toMatchObject({ code: "ROLE_INSUFFICIENT" });
          expect(asked).toBe(false);
        }
      }
    }
  });

  it("lets a viewer look where a command can also change something", () => {
    expect(leastRole("retention", { Server: "a", DryRun: true })).toBe("viewer");
    expect(leastRole("retention", { Server: "a", DryRun: false })).toBe("admin");
    expect(leastRole("lineage", { Server: "a", Action: null })).toBe("viewer");
    expect(leastRole("lineage", { Server: "a" })).toBe("viewer");
    expect(leastRole("lineage", { Server: "a", Action: "accept" })).toBe("admin");
  });
});

describe("a line is written", () => {
  const yes = () => Promise.resolve({ status: true, response: null } as const);

  it("of what was done, by whom, from where, with which outcome", async () => {
    const audit = collectLines();
    await guardHandler(yes, audit.logger)(requestOf("delete", { Server: "primary", Backup: "20261120090136", Force: true }), sessionOf(login("admin")));
    const line = 'info somebody (admin) from 10.0.0.7:50412: delete Server="primary" Backup="20261120090136" Force: ';
    expect(audit.text().split("\n")).toEqual([`${line}begun {"session":7,"command":"delete"}`, `${line}done {"session":7,"command":"delete","status":true}`]);
  });

  it("of a job when it begins: it may be the last that its daemon writes", async () => {
    const audit = collectLines();
    let end = (): void => undefined;
    const answer = guardHandler(() => new Promise((resolve) => (end = () => resolve({ status: true, response: null }))), audit.logger)(requestOf("restore", { Server: "primary", Backup: "newest" }), sessionOf(login("operator")));
    await new Promise((resolve) => setImmediate(resolve));
    expect(audit.text()).toMatch(/^info somebody \(operator\) from 10\.0\.0\.7:50412: restore Server="primary" Backup="newest": begun [^\n]*$/);
    end();
    await answer;
    // What is over at once has one line.
    const short = collectLines();
    await guardHandler(yes, short.logger)(requestOf("conf reload"), sessionOf(login("admin")));
    expect(short.text()).toMatch(/^info [^\n]*: conf reload: done [^\n]*$/);
  });

  it("of what failed and of what was refused", async () => {
    const audit = collectLines();
    const refusing = guardHandler(() => Promise.reject(managementErrors.serverUnknown("no")), audit.logger);
    await expect(refusing(requestOf("backup", { Server: "x" }), sessionOf(login("operator")))).resolves.toMatchObject({ status: false });
    await expect(refusing(requestOf("shutdown"), sessionOf(login("viewer")))).rejects.toMatchObject({ code: "ROLE_INSUFFICIENT" });
    expect(audit.text()).toMatch(/backup Server="x": refused or failed with SERVER_UNKNOWN/);
    expect(audit.text()).toMatch(/somebody \(viewer\) from 10\.0\.0\.7:50412: shutdown: refused or failed with ROLE_INSUFFICIENT/);
  });

  it("of the account at the other end of the socket of this machine, and never of a secret", async () => {
    const audit = collectLines();
    const guarded = guardHandler(yes, audit.logger);
    await guarded(requestOf("conf set", { ConfigKey: "s3_secret_access_key", ConfigValue: "hush" }), sessionOf({ kind: "local", credentials: () => Promise.resolve({ uid: 1001, pid: 42 }) }));
    await guarded(requestOf("shutdown"), sessionOf({ kind: "local", credentials: () => Promise.resolve(undefined) }));
    expect(audit.text()).toContain('uid 1001 (pid 42) of this machine: conf set ConfigKey="s3_secret_access_key" ConfigValue=(not shown): done');
    expect(audit.text()).toContain("somebody of this machine: shutdown: done");
    expect(audit.text()).not.toContain("hush");
  });

  it("and quotes what somebody wrote, whatever it is", async () => {
    const audit = collectLines();
    await guardHandler(yes, audit.logger)(requestOf("backup", { Server: 'a"\nb: done' }), sessionOf(login("operator")));
    expect(audit.text()).toContain('Server="a\\"\\nb: done"');
    expect(audit.text().split("\n").map((line) => /: (begun|done) \{/.exec(line)?.[1])).toEqual(["begun", "done"]);
  });
});

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { defineErrors } from "../../../src/common/index.ts";
import {
  buildRequest,
  buildResponse,
  checkRequest,
  classifiedCodes,
  commandByNumber,
  commandNames,
  commandTable,
  encodeJson,
  exitStatusOfNumber,
  formatElapsed,
  formatTimestamp,
  managementErrors,
  parseRequest,
  parseResponse,
  wireErrorNumber,
} from "../../../src/management/index.ts";
import type { CommandName, JsonObject } from "../../../src/management/index.ts";
import { category, missing, readCapture } from "./captures.ts";

const header = { output: "raw", compression: 0, encryption: 0, now: Date.now() } as const;

const sent: readonly (readonly [string, CommandName, Record<string, string | boolean | null>])[] = [
  ["ping", "ping", {}],
  ["status", "status", {}],
  ["status-details", "status details", {}],
  ["list-backup-desc", "list-backup", { Server: "primary", Sort: "desc" }],
  ["info", "info", { Server: "primary", Backup: "newest" }],
  ["backup", "backup", { Server: "primary" }],
  ["restore", "restore", { Server: "primary", Backup: "newest", Directory: "/srv/moneta/r1" }],
  [
    "restore-position",
    "restore",
    { Server: "primary", Backup: "newest", Position: "current,replica", Directory: "/srv/moneta/r2" },
  ],
  ["delete", "delete", { Server: "primary", Backup: "oldest" }],
  ["mode-offline", "mode", { Server: "primary", Action: "offline" }],
  ["progress", "progress", { Server: "primary", Command: "backup" }],
  ["shutdown", "shutdown", {}],
  ["verify-all", "verify", { Server: "primary", Backup: "newest", Directory: "/srv/moneta/v1", Files: "all" }],
  ["retain", "retain", { Server: "primary", Backup: "oldest" }],
  [
    "annotate-add",
    "annotate",
    { Server: "primary", Backup: "newest", Action: "add", Key: "who", Comment: "first note" },
  ],
  ["conf-set", "conf set", { ConfigKey: "log_level", ConfigValue: "debug1" }],
  ["compress", "compress", { SourceFile: "/srv/moneta/file.txt" }],
  ["archive", "archive", { Server: "primary", Backup: "newest", Position: "current", Directory: "/srv/moneta/a1" }],
];

/** A word that the field may hold, where it may not hold any. */
const choice = (command: CommandName, field: string): string | undefined =>
  [...commandTable[command].arguments, ...commandTable[command].flags].find((part) => part.field === field)
    ?.choices?.[0];

describe("request documents", () => {
  it.each(sent)("%s is written as pgmoneta's client writes it", (name, command, fields) => {
    const capture = readCapture(name);
    expect(missing(buildRequest(command, fields, header), capture.request, ["Header.Timestamp"])).toEqual([]);
  });

  it.each(commandNames.filter((name) => commandTable[name].available))(
    "%s is read back with all its fields",
    (command) => {
      const fields = Object.fromEntries(
        Object.entries(commandTable[command].fields).map(([name, type]) => [
          name,
          type === "flag" ? true : (choice(command, name) ?? `value of ${name}`),
        ]),
      );
      const request = checkRequest(parseRequest(encodeJson(buildRequest(command, fields, header))));
      expect(request).toMatchObject({ command, fields });
    },
  );

  const refused: readonly (readonly [string, JsonObject, string])[] = [
    ["an unknown command", { Header: { Command: 4711 }, Request: {} }, "COMMAND_UNKNOWN"],
    ["a command that is not built yet", { Header: { Command: 200 }, Request: {} }, "COMMAND_NOT_AVAILABLE"],
    ["a missing server", { Header: { Command: 1 }, Request: { Backup: null } }, "REQUEST_INVALID"],
    ["an empty server", { Header: { Command: 1 }, Request: { Server: "" } }, "REQUEST_INVALID"],
    ["a server that is a number", { Header: { Command: 1 }, Request: { Server: 7 } }, "REQUEST_INVALID"],
    [
      "a flag that is a text",
      { Header: { Command: 5 }, Request: { Server: "a", Backup: "b", Force: "yes" } },
      "REQUEST_INVALID",
    ],
    [
      "a path with a zero byte",
      { Header: { Command: 3 }, Request: { Server: "a", Backup: "b", Directory: "/x\0y" } },
      "REQUEST_INVALID",
    ],
    [
      "a mode that does not exist",
      { Header: { Command: 24 }, Request: { Server: "a", Action: "sideways" } },
      "ACTION_UNKNOWN",
    ],
    ["an order that does not exist", { Header: { Command: 2 }, Request: { Server: "a", Sort: "up" } }, "SORT_INVALID"],
    ["a header without a command", { Header: {}, Request: {} }, "MANAGEMENT_DOCUMENT_INVALID"],
    ["a nested request", { Header: { Command: 9 }, Request: { a: { b: 1 } } }, "MANAGEMENT_DOCUMENT_INVALID"],
    ["an endless value", { Header: { Command: 9 }, Request: { a: "x".repeat(20_000) } }, "MANAGEMENT_DOCUMENT_INVALID"],
  ];
  it.each(refused)("refuses %s", (_what, document, code) => {
    expect(() => checkRequest(parseRequest(encodeJson(document)))).toThrow(expect.objectContaining({ code }));
  });
});

describe("outcomes", () => {
  const others = defineErrors({ other: { code: "SOMETHING_ELSE", exit: 77, retryable: true, hint: "Look there." } });
  const failures = [
    ["backup-offline", managementErrors.serverOffline("primary is offline"), "110"],
    ["error-no-server", managementErrors.serverUnknown("there is no server nope"), "111"],
  ] as const;
  it.each(failures)("%s has pgmoneta's number and keys, and ours beside them", (name, error) => {
    const capture = readCapture(name);
    const answer = buildResponse(parseRequest(encodeJson(capture.request)), { status: false, error }, 1);
    expect(missing(answer, capture.response)).toEqual([]);
    expect(answer.Outcome).toMatchObject({
      Code: error.code,
      Message: error.message,
      Hint: error.hint,
      Exit: error.exit,
    });
  });

  it("names the workflow as pgmoneta does", () => {
    for (const [name, workflow] of [
      ["error-info", "info"],
      ["error-no-backup", "restore"],
      ["delete-retained", "Delete"],
    ] as const) {
      const raw = parseRequest(encodeJson(readCapture(name).request));
      const answer = buildResponse(raw, { status: false, error: others.other("x") }, 1);
      expect(answer.Outcome).toMatchObject({ Workflow: workflow });
      expect(category(readCapture(name).response, "Outcome").Workflow).toBe(workflow);
    }
  });

  it("resets the response of a failure to server and version", () => {
    const raw = parseRequest(encodeJson(readCapture("backup").request));
    expect(buildResponse(raw, { status: false, error: others.other("x") }, 1).Response).toEqual({
      Server: "primary",
      ServerVersion: "0.22.0",
    });
  });

  it("comes back on the client's side with everything that was said", () => {
    const raw = parseRequest(encodeJson(readCapture("backup").request));
    const response = parseResponse(
      encodeJson(
        buildResponse(raw, { status: false, error: others.other("the disk burns", {}, new Error("smoke")) }, 1),
      ),
    );
    expect(response.outcome).toMatchObject({
      status: false,
      error: 113,
      code: "SOMETHING_ELSE",
      message: "the disk burns: smoke",
      hint: "Look there.",
      exit: 77,
    });
  });

  it.each(['{"Header":{}}', '{"Outcome":{}}', '{"Outcome":{"Status":"true"}}', "[]", "7"])(
    "takes %s for no answer",
    (text) => {
      expect(() => parseResponse(text)).toThrow(expect.objectContaining({ code: "MANAGEMENT_DOCUMENT_INVALID" }));
    },
  );

  it("has a number for every failure of every command", () => {
    for (const command of commandNames) expect(wireErrorNumber(command, others.other("x"))).toBeGreaterThan(0);
    expect(wireErrorNumber("restore", managementErrors.serverUnknown("x"))).toBe(603);
    expect(wireErrorNumber("info", managementErrors.serverUnknown("x"))).toBe(2201);
    expect(wireErrorNumber("mode", managementErrors.actionUnknown("x"))).toBe(2805);
    expect(wireErrorNumber("list-backup", managementErrors.sortInvalid("x"))).toBe(306);
    expect(wireErrorNumber("delete", managementErrors.backupRetained("x"))).toBe(506);
    expect(wireErrorNumber(undefined, managementErrors.documentInvalid("x"))).toBe(1);
    expect(wireErrorNumber(undefined, managementErrors.commandUnknown("x"))).toBe(2);
  });
});

describe("forms", () => {
  it.each([
    [0, "00:00:0.0000"],
    [0.4, "00:00:0.0004"],
    [12_345.6, "00:00:12.3456"],
    [59_999.99, "00:00:59.9999"],
    [3_661_000, "01:01:1.0000"],
    [360_000_000, "100:00:0.0000"],
    [-1, "00:00:0.0000"],
  ])("%s ms are %s", (ms, text) => {
    expect(formatElapsed(ms)).toBe(text);
  });

  it("writes local time without separators", () => {
    expect(formatTimestamp(new Date(2026, 10, 20, 9, 1, 36).getTime())).toBe("20261120090136");
  });

  it("gives every command a number of its own", () => {
    for (const name of commandNames) expect(commandByNumber(commandTable[name].number)).toBe(name);
    expect(commandByNumber(0)).toBeUndefined();
  });
});

describe("classes of errors", () => {
  it("names only codes that the project's catalogue has", async () => {
    const root = join(import.meta.dirname, "../../../src");
    const known = new Set<string>();
    for (const folder of readdirSync(root)) {
      const path = join(root, folder, "errors.ts");
      if (!existsSync(path)) continue;
      for (const catalogue of Object.values(
        (await import(path)) as Record<string, Record<string, { spec: { code: string } }>>,
      )) {
        for (const { spec } of Object.values(catalogue)) known.add(spec.code);
      }
    }
    expect(classifiedCodes.filter((code) => !known.has(code))).toEqual([]);
  });

  it("finds the exit status where a daemon sends only a number", () => {
    expect(exitStatusOfNumber("restore", 600)).toBe(40);
    expect(exitStatusOfNumber("restore", 601)).toBe(30);
    expect(exitStatusOfNumber("backup", 111)).toBe(5);
    expect(exitStatusOfNumber("backup", 110)).toBe(6);
    expect(exitStatusOfNumber("backup", 2)).toBe(11);
    expect(exitStatusOfNumber("backup", 113)).toBe(1);
    expect(exitStatusOfNumber("backup", 4711)).toBe(1);
  });
});

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { goesToJournal, openLogSink, registerSecret, type LogRecord, type LogSinkOptions } from "../../../src/log/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const record: LogRecord = {
  time: 0,
  level: "info",
  scope: ["s"],
  message: "the password is open sesame",
  fields: {},
  pid: 1,
};

function options(changes: Partial<LogSinkOptions>): { readonly out: string[]; readonly options: LogSinkOptions } {
  const out: string[] = [];
  const stream = { write: (text: string) => out.push(text) };
  const defaults = {
    logType: "console",
    logPath: "",
    logMode: "append",
    logRotationSize: 0,
    logRotationAge: 0,
    logLinePrefix: "%%",
    logFormat: "text",
    tag: "moneta",
  } as const;
  return {
    out,
    options: { ...defaults, clock: { now: () => 0, monotonic: () => 0 }, stdout: stream, stderr: stream, ...changes },
  };
}

test("lines from children are cleaned of the secrets that this process knows, wherever they go", async () => {
  const forget = registerSecret("open sesame");
  try {
    const path = join(temporaryDirectory().path, "m.log");
    const console = options({});
    openLogSink(console.options).write(record);
    expect(console.out).toEqual(["% INFO  s: the password is ***\n"]);
    const json = options({ logFormat: "json" });
    openLogSink(json.options).write(record);
    expect(JSON.parse(json.out.join(""))).toMatchObject({ message: "the password is ***" });
    const file = openLogSink(options({ logType: "file", logPath: path }).options);
    file.write(record);
    await file.close();
    expect(readFileSync(path, "utf8")).toBe("% INFO  s: the password is ***\n");
  } finally {
    forget();
  }
});

test("the journal is told the severity of each line, and only when standard output goes there", () => {
  const journal = options({ journal: true });
  openLogSink(journal.options).write({ ...record, level: "error", message: "one\ntwo" });
  expect(journal.out).toEqual(["<3>% ERROR s: one\n<3>\ttwo\n"]);
  const json = options({ journal: true, logFormat: "json" });
  openLogSink(json.options).write({ ...record, level: "debug", message: "one\ntwo" });
  expect(json.out.join("")).toMatch(/^<7>\{.*one\\ntwo.*\}\n$/);
  const file = openSync(import.meta.filename, "r");
  try {
    const { dev, ino } = fstatSync(file);
    expect([goesToJournal(file, `${dev}:${ino}`), goesToJournal(file, `${dev}:${ino + 1}`), goesToJournal(file, undefined)]).toEqual([true, false, false]);
  } finally {
    closeSync(file);
  }
  expect(goesToJournal(987_654, "1:1")).toBe(false);
});

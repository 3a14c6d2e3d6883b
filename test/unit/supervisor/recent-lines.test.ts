import { describe, expect, it } from "vitest";
import { registerSecret, type LogRecord, type LogSink } from "../../../src/log/index.ts";
import { createRecentLines, rememberLines } from "../../../src/supervisor/recent-lines.ts";

const record = (message: string): LogRecord => ({ time: 0, level: "info", scope: ["a"], message, fields: {}, pid: 1 });

describe("the last lines of the log", () => {
  it("are kept as they were written, without secrets, while they go on to their sink", () => {
    const passed: string[] = [];
    const sink: LogSink = { write: ({ message }) => void passed.push(message), reopen: () => undefined, close: () => Promise.resolve() };
    const recent = createRecentLines();
    const both = rememberLines(sink, recent);
    const forget = registerSecret("hunter-2-hunter");
    both.write(record("one with hunter-2-hunter"));
    both.write(record("two\nin two lines"));
    const text = recent.text();
    forget();
    expect(passed).toEqual(["one with hunter-2-hunter", "two\nin two lines"]);
    expect(text.split("\n")).toEqual([expect.stringMatching(/INFO {2}a: one with \*\*\*$/), expect.stringMatching(/a: two$/), "\tin two lines", ""]);
  });

  it("are bounded: the oldest go, however many there were", () => {
    const recent = createRecentLines(2000);
    for (let index = 0; index < 20_000; index++) recent.note(record(`line ${index}`));
    const lines = recent.text().trimEnd().split("\n");
    expect(recent.text().length).toBeLessThanOrEqual(2000);
    expect(lines.at(-1)).toContain("line 19999");
    expect(lines.length).toBeGreaterThan(20);
    expect(lines[0]).toContain(`line ${20_000 - lines.length}`);
  });
});

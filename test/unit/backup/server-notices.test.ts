import { expect, it } from "vitest";
import { createServerNotices } from "../../../src/backup/server-notices.ts";
import { createLogger, type LogRecord } from "../../../src/log/index.ts";

it("warnings reach the operator whatever language their severity is in, notices only the log, a flood neither, and nothing twice", () => {
  const lines: LogRecord[] = [];
  const notices = createServerNotices(createLogger([], "trace", (line) => lines.push(line)));
  notices.take({ severity: "HINWEIS", sqlstate: "00000", message: "all is well" });
  notices.take({ severity: "WARNUNG", sqlstate: "01000", message: 'skipping special file "./x"', detail: "a socket" });
  notices.take({ severity: "WARNUNG", sqlstate: "01000", message: 'skipping special file "./x"', detail: "a socket" });
  expect(notices.warnings).toEqual(['the server says: skipping special file "./x" (a socket)']);
  expect(lines.map(({ level }) => level)).toEqual(["info", "warn"]);
  for (let n = 0; n < 1000; n += 1) notices.take({ severity: "WARNING", sqlstate: "01000", message: `file ${n}` });
  expect(notices.warnings).toHaveLength(20);
  expect(lines).toHaveLength(22);
  expect(lines.at(-1)?.message).toBe("the server has more warnings, they are in its own log");
});

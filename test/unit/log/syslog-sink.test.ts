import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, expect } from "vitest";
import { createSyslogSink, type LogSink } from "../../../src/log/index.ts";
import type { LogRecord } from "../../../src/log/index.ts";
import { requires } from "../../support/requires.ts";
import { waitFor } from "../../support/wait-for.ts";

let receiver: Socket | undefined;
let received: string[] = [];
let complaints: string[] = [];
let time = 0;
let sink: LogSink | undefined;

beforeEach(async () => {
  received = [];
  complaints = [];
  time = 0;
  const socket = createSocket("udp4", (message) => received.push(message.toString()));
  receiver = socket;
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
});
afterEach(async () => {
  await sink?.close();
  receiver?.close();
});

function open(extraArguments: readonly string[]): LogSink {
  const format = ({ message }: LogRecord): string => message;
  const complain = (text: string): void => {
    complaints.push(text);
  };
  sink = createSyslogSink({ format, complain, monotonic: () => time, tag: "moneta", pid: 4711, extraArguments });
  return sink;
}

const toReceiver = (): string[] => [
  "--server",
  "127.0.0.1",
  "--port",
  String(receiver?.address().port),
  "--udp",
  "--rfc3164",
];
const line = (level: LogRecord["level"], message: string): LogRecord => ({
  time: 0,
  level,
  scope: [],
  message,
  fields: {},
  pid: 1,
});

requires("logger").describe("syslog", () => {
  requires("logger").test(
    "gets each line with its severity, name and id, several lines of one message as one",
    async () => {
      const log = open(toReceiver());
      log.write(line("error", "one <6>"));
      log.write(line("info", "two\n\tmore"));
      log.write(line("debug", "x".repeat(5000)));
      await log.close();
      await waitFor("three messages", () => received.length === 3, { seen: () => [received, complaints] });
      expect(received[0]).toMatch(/^<27>.* moneta\[4711\]: one <6>$/);
      expect(received[1]).toMatch(/^<30>.* moneta\[4711\]: two \| more$/);
      expect(received[2]).toMatch(/^<31>.*: x{5000}$/);
      expect(complaints).toEqual([]);
    },
  );

  requires("logger").test(
    "that cannot be reached: lines go to standard error, and the child is not started again at once",
    async () => {
      const log = open(["--socket", "/nonexistent/socket"]);
      log.write(line("info", "one"));
      await waitFor("the child ended", () => complaints.some((text) => text.includes("syslog helper ended")), {
        seen: () => complaints,
      });
      expect(complaints.at(-1)).toBe("one\n");
      log.write(line("info", "two"));
      expect(complaints.filter((text) => text.includes("ended"))).toHaveLength(1);
      expect(complaints).toContain("two\n");
      time = 5_000;
      log.write(line("info", "three"));
      await waitFor("the second child ended", () => complaints.filter((text) => text.includes("ended")).length === 2, {
        seen: () => complaints,
      });
      expect(complaints.at(-1)).toBe("three\n");
    },
  );
});

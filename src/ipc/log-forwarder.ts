/** Sends a child's log lines to the supervisor, the only writer of the log; a flood is counted instead of kept. */
import type { LogFields, LogRecord } from "../log/index.ts";
import type { Channel } from "./channel.ts";
import type { Log } from "./messages.ts";

/** What JSON can carry of the fields: 64-bit integers become text, absent fields go. */
function plainFields(fields: LogFields): LogFields {
  const plain: Record<string, string | number | boolean | null> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    plain[name] =
      typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value;
  }
  return plain;
}

/** The sink for `createLogger` in a child. Lines that found no room are announced by the next one that does. */
export function createLogForwarder(channel: Pick<Channel<Log>, "offer">): (record: LogRecord) => void {
  let lost = 0;
  return (record) => {
    if (lost > 0) {
      const notice: LogRecord = {
        ...record,
        level: "warn",
        message: `${lost} log lines were lost because they came faster than they could be written`,
        fields: { lost },
      };
      if (!channel.offer({ type: "log", record: notice })) {
        lost += 1;
        return;
      }
      lost = 0;
    }
    if (!channel.offer({ type: "log", record: { ...record, fields: plainFields(record.fields) } })) lost += 1;
  };
}

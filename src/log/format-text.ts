/** A line of the log for people. */
import { strftime } from "./strftime.ts";
import type { LogFields, LogRecord } from "./logger.ts";

/** pgmoneta's default prefix. */
export const defaultLinePrefix = "%Y-%m-%d %H:%M:%S";

/**
 * Makes text safe for a line-oriented file and a terminal: a message that came from a server or a client must not
 * be able to forge lines or send control sequences. Further lines of one message are indented.
 */
function oneRecord(text: string): string {
  return text
    .replace(/\r?\n/g, "\n\t")
    .replace(
      /[\0-\x08\x0b-\x1f\x7f-\x9f]/g,
      (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
}

/** `name=value` behind the message; texts with anything but word characters are quoted. */
function fieldsText(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        ` ${name}=${typeof value === "string" && !/^[\w./:@+-]+$/.test(value) ? JSON.stringify(value) : String(value)}`,
    )
    .join("");
}

/**
 * `<prefix> LEVEL scope/scope: message name=value`, without the line end.
 *
 * @param prefix a strftime(3) pattern
 */
export function formatTextLine(record: LogRecord, prefix: string = defaultLinePrefix): string {
  const scope = record.scope.length === 0 ? "" : `${record.scope.join("/")}: `;
  const body = oneRecord(`${scope}${record.message}${fieldsText(record.fields)}`);
  return `${oneRecord(strftime(prefix, record.time))} ${record.level.toUpperCase().padEnd(5)} ${body}`;
}

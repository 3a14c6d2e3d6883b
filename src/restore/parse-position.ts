/** The position of `restore`: pgmoneta's tokens, separated by commas; values may stand in quotes. */
import { parseLsn, timelineId } from "../postgres/index.ts";
import { restoreErrors } from "./errors.ts";
import { noPosition, type RecoveryAction, type RecoveryPosition, type RecoveryTarget } from "./recovery-position.ts";
import { parseTargetTime } from "./target-time.ts";

const knownTokens =
  "current, immediate, name=, xid=, lsn=, time=, timeline=, inclusive=, action=, primary, replica";
const targets = new Set(["current", "immediate", "name", "xid", "lsn", "time"]);
/** Longest name of a restore point: `MAXFNAMELEN` less its end. */
const longestName = 63;

interface Token {
  readonly key: string;
  /** Undefined when the token has no `=`. */
  readonly value: string | undefined;
  readonly written: string;
}

const refuse = (token: string, why: string) => restoreErrors.position(`${token}: ${why}`, { token });

/** Cuts at commas outside quotes; quotes of either kind around a value go, doubled ones inside stay once. */
function tokensOf(text: string): Token[] {
  const pieces = text.match(/(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|[^,'"]|['"])+/g) ?? [];
  const tokens: Token[] = [];
  for (const piece of pieces) {
    const written = piece.trim();
    if (written === "") continue;
    const equals = written.indexOf("=");
    if (equals < 0) tokens.push({ key: written.toLowerCase(), value: undefined, written });
    else tokens.push({ key: written.slice(0, equals).trim().toLowerCase(), value: unquote(written.slice(equals + 1).trim()), written });
  }
  return tokens;
}

function unquote(value: string): string {
  const quote = value.at(0);
  if (value.length < 2 || (quote !== "'" && quote !== '"') || !value.endsWith(quote)) return value;
  return value.slice(1, -1).replaceAll(quote + quote, quote);
}

function targetOf({ key, value, written }: Token): RecoveryTarget {
  if (key === "current" || key === "immediate") {
    if (value !== undefined) throw refuse(written, `${key} takes no value`);
    return { kind: "immediate" };
  }
  if (value === undefined || value === "") throw refuse(written, `expected ${key}=<value>`);
  switch (key) {
    case "name":
      if (Buffer.byteLength(value) > longestName) throw refuse(written, `a restore point has at most ${longestName} bytes`);
      return { kind: "name", name: value };
    case "xid":
      if (!/^[0-9]{1,20}$/.test(value) || BigInt(value) < 3n) throw refuse(written, "expected the number of a transaction, from 3 on");
      return { kind: "xid", xid: BigInt(value) };
    case "lsn":
      if (!/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(value)) throw refuse(written, "expected a WAL position such as 16/B374D848");
      return { kind: "lsn", lsn: parseLsn(value) };
    default:
      return { kind: "time", time: parseTargetTime(value) };
  }
}

const truths = new Map<string, boolean>([
  ["", true],
  ...["on", "true", "yes", "1", "t", "y"].map((word) => [word, true] as const),
  ...["off", "false", "no", "0", "f", "n"].map((word) => [word, false] as const),
]);

function inclusiveOf({ value = "", written }: Token): boolean {
  const truth = truths.get(value.toLowerCase());
  if (truth === undefined) throw refuse(written, "expected inclusive=on or inclusive=off");
  return truth;
}

function actionOf({ value = "", written }: Token): RecoveryAction {
  const action = value === "" ? "pause" : value.toLowerCase();
  if (action === "pause" || action === "promote" || action === "shutdown") return action;
  throw refuse(written, "expected action=pause, action=promote or action=shutdown");
}

function timelineOf({ value = "", written }: Token): RecoveryPosition["timeline"] {
  const word = value.toLowerCase();
  if (word === "" || word === "latest") return "latest";
  if (word === "current") return "current";
  const number = /^(?:0x[0-9a-f]{1,8}|[0-9]{1,10})$/.test(word) ? Number(word) : 0;
  if (number < 1 || number > 0xffff_ffff) throw refuse(written, "expected timeline=latest, timeline=current or timeline=<number>");
  return timelineId(number);
}

/**
 * Reads a position; null or nothing is the end of the archive. Throws RESTORE_POSITION_INVALID naming the token and
 * what was expected.
 */
export function parsePosition(text: string | null): RecoveryPosition {
  let position = noPosition;
  const seen = new Map<string, string>();
  for (const token of tokensOf(text ?? "")) {
    const { key, value, written } = token;
    const subject = targets.has(key) ? "target" : key === "primary" || key === "replica" ? "role" : key;
    const earlier = seen.get(subject);
    if (earlier !== undefined) throw refuse(written, `there is already ${earlier}, and only one ${subject} is possible`);
    seen.set(subject, written);
    if (subject === "target") position = { ...position, target: targetOf(token) };
    else if (key === "inclusive") position = { ...position, inclusive: inclusiveOf(token) };
    else if (key === "action") position = { ...position, action: actionOf(token) };
    else if (key === "timeline") position = { ...position, timeline: timelineOf(token) };
    else if (key === "primary" || key === "replica") {
      if (value !== undefined) throw refuse(written, `${key} takes no value`);
      position = { ...position, role: key };
    } else throw refuse(written, `unknown; expected one of ${knownTokens}`);
  }
  return position;
}

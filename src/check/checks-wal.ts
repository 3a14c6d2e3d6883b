/** The checks of the WAL: the slot, the stream, what is stored of it. */
import { formatByteSize, formatDuration } from "../common/index.ts";
import { critical, fromAlarms, ok, skipped, unseen, warning, type Check, type CheckInput, type Verdict } from "./check.ts";
import { notAsked, prerequisite } from "./checks-server.ts";

const hour = 3_600_000;
const minute = 60_000;
/** Segments of lag. */
const warningSegments = 16n;
const criticalSegments = 64n;
const usualSegment = 16 * 1024 * 1024;

const lagOf = ({ stream }: CheckInput): bigint => (stream.serverEnd > stream.flushed ? stream.serverEnd - stream.flushed : 0n);

/** Bytes an hour by which the WAL that the slot keeps grows, from what was seen last time, else from the last word of the stream. */
export function growthPerHour({ earlier, probe, stream }: CheckInput): number | undefined {
  const server = probe?.server ?? null;
  if (server === null || probe === undefined || server.slotRestart === null) return undefined;
  const position = BigInt(server.position);
  const kept = position - BigInt(server.slotRestart);
  const rates: number[] = [];
  const rate = (bytes: bigint, ms: number): void => {
    if (ms >= 10_000) rates.push((Number(bytes) / ms) * hour);
  };
  if (earlier?.kept !== undefined) rate(kept - earlier.kept, probe.at - earlier.at);
  const silent = stream.state !== "streaming" && stream.lastHeard > 0 && stream.serverEnd > 0n;
  if (silent) rate(position - stream.serverEnd, probe.at - stream.lastHeard);
  return rates.length === 0 ? undefined : Math.max(...rates);
}

/** How long until the server has no room for its WAL, or removes what was not received. */
export function timeToFull(input: CheckInput): { readonly ms: number; readonly room: number; readonly ends: "slot" | "disk" } | undefined {
  const server = input.probe?.server ?? null;
  const growth = growthPerHour(input);
  if (server === null || growth === undefined || growth <= 0) return undefined;
  const rooms = [
    ...(server.slotRoom === null ? [] : [{ room: Math.max(0, server.slotRoom), ends: "slot" as const }]),
    ...(server.diskRoom === null ? [] : [{ room: server.diskRoom, ends: "disk" as const }]),
  ].sort((a, b) => a.room - b.room);
  const [first] = rooms;
  return first === undefined ? undefined : { ...first, ms: (first.room / growth) * hour };
}

function primaryWalSpace(input: CheckInput): Verdict {
  const server = input.probe?.server ?? null;
  if (server === null) return notAsked(input);
  if (server.slotRestart === null) return unseen("the slot keeps no WAL, or does not tell");
  // A standby has what it has not replayed yet.
  const distance = BigInt(server.position) - BigInt(server.slotRestart);
  const kept = distance > 0n ? distance : 0n;
  const keeps = `the slot keeps ${formatByteSize(Number(kept))} of WAL`;
  const full = timeToFull(input);
  if (full === undefined && growthPerHour(input) === undefined) return unseen(`${keeps}; how fast that grows is known from the next check on`);
  if (full === undefined) {
    if (server.slotRoom === null && server.diskRoom === null)
      return input.stream.state === "streaming" ? ok(`${keeps}; how much room there is the server does not tell`) : unseen(`${keeps}; how much room there is the server does not tell`);
    return ok(`${keeps} and grows no further`);
  }
  const what = full.ends === "slot" ? "the slot loses WAL" : "the disk of the cluster is full";
  const message = `${keeps}; ${what} in ${formatDuration(full.ms)} at the present rate, ${formatByteSize(full.room)} are left`;
  if (full.ms < 4 * hour) return critical(message);
  return full.ms < 24 * hour ? warning(message) : ok(message);
}

const working: readonly string[] = ["connecting", "preparing", "comparing", "starting", "disconnected", "paused"];

export const walChecks = {
  SLOT: {
    looksAt: "Whether the replication slot is there, physical, and has not lost its WAL.",
    critical: "It is not.",
    fix: "Run the statement on the server; with create_slot = on a missing one is made by itself.",
    judge: (input) => prerequisite(input, "SLOT", "critical"),
  },
  SLOT_WAL: {
    looksAt: "How much WAL the server keeps for the slot, against max_wal_size and max_slot_wal_keep_size.",
    warning: "More than max_wal_size, or more than half of max_slot_wal_keep_size.",
    fix: "See why WAL is not received. Moneta that was just started after a while catches up by itself.",
    judge: (input) => prerequisite(input, "SLOT_WAL", "warning"),
  },
  PRIMARY_WAL_SPACE: {
    looksAt:
      "How long the server's pg_wal has room for what the slot keeps, at the rate at which it grew since the last check, or since the stream was lost. The room is that of max_slot_wal_keep_size and, for a server on this machine, that of its disk.",
    warning: "Less than 24 hours.",
    critical: "Less than 4 hours.",
    fix: "Have WAL received again. If that takes too long: more room for pg_wal, or drop the slot, which leaves a gap but keeps the server running.",
    judge: primaryWalSpace,
  },
  RECEIVER: {
    looksAt: "Whether WAL is being received.",
    warning: "The receiver is about to connect.",
    critical: "It is held up, refused, or does not run.",
    fix: "Solve what the message names; the receiver tries again by itself.",
    judge: ({ alarms, online, stream }) => {
      if (!online) return skipped("the server is offline");
      if (stream.state === "following") return ok("the followed server streams");
      const [held] = alarms.receiver;
      if (held !== undefined) return fromAlarms(alarms.receiver, "critical", "");
      if (stream.state === "streaming") return alarms.follow.length > 0 ? fromAlarms(alarms.follow, "warning", "") : ok("WAL is streamed");
      const message = `the receiver is ${stream.state}`;
      return working.includes(stream.state) ? warning(message) : critical(message);
    },
  },
  WAL_LAG: {
    looksAt: "How much WAL the server has written that is not on disk here.",
    warning: "16 segments and more.",
    critical: "64 segments and more.",
    fix: "Look at network and disk: WAL is received more slowly than it is written.",
    judge: (input) => {
      const { stream } = input;
      if (!input.online || input.follows) return skipped("nothing is received at the moment");
      if (!stream.known) return skipped("nothing was received yet");
      const asked = input.probe?.server ?? null;
      const position = asked === null || asked.timeline !== stream.timeline ? 0n : BigInt(asked.position);
      // What was written after the stream said its last word counts, where the stream is silent.
      const behind = stream.state === "streaming" || position < stream.flushed ? lagOf(input) : position - stream.flushed;
      const segment = BigInt(stream.segmentSize > 0 ? stream.segmentSize : usualSegment);
      const message = `${formatByteSize(Number(behind))} behind the server`;
      if (behind >= criticalSegments * segment) return critical(message);
      return behind >= warningSegments * segment ? warning(message) : ok(message);
    },
  },
  WAL_AGE: {
    looksAt: "How long ago the server was last heard, which is the age of the newest moment that can be restored.",
    warning: "More than 1 minute.",
    critical: "More than 5 minutes.",
    fix: "See RECEIVER: what was written since then is not safe here.",
    judge: ({ follows, now, online, stream }) => {
      if (follows) return skipped("the followed server streams");
      if (stream.lastHeard === 0) return online ? warning("the server was never heard since the daemon runs") : skipped("the server is offline");
      const age = Math.max(0, now - stream.lastHeard);
      const message = `the server was heard ${formatDuration(age)} ago`;
      // It was taken out of service on purpose: MODE says so.
      if (!online) return skipped(message);
      if (age > 5 * minute) return critical(message);
      return age > minute ? warning(message) : ok(message);
    },
  },
  WAL_GAPS: {
    looksAt: "Whether ranges of WAL are missing.",
    critical: "One is.",
    fix: "Take a backup: moments behind a gap can be reached only from one that was taken after it.",
    judge: ({ alarms }) => fromAlarms(alarms.gaps, "critical", "no WAL is missing"),
  },
  WAL_BRANCHES: {
    looksAt: "Other findings of the receiver about the WAL of the server: branches that it has left, files that archive_command pushed with other content.",
    warning: "There is one.",
    fix: "The message says what was found.",
    judge: ({ alarms }) => {
      const known: readonly string[] = ["WAL_LEVEL", "MAX_WAL_SENDERS", "SLOT", "SLOT_WAL", "TABLESPACES", "SUMMARIZE_WAL", "SYNCHRONOUS_COMMIT", "SQL_CONNECTION", "FILE_LOCATIONS", "PASSWORD_TRANSPORT", "VERSION"];
      const others = alarms.findings.filter(({ code }) => !known.includes(code));
      return fromAlarms([...others, ...alarms.pushes], "warning", "one branch, and nothing pushed that differs");
    },
  },
  WAL_ARCHIVE: {
    looksAt: "Whether finished WAL segments get their final form.",
    warning: "They stay raw. Restores read them all the same, but they take more room and, with encryption, lie in clear.",
    fix: "Solve what the message names; the archiver tries again by itself.",
    judge: ({ alarms }) => fromAlarms(alarms.archiving, "warning", "finished segments are archived"),
  },
  SECOND_COPY: {
    looksAt: "Whether the second copy of the WAL (wal_shipping) is up to date.",
    warning: "It is not.",
    fix: "Look at the directory of wal_shipping, its disk and its network.",
    judge: ({ alarms, wants }) =>
      wants.secondCopy ? fromAlarms(alarms["second-copy"], "warning", "up to date, or catching up") : skipped("none is configured (wal_shipping)"),
  },
} as const satisfies Readonly<Record<string, Check>>;
